-- Instances of bridges that wait for somebody's approval, and what each last said of itself.

INSERT INTO settings (key, value) VALUES ('schema.least_program', '12')
    ON CONFLICT (key) DO UPDATE SET value = excluded.value;

CREATE TABLE bridge_pending (
    bridge_id UUID PRIMARY KEY REFERENCES bridges (id) ON DELETE CASCADE,
    since BIGINT NOT NULL
);

CREATE TABLE bridge_reports (
    bridge_id UUID PRIMARY KEY REFERENCES bridges (id) ON DELETE CASCADE,
    report TEXT COLLATE "C" NOT NULL,
    reported_at BIGINT NOT NULL
);

ALTER TABLE bridge_tokens ADD COLUMN needs_approval BIGINT NOT NULL DEFAULT 0 CHECK (needs_approval IN (0, 1));
