-- Couriers: programs on other machines that get certificates for them; what they may do, how they show who they are, what they
-- asked for.

INSERT INTO settings (key, value) VALUES ('schema.least_program', '7')
    ON CONFLICT (key) DO UPDATE SET value = excluded.value;

CREATE TABLE couriers (
    id UUID PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    status TEXT COLLATE "C" NOT NULL CHECK (status IN ('active', 'disabled')),
    record TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL CHECK (revision > 0),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    expires_at BIGINT
);

-- How a courier may show who it is.
CREATE TABLE courier_credentials (
    id UUID PRIMARY KEY,
    courier_id UUID NOT NULL REFERENCES couriers (id) ON DELETE CASCADE,
    method TEXT COLLATE "C" NOT NULL,
    binding TEXT COLLATE "C" NOT NULL,
    client_id TEXT COLLATE "C" UNIQUE,
    secret_hash TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    CHECK ((client_id IS NULL) = (secret_hash IS NULL))
);
CREATE INDEX courier_credentials_by_courier ON courier_credentials (courier_id, id);

-- Only the hash of a session's token is kept.
CREATE TABLE courier_sessions (
    token_hash BYTEA PRIMARY KEY,
    courier_id UUID NOT NULL REFERENCES couriers (id) ON DELETE CASCADE,
    method TEXT COLLATE "C" NOT NULL,
    credential_id UUID,
    thumbprint BYTEA,
    source TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX courier_sessions_by_courier ON courier_sessions (courier_id);
CREATE INDEX courier_sessions_by_method ON courier_sessions (method);
CREATE INDEX courier_sessions_by_end ON courier_sessions (expires_at);

CREATE TABLE courier_presence (
    courier_id UUID PRIMARY KEY REFERENCES couriers (id) ON DELETE CASCADE,
    seen_at BIGINT NOT NULL,
    signed_in_at BIGINT,
    method TEXT COLLATE "C",
    client_version TEXT COLLATE "C",
    hostname TEXT COLLATE "C",
    report TEXT COLLATE "C",
    next_run_at BIGINT,
    failures BIGINT NOT NULL
);
CREATE INDEX courier_presence_by_method ON courier_presence (method);

-- What may be used a single time over all servers, until it means nothing any more.
CREATE TABLE used_once (
    purpose TEXT COLLATE "C" NOT NULL,
    digest BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (purpose, digest)
);
CREATE INDEX used_once_by_end ON used_once (expires_at);

-- How often something happened in a stretch of time, over all servers.
CREATE TABLE tallies (
    key TEXT COLLATE "C" NOT NULL,
    begins_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (key, begins_at, ends_at)
);
CREATE INDEX tallies_by_end ON tallies (ends_at);

CREATE TABLE domains (
    apex TEXT COLLATE "C" PRIMARY KEY,
    is_enabled BIGINT NOT NULL CHECK (is_enabled IN (0, 1)),
    record TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE policies (
    id BIGINT PRIMARY KEY CHECK (id > 0),
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    body TEXT COLLATE "C" NOT NULL,
    is_enabled BIGINT NOT NULL CHECK (is_enabled IN (0, 1)),
    revision BIGINT NOT NULL CHECK (revision > 0),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- They outlive their courier, whose name they keep.
CREATE TABLE courier_orders (
    id UUID PRIMARY KEY,
    courier_id UUID NOT NULL,
    courier_name TEXT COLLATE "C" NOT NULL,
    idempotency_key TEXT COLLATE "C" NOT NULL,
    request_digest BYTEA NOT NULL,
    kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('issue', 'renew')),
    status TEXT COLLATE "C" NOT NULL CHECK (status IN ('pending', 'checking', 'pending_approval', 'signing', 'issued', 'delivered',
        'installed', 'rejected', 'failed', 'cancelled', 'expired')),
    key_mode TEXT COLLATE "C" NOT NULL CHECK (key_mode IN ('local', 'platform')),
    names TEXT COLLATE "C" NOT NULL,
    names_digest BYTEA NOT NULL,
    key_fingerprint BYTEA,
    label TEXT COLLATE "C",
    profile TEXT COLLATE "C" NOT NULL,
    request TEXT COLLATE "C" NOT NULL,
    warnings TEXT COLLATE "C" NOT NULL,
    fault TEXT COLLATE "C",
    certificate_id UUID,
    fingerprint BYTEA,
    replaces BYTEA,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    issued_at BIGINT,
    delivered_at BIGINT,
    installed_at BIGINT,
    ack TEXT COLLATE "C",
    UNIQUE (courier_id, idempotency_key),
    CHECK ((certificate_id IS NULL) = (fingerprint IS NULL) AND (certificate_id IS NULL) = (issued_at IS NULL)),
    CHECK (status NOT IN ('issued', 'delivered', 'installed') OR certificate_id IS NOT NULL)
);
CREATE INDEX courier_orders_by_courier ON courier_orders (courier_id, id);
CREATE INDEX courier_orders_by_names ON courier_orders (courier_id, names_digest, created_at);
CREATE INDEX courier_orders_by_issue ON courier_orders (courier_id, issued_at) WHERE issued_at IS NOT NULL;
CREATE INDEX courier_orders_by_status ON courier_orders (status, id);
CREATE INDEX courier_orders_by_certificate ON courier_orders (certificate_id) WHERE certificate_id IS NOT NULL;
CREATE INDEX courier_orders_by_fingerprint ON courier_orders (fingerprint) WHERE fingerprint IS NOT NULL;
CREATE INDEX courier_orders_by_replaced ON courier_orders (replaces) WHERE replaces IS NOT NULL;

-- Keys made here, encrypted to whoever ordered them; each is given out once, and what is left is that it was.
CREATE TABLE courier_keys (
    order_id UUID PRIMARY KEY REFERENCES courier_orders (id) ON DELETE CASCADE,
    ciphertext BYTEA,
    expires_at BIGINT NOT NULL,
    retrieved_at BIGINT,
    CHECK (ciphertext IS NULL OR retrieved_at IS NULL)
);
CREATE INDEX courier_keys_by_end ON courier_keys (expires_at) WHERE ciphertext IS NOT NULL;
