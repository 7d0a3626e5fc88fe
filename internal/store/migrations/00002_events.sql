-- +goose Up
-- The key makes it harmless to store a batch again when it is not known whether the
-- first time succeeded.
CREATE TABLE events (
    device  TEXT NOT NULL,
    at      BIGINT NOT NULL,
    kind    TEXT NOT NULL,
    late    BOOLEAN NOT NULL,
    before  TEXT NOT NULL,
    after   TEXT NOT NULL,
    version TEXT NOT NULL,
    error   TEXT NOT NULL,
    PRIMARY KEY (device, at, kind)
);
CREATE INDEX events_at ON events (at);
