UPDATE devices SET update_received = 1234 WHERE id = '00c0de';
UPDATE events SET received = 1234 WHERE device = '00c0de';
