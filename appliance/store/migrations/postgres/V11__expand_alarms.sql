-- Alarms: what an operator should look at, from when to when.

INSERT INTO settings (key, value) VALUES ('schema.least_program', '10')
    ON CONFLICT (key) DO UPDATE SET value = excluded.value;

CREATE TABLE alarms (
    id UUID PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    subject UUID NOT NULL,
    courier_id UUID,
    message TEXT COLLATE "C" NOT NULL,
    raised_at BIGINT NOT NULL,
    cleared_at BIGINT
);
-- What is wrong is raised once, however many servers see it.
CREATE UNIQUE INDEX alarms_open ON alarms (kind, subject) WHERE cleared_at IS NULL;
CREATE INDEX alarms_by_courier ON alarms (courier_id, id);

-- Certificates of orders that nobody said to be in use.
CREATE INDEX courier_orders_unacknowledged ON courier_orders (issued_at, id)
    WHERE installed_at IS NULL AND certificate_id IS NOT NULL;
