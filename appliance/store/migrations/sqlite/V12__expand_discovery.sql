-- Certificates that were found, by couriers on their hosts; where each lies; and how each scan went.

INSERT INTO settings (key, value) VALUES ('schema.least_program', '11')
    ON CONFLICT (key) DO UPDATE SET value = excluded.value;

CREATE TABLE discovered_certificates (
    id BLOB PRIMARY KEY,
    fingerprint BLOB NOT NULL UNIQUE,
    der BLOB NOT NULL,
    subject TEXT NOT NULL,
    issuer TEXT NOT NULL,
    serial BLOB NOT NULL,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    names TEXT NOT NULL,
    key_algorithm TEXT NOT NULL,
    fault TEXT,
    status TEXT NOT NULL CHECK (status IN ('new', 'claimed', 'dismissed')),
    certificate_id BLOB,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL
) STRICT;
CREATE INDEX discovered_certificates_by_status ON discovered_certificates (status, id);

CREATE TABLE discovered_places (
    courier_id BLOB NOT NULL REFERENCES couriers (id) ON DELETE CASCADE,
    discovered_id BLOB NOT NULL REFERENCES discovered_certificates (id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    is_managed INTEGER NOT NULL CHECK (is_managed IN (0, 1)),
    is_key_exposed INTEGER NOT NULL CHECK (is_key_exposed IN (0, 1)),
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    scan BLOB NOT NULL,
    PRIMARY KEY (courier_id, discovered_id, path)
) STRICT;
CREATE INDEX discovered_places_by_certificate ON discovered_places (discovered_id);

CREATE TABLE discovery_scans (
    id BLOB PRIMARY KEY,
    courier_id BLOB NOT NULL REFERENCES couriers (id) ON DELETE CASCADE,
    scan BLOB NOT NULL,
    begun_at INTEGER NOT NULL,
    finished_at INTEGER,
    certificates INTEGER NOT NULL,
    files INTEGER,
    unreadable INTEGER,
    skipped INTEGER,
    UNIQUE (courier_id, scan)
) STRICT;
