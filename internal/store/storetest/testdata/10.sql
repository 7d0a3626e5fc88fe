UPDATE devices SET problems = '["info: heap: -1 is not a number of bytes"]' WHERE id = '00c0de';
