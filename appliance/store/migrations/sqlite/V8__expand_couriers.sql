-- Couriers: programs on other machines that get certificates for them; what they may do, how they show who they are, what they
-- asked for.

INSERT INTO settings (key, value) VALUES ('schema.least_program', '7')
    ON CONFLICT (key) DO UPDATE SET value = excluded.value;

CREATE TABLE couriers (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL CHECK (status IN ('active', 'disabled')),
    record TEXT NOT NULL,
    revision INTEGER NOT NULL CHECK (revision > 0),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;

-- How a courier may show who it is.
CREATE TABLE courier_credentials (
    id BLOB PRIMARY KEY,
    courier_id BLOB NOT NULL REFERENCES couriers (id) ON DELETE CASCADE,
    method TEXT NOT NULL,
    binding TEXT NOT NULL,
    client_id TEXT UNIQUE,
    secret_hash TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER,
    CHECK ((client_id IS NULL) = (secret_hash IS NULL))
) STRICT;
CREATE INDEX courier_credentials_by_courier ON courier_credentials (courier_id, id);

-- Only the hash of a session's token is kept.
CREATE TABLE courier_sessions (
    token_hash BLOB PRIMARY KEY,
    courier_id BLOB NOT NULL REFERENCES couriers (id) ON DELETE CASCADE,
    method TEXT NOT NULL,
    credential_id BLOB,
    thumbprint BLOB,
    source TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX courier_sessions_by_courier ON courier_sessions (courier_id);
CREATE INDEX courier_sessions_by_method ON courier_sessions (method);
CREATE INDEX courier_sessions_by_end ON courier_sessions (expires_at);

CREATE TABLE courier_presence (
    courier_id BLOB PRIMARY KEY REFERENCES couriers (id) ON DELETE CASCADE,
    seen_at INTEGER NOT NULL,
    signed_in_at INTEGER,
    method TEXT,
    client_version TEXT,
    hostname TEXT,
    report TEXT,
    next_run_at INTEGER,
    failures INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX courier_presence_by_method ON courier_presence (method);

-- What may be used a single time over all servers, until it means nothing any more.
CREATE TABLE used_once (
    purpose TEXT NOT NULL,
    digest BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (purpose, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX used_once_by_end ON used_once (expires_at);

-- How often something happened in a stretch of time, over all servers.
CREATE TABLE tallies (
    key TEXT NOT NULL,
    begins_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (key, begins_at, ends_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX tallies_by_end ON tallies (ends_at);

CREATE TABLE domains (
    apex TEXT PRIMARY KEY,
    is_enabled INTEGER NOT NULL CHECK (is_enabled IN (0, 1)),
    record TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE policies (
    id INTEGER PRIMARY KEY CHECK (id > 0),
    name TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL,
    is_enabled INTEGER NOT NULL CHECK (is_enabled IN (0, 1)),
    revision INTEGER NOT NULL CHECK (revision > 0),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- They outlive their courier, whose name they keep.
CREATE TABLE courier_orders (
    id BLOB PRIMARY KEY,
    courier_id BLOB NOT NULL,
    courier_name TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    request_digest BLOB NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('issue', 'renew')),
    status TEXT NOT NULL CHECK (status IN ('pending', 'checking', 'pending_approval', 'signing', 'issued', 'delivered',
        'installed', 'rejected', 'failed', 'cancelled', 'expired')),
    key_mode TEXT NOT NULL CHECK (key_mode IN ('local', 'platform')),
    names TEXT NOT NULL,
    names_digest BLOB NOT NULL,
    key_fingerprint BLOB,
    label TEXT,
    profile TEXT NOT NULL,
    request TEXT NOT NULL,
    warnings TEXT NOT NULL,
    fault TEXT,
    certificate_id BLOB,
    fingerprint BLOB,
    replaces BLOB,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    issued_at INTEGER,
    delivered_at INTEGER,
    installed_at INTEGER,
    ack TEXT,
    UNIQUE (courier_id, idempotency_key),
    CHECK ((certificate_id IS NULL) = (fingerprint IS NULL) AND (certificate_id IS NULL) = (issued_at IS NULL)),
    CHECK (status NOT IN ('issued', 'delivered', 'installed') OR certificate_id IS NOT NULL)
) STRICT;
CREATE INDEX courier_orders_by_courier ON courier_orders (courier_id, id);
CREATE INDEX courier_orders_by_names ON courier_orders (courier_id, names_digest, created_at);
CREATE INDEX courier_orders_by_issue ON courier_orders (courier_id, issued_at) WHERE issued_at IS NOT NULL;
CREATE INDEX courier_orders_by_status ON courier_orders (status, id);
CREATE INDEX courier_orders_by_certificate ON courier_orders (certificate_id) WHERE certificate_id IS NOT NULL;
CREATE INDEX courier_orders_by_fingerprint ON courier_orders (fingerprint) WHERE fingerprint IS NOT NULL;
CREATE INDEX courier_orders_by_replaced ON courier_orders (replaces) WHERE replaces IS NOT NULL;

-- Keys made here, encrypted to whoever ordered them; each is given out once, and what is left is that it was.
CREATE TABLE courier_keys (
    order_id BLOB PRIMARY KEY REFERENCES courier_orders (id) ON DELETE CASCADE,
    ciphertext BLOB,
    expires_at INTEGER NOT NULL,
    retrieved_at INTEGER,
    CHECK (ciphertext IS NULL OR retrieved_at IS NULL)
) STRICT, WITHOUT ROWID;
CREATE INDEX courier_keys_by_end ON courier_keys (expires_at) WHERE ciphertext IS NOT NULL;
