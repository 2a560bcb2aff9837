-- Alarms: what an operator should look at, from when to when.

INSERT INTO settings (key, value) VALUES ('schema.least_program', '10')
    ON CONFLICT (key) DO UPDATE SET value = excluded.value;

CREATE TABLE alarms (
    id BLOB PRIMARY KEY,
    kind TEXT NOT NULL,
    subject BLOB NOT NULL,
    courier_id BLOB,
    message TEXT NOT NULL,
    raised_at INTEGER NOT NULL,
    cleared_at INTEGER
) STRICT;
-- What is wrong is raised once, however many servers see it.
CREATE UNIQUE INDEX alarms_open ON alarms (kind, subject) WHERE cleared_at IS NULL;
CREATE INDEX alarms_by_courier ON alarms (courier_id, id);

-- Certificates of orders that nobody said to be in use.
CREATE INDEX courier_orders_unacknowledged ON courier_orders (issued_at, id)
    WHERE installed_at IS NULL AND certificate_id IS NOT NULL;
