-- Bridges: proxies of couriers between network segments, each instance known by the certificates that it was given.

INSERT INTO settings (key, value) VALUES ('schema.least_program', '8')
    ON CONFLICT (key) DO UPDATE SET value = excluded.value;

CREATE TABLE bridges (
    id BLOB PRIMARY KEY,
    bridge TEXT NOT NULL,
    issuer TEXT,
    status TEXT NOT NULL CHECK (status IN ('active', 'retired')),
    version TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    seen_at INTEGER
) STRICT;

CREATE TABLE bridge_certificates (
    fingerprint BLOB PRIMARY KEY,
    bridge_id BLOB NOT NULL REFERENCES bridges (id) ON DELETE CASCADE,
    certificate_id BLOB NOT NULL,
    not_after INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX bridge_certificates_by_bridge ON bridge_certificates (bridge_id);

-- Only the hash of a token is kept, until it is used or its time is over.
CREATE TABLE bridge_tokens (
    token_hash BLOB PRIMARY KEY,
    bridge TEXT NOT NULL,
    issuer TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX bridge_tokens_by_end ON bridge_tokens (expires_at);
