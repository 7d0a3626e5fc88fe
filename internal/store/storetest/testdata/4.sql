INSERT INTO tokens (name, role, hash, created, expires, used)
VALUES ('ada', 'operator', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 1767323045000000, 0, 1767323046000000);
INSERT INTO audit (at, who, role, remote, action, target, detail, status, refused)
VALUES (1767323046000000, 'ada', 'operator', '192.168.1.5', 'pin-device', '00c0de', '{"version":"8a1b2c3d"}', 200, FALSE);
