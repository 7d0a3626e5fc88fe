-- +goose Up
-- Tokens that let people and programs in. Of a token only its SHA-256 is kept, in hex.
-- 0 is never.
CREATE TABLE tokens (
    name    TEXT PRIMARY KEY,
    role    TEXT NOT NULL,
    hash    TEXT NOT NULL UNIQUE,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    used    BIGINT NOT NULL
);

-- What was done, and by whom. Refused: tried by who may not.
CREATE TABLE audit (
    at      BIGINT NOT NULL,
    who     TEXT NOT NULL,
    role    TEXT NOT NULL,
    remote  TEXT NOT NULL,
    action  TEXT NOT NULL,
    target  TEXT NOT NULL,
    detail  TEXT NOT NULL,
    status  INTEGER NOT NULL,
    refused BOOLEAN NOT NULL
);
CREATE INDEX audit_at ON audit (refused, at);
