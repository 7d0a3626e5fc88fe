-- +goose Up
-- Devices that log in at the broker in a way of their own: with passwords that no other device has,
-- or, while they are revoked, not at all. 0 is never. A device that logs in as all do is not here.
CREATE TABLE device_logins (
    device  TEXT PRIMARY KEY,
    revoked BIGINT NOT NULL
);

-- A device's valid passwords, the oldest at place 0. Of each only hashes are kept: its SHA-256 in
-- hex, and how Mosquitto keeps it. Used: when the device first logged in with it.
CREATE TABLE device_passwords (
    device    TEXT NOT NULL,
    place     INTEGER NOT NULL,
    sha256    TEXT NOT NULL,
    mosquitto TEXT NOT NULL,
    made      BIGINT NOT NULL,
    used      BIGINT NOT NULL,
    PRIMARY KEY (device, place)
);
