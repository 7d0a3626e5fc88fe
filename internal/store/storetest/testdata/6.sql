UPDATE devices SET rssi = -61 WHERE id = '00c0de';
