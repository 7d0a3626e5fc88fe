-- +goose Up
-- The signal strength in dBm that the device last reported, to sort by.
ALTER TABLE devices ADD COLUMN rssi BIGINT;
