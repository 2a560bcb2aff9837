-- Bridges: proxies of couriers between network segments, each instance known by the certificates that it was given.

INSERT INTO settings (key, value) VALUES ('schema.least_program', '8')
    ON CONFLICT (key) DO UPDATE SET value = excluded.value;

CREATE TABLE bridges (
    id UUID PRIMARY KEY,
    bridge TEXT COLLATE "C" NOT NULL,
    issuer TEXT COLLATE "C",
    status TEXT COLLATE "C" NOT NULL CHECK (status IN ('active', 'retired')),
    version TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    seen_at BIGINT
);

CREATE TABLE bridge_certificates (
    fingerprint BYTEA PRIMARY KEY,
    bridge_id UUID NOT NULL REFERENCES bridges (id) ON DELETE CASCADE,
    certificate_id UUID NOT NULL,
    not_after BIGINT NOT NULL
);
CREATE INDEX bridge_certificates_by_bridge ON bridge_certificates (bridge_id);

-- Only the hash of a token is kept, until it is used or its time is over.
CREATE TABLE bridge_tokens (
    token_hash BYTEA PRIMARY KEY,
    bridge TEXT COLLATE "C" NOT NULL,
    issuer TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX bridge_tokens_by_end ON bridge_tokens (expires_at);
