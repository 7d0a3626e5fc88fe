-- +goose Up
-- The parts of a device's last messages that cannot be used, as a JSON list.
ALTER TABLE devices ADD COLUMN problems TEXT NOT NULL DEFAULT '[]';
