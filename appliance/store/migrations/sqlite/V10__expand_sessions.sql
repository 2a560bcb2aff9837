-- Whether nobody between can have put another key in the place of that of a session. A session from before says no.

INSERT INTO settings (key, value) VALUES ('schema.least_program', '9')
    ON CONFLICT (key) DO UPDATE SET value = excluded.value;

ALTER TABLE courier_sessions ADD COLUMN is_key_own INTEGER NOT NULL DEFAULT 0 CHECK (is_key_own IN (0, 1));
