INSERT INTO device_logins (device, revoked) VALUES ('00c0de', 1767323047000000);
INSERT INTO device_passwords (device, place, sha256, mosquitto, made, used)
VALUES ('00c0de', 0, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    '$7$101$qGy8A1KF+xHlV3iY$99MWmoSBTu7SFNI4iOfbZ114wPU+YEmVWo6llQGH6qx9JIqkc+1W2BZbrdMMyVuHxoDJ0zyEButazqr+jWzQLw==',
    1767323045000000, 1767323046000000);
