-- +goose Up
-- How far the releases of each device type have come, and what the roll-outs know of each
-- device: both as JSON, since only package rollout reads them.
CREATE TABLE rollouts (
    type  TEXT PRIMARY KEY,
    state TEXT NOT NULL
);
CREATE TABLE rollout_devices (
    device TEXT PRIMARY KEY,
    state  TEXT NOT NULL
);

-- The release that a roll-out means each device to run, and since when.
CREATE TABLE targets (
    device  TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    since   BIGINT NOT NULL
);

CREATE TABLE rollout_events (
    type    TEXT NOT NULL,
    at      BIGINT NOT NULL,
    kind    TEXT NOT NULL,
    release TEXT NOT NULL,
    stage   INTEGER NOT NULL,
    device  TEXT NOT NULL,
    failure TEXT NOT NULL,
    person  TEXT NOT NULL,
    PRIMARY KEY (type, at, kind, device)
);

-- How many devices ran a release when is counted from these events.
CREATE INDEX events_to_version ON events (after, at) WHERE kind = 'version';
CREATE INDEX events_from_version ON events (before, at) WHERE kind = 'version';
