-- What tells one installation from another, wherever its store goes: a backup is of one installation.
INSERT INTO settings (key, value) VALUES ('installation', lower(hex(randomblob(16))));
