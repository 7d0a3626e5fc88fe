INSERT INTO devices (id, type, version, sequence, slot, default_slot, boot_version, sdk, reset, safe, info, status, silent,
    update_state, update_version, update_progress, update_error, first_seen, seen, malformed, name, group_name)
VALUES ('00c0de', 'socket', '8a1b2c3d', 42, 1, 1, 1, '3.0.5', 'power-on', FALSE,
    '{"device":"socket","chip_id":"00c0de","version":{"esper":"8a1b2c3d","sequence":42,"sdk":"3.0.5","boot":1},"boot":{"rom":1,"default":1,"reset":"power-on","slots":[null,{"version":"8a1b2c3d","sequence":42}]},"uptime":12}',
    'ONLINE', FALSE, 'downloading', '9c0d1e2f', 40, '', 1767323045000000, 1767326645000000, 2, 'Kettle', 'kitchen');
INSERT INTO tags (device, tag) VALUES ('00c0de', 'canary');
