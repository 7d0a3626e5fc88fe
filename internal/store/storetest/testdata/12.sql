UPDATE devices SET settings = '{"state":"trial","sequence":6,"own":0,"candidate":7,"from":"flash","error":""}' WHERE id = '00c0de';
INSERT INTO rollouts (type, state)
VALUES ('socket.settings', '{"type":"socket.settings","general":{"version":"6","sequence":6},"release":{"version":"7","sequence":7},"number":2,"plan":{"stages":[{"percent":100,"watch":0,"failures":0}],"report_within":3600000000000,"patience":7200000000000},"status":"running","stage":0,"at_risk":1,"waiting":0,"confirmed":0,"failed":0,"proven":false}');
INSERT INTO settings_devices (device, state)
VALUES ('00c0de', '{"id":"00c0de","type":"socket.settings","online":true,"running":"6","sequence":6,"last":{"release":"7","number":2,"times":1,"state":"taken","since":"2026-01-02T03:04:05Z"}}');
INSERT INTO settings_targets (device, version, since) VALUES ('00c0de', '7', 1767323045000000);
