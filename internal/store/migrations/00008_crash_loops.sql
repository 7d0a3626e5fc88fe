-- +goose Up
-- Until when a device counts as in a crash loop, in microseconds; 0: it does not.
ALTER TABLE devices ADD COLUMN loops_until BIGINT NOT NULL DEFAULT 0;
