INSERT INTO rollouts (type, state)
VALUES ('socket', '{"type":"socket","general":{"version":"8a1b2c3d","sequence":42},"release":{"version":"9c0d1e2f","sequence":43},"number":2,"plan":{"stages":[{"percent":100,"watch":0,"failures":0}],"report_within":3600000000000,"patience":7200000000000},"status":"running","stage":0,"at_risk":1,"waiting":0,"confirmed":0,"failed":0,"proven":false}');
INSERT INTO rollout_devices (device, state)
VALUES ('00c0de', '{"id":"00c0de","type":"socket","online":true,"running":"8a1b2c3d","sequence":42,"held":true,"last":{"release":"9c0d1e2f","number":2,"times":1,"state":"offered","since":"2026-01-02T03:04:05Z"}}');
INSERT INTO targets (device, version, since) VALUES ('00c0de', '9c0d1e2f', 1767323045000000);
INSERT INTO rollout_events (type, at, kind, release, stage, device, failure, person)
VALUES ('socket', 1767323045000000, 'device-offered', '9c0d1e2f', 0, '00c0de', '', '');
