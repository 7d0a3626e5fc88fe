-- +goose Up
-- Who failed with the newest release is found by these events.
CREATE INDEX rollout_failures ON rollout_events (type, release) WHERE kind = 'device-failed';
