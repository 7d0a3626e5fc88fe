INSERT INTO events (device, at, kind, late, before, after, version, error)
VALUES ('00c0de', 1767323045000000, 'version', FALSE, '', '8a1b2c3d', '', '');
