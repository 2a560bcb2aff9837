-- What tells one installation from another, wherever its store goes: a backup is of one installation.
INSERT INTO settings (key, value) VALUES ('installation', replace(gen_random_uuid()::text, '-', ''));
