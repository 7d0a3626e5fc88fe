INSERT INTO wanted_settings (scope, target, name, value) VALUES ('group', 'kitchen', 'interval', '60');
