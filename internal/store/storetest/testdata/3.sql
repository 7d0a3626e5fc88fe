INSERT INTO releases (type, version, sequence, first_seen, served)
VALUES ('socket', '8a1b2c3d', 42, 1767323045000000, FALSE), ('socket', '9c0d1e2f', 43, 1767323045000000, TRUE);
