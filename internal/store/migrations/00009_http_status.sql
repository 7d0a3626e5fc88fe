-- +goose Up
-- The status that the update server answered, if a device reports that as its error.
ALTER TABLE devices ADD COLUMN update_http_status INTEGER;
