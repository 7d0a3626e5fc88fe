-- +goose Up
-- The values that people want settings of device code to have: of a device, a group or a device type.
CREATE TABLE wanted_settings (
    scope TEXT NOT NULL, -- device, group or type
    target TEXT NOT NULL, -- chip id, group or device type
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (scope, target, name)
);
