-- +goose Up
-- The bytes that had come over the air in a device's update, if it says that: by its last report, and
-- by each event of kind update.
ALTER TABLE devices ADD COLUMN update_received BIGINT;
ALTER TABLE events ADD COLUMN received BIGINT;
