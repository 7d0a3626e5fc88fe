UPDATE devices SET loops_until = 1772452800000000 WHERE id = '00c0de';
