-- +goose Up
-- One row a device: what it reported last, and what people call it. Columns are what
-- queries ask for; the whole info is JSON. Times are microseconds since 1970, UTC.
CREATE TABLE devices (
    id              TEXT PRIMARY KEY,
    type            TEXT NOT NULL,
    version         TEXT NOT NULL,
    sequence        BIGINT NOT NULL,
    slot            INTEGER,
    default_slot    INTEGER,
    boot_version    BIGINT NOT NULL,
    sdk             TEXT NOT NULL,
    reset           TEXT NOT NULL,
    safe            BOOLEAN NOT NULL,
    info            TEXT,
    status          TEXT NOT NULL,
    silent          BOOLEAN NOT NULL,
    update_state    TEXT,
    update_version  TEXT,
    update_progress INTEGER,
    update_error    TEXT,
    first_seen      BIGINT NOT NULL,
    seen            BIGINT NOT NULL,
    malformed       BIGINT NOT NULL,
    name            TEXT NOT NULL DEFAULT '',
    group_name      TEXT NOT NULL DEFAULT ''
);

CREATE TABLE tags (
    device TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    tag    TEXT NOT NULL,
    PRIMARY KEY (device, tag)
);
CREATE INDEX tags_tag ON tags (tag);
