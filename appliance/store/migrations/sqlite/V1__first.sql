-- Times are milliseconds since 1970 in UTC; identifiers are the 16 octets of a UUIDv7.

CREATE TABLE settings (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE keys (
    fingerprint BLOB PRIMARY KEY,
    algorithm TEXT NOT NULL,
    spki BLOB NOT NULL,
    backend TEXT NOT NULL,
    label TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE issuers (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    generation INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'active', 'retired', 'disabled')),
    subject TEXT NOT NULL,
    key_fingerprint BLOB NOT NULL REFERENCES keys (fingerprint),
    signature_algorithm TEXT NOT NULL,
    certificate BLOB,
    csr BLOB,
    chain BLOB NOT NULL,
    links BLOB NOT NULL,
    settings TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (name, generation)
) STRICT;

CREATE TABLE profiles (
    name TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    body TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE orders (
    id BLOB PRIMARY KEY,
    at INTEGER NOT NULL,
    requester TEXT NOT NULL,
    profile TEXT NOT NULL,
    issuer_id BLOB,
    subject TEXT NOT NULL,
    names TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'issued', 'refused', 'failed')),
    code TEXT,
    message TEXT,
    details TEXT,
    certificate_id BLOB
) STRICT;
CREATE INDEX orders_by_time ON orders (at);

CREATE TABLE intents (
    issuer_id BLOB NOT NULL REFERENCES issuers (id),
    serial BLOB NOT NULL,
    order_id BLOB NOT NULL,
    tbs_hash BLOB NOT NULL,
    not_after INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (issuer_id, serial)
) STRICT, WITHOUT ROWID;

CREATE TABLE certificates (
    id BLOB PRIMARY KEY,
    issuer_id BLOB NOT NULL REFERENCES issuers (id),
    serial BLOB NOT NULL,
    profile TEXT NOT NULL,
    subject TEXT NOT NULL,
    der BLOB NOT NULL,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    requester TEXT NOT NULL,
    order_id BLOB NOT NULL,
    replaces BLOB,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER,
    UNIQUE (issuer_id, serial)
) STRICT;
CREATE INDEX certificates_by_expiry ON certificates (not_after);
CREATE INDEX certificates_by_serial ON certificates (serial);

CREATE TABLE certificate_names (
    name TEXT NOT NULL,
    certificate_id BLOB NOT NULL REFERENCES certificates (id),
    PRIMARY KEY (name, certificate_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE revocations (
    issuer_id BLOB NOT NULL REFERENCES issuers (id),
    serial BLOB NOT NULL,
    revoked_at INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    invalidity_date INTEGER,
    not_after INTEGER NOT NULL,
    is_orphan INTEGER NOT NULL,
    PRIMARY KEY (issuer_id, serial)
) STRICT, WITHOUT ROWID;

CREATE TABLE crls (
    issuer_id BLOB NOT NULL REFERENCES issuers (id),
    number INTEGER NOT NULL,
    this_update INTEGER NOT NULL,
    next_update INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    der BLOB NOT NULL,
    PRIMARY KEY (issuer_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE responders (
    certificate_id BLOB PRIMARY KEY,
    issuer_id BLOB NOT NULL REFERENCES issuers (id),
    key_fingerprint BLOB NOT NULL REFERENCES keys (fingerprint),
    certificate BLOB NOT NULL,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL
) STRICT;

CREATE TABLE api_tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    scopes TEXT NOT NULL,
    hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT;

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    outcome TEXT NOT NULL,
    details TEXT NOT NULL,
    hash BLOB NOT NULL
) STRICT;

CREATE TRIGGER audit_is_not_rewritten BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only appended to');
END;

CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only appended to');
END;
