INSERT INTO rollout_events (type, at, kind, release, stage, device, failure, person) VALUES ('socket', 1767323107000000, 'device-failed', 'x', 0, '00c0de', 'refused', '');
