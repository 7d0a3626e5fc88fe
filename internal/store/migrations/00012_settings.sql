-- +goose Up
-- What the settings of a device are at, by its last report, as JSON; and what the roll-outs of
-- settings know of each device, as rollout_devices and targets for those of firmware.
ALTER TABLE devices ADD COLUMN settings TEXT;
CREATE TABLE settings_devices (
    device TEXT PRIMARY KEY,
    state  TEXT NOT NULL
);
CREATE TABLE settings_targets (
    device  TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    since   BIGINT NOT NULL
);
