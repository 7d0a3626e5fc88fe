-- +goose Up
-- Every release that was ever published here; served: the one that devices of its
-- type are to have.
CREATE TABLE releases (
    type       TEXT NOT NULL,
    version    TEXT NOT NULL,
    sequence   BIGINT NOT NULL,
    first_seen BIGINT NOT NULL,
    served     BOOLEAN NOT NULL,
    PRIMARY KEY (type, version)
);
