-- Certificates that were found, by couriers on their hosts; where each lies; and how each scan went.

INSERT INTO settings (key, value) VALUES ('schema.least_program', '11')
    ON CONFLICT (key) DO UPDATE SET value = excluded.value;

CREATE TABLE discovered_certificates (
    id UUID PRIMARY KEY,
    fingerprint BYTEA NOT NULL UNIQUE,
    der BYTEA NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    issuer TEXT COLLATE "C" NOT NULL,
    serial BYTEA NOT NULL,
    not_before BIGINT NOT NULL,
    not_after BIGINT NOT NULL,
    names TEXT COLLATE "C" NOT NULL,
    key_algorithm TEXT COLLATE "C" NOT NULL,
    fault TEXT COLLATE "C",
    status TEXT COLLATE "C" NOT NULL CHECK (status IN ('new', 'claimed', 'dismissed')),
    certificate_id UUID,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL
);
CREATE INDEX discovered_certificates_by_status ON discovered_certificates (status, id);

CREATE TABLE discovered_places (
    courier_id UUID NOT NULL REFERENCES couriers (id) ON DELETE CASCADE,
    discovered_id UUID NOT NULL REFERENCES discovered_certificates (id) ON DELETE CASCADE,
    path TEXT COLLATE "C" NOT NULL,
    is_managed BIGINT NOT NULL CHECK (is_managed IN (0, 1)),
    is_key_exposed BIGINT NOT NULL CHECK (is_key_exposed IN (0, 1)),
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    scan UUID NOT NULL,
    PRIMARY KEY (courier_id, discovered_id, path)
);
CREATE INDEX discovered_places_by_certificate ON discovered_places (discovered_id);

CREATE TABLE discovery_scans (
    id UUID PRIMARY KEY,
    courier_id UUID NOT NULL REFERENCES couriers (id) ON DELETE CASCADE,
    scan UUID NOT NULL,
    begun_at BIGINT NOT NULL,
    finished_at BIGINT,
    certificates BIGINT NOT NULL,
    files BIGINT,
    unreadable BIGINT,
    skipped BIGINT,
    UNIQUE (courier_id, scan)
);
