-- Times are milliseconds since 1970 in UTC; identifiers are the 16 octets of a UUIDv7, whose order is the order of making.

CREATE TABLE settings (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

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
    UNIQUE (name, generation),
    CHECK (state = 'pending' OR state = 'disabled' OR certificate IS NOT NULL)
) STRICT;
-- A name means one active generation.
CREATE UNIQUE INDEX issuers_active ON issuers (name) WHERE state = 'active';

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
) STRICT, WITHOUT ROWID;

-- Only what is being signed stands here: a row goes when its certificate is recorded or its serial revoked.
CREATE TABLE intents (
    issuer_id BLOB NOT NULL REFERENCES issuers (id),
    serial BLOB NOT NULL,
    order_id BLOB NOT NULL,
    tbs_hash BLOB NOT NULL,
    not_after INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (issuer_id, serial)
) STRICT, WITHOUT ROWID;

-- revoked_at and revocation_reason repeat what stands in revocations, for lists and for the index of statuses.
CREATE TABLE certificates (
    id BLOB PRIMARY KEY,
    issuer_id BLOB NOT NULL REFERENCES issuers (id),
    serial BLOB NOT NULL,
    profile TEXT NOT NULL,
    subject TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    requester TEXT NOT NULL,
    order_id BLOB NOT NULL,
    replaces BLOB,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER,
    revocation_reason INTEGER,
    der BLOB NOT NULL,
    CHECK ((revoked_at IS NULL) = (revocation_reason IS NULL))
) STRICT;
-- Holds all that the index of statuses needs, so that reading it touches no certificate.
CREATE INDEX certificates_by_serial ON certificates (issuer_id, serial, not_after, revoked_at, revocation_reason);
CREATE INDEX certificates_by_issuer ON certificates (issuer_id, id);
CREATE INDEX certificates_by_profile ON certificates (profile, id);
CREATE INDEX certificates_by_requester ON certificates (requester, id);
CREATE INDEX certificates_by_expiry ON certificates (not_after);
CREATE INDEX certificates_revoked ON certificates (id) WHERE revoked_at IS NOT NULL;

-- RFC 5280 section 4.1.2.2. A unique index besides the one above would cost every issuance a second random page.
CREATE TRIGGER certificates_have_their_own_serial BEFORE INSERT ON certificates
WHEN EXISTS (SELECT 1 FROM certificates WHERE issuer_id = NEW.issuer_id AND serial = NEW.serial)
BEGIN
    SELECT RAISE(ABORT, 'the issuer has used this serial before');
END;

-- What a certificate is found by, in lower case: its subject and every subject alternative name.
CREATE TABLE certificate_names (
    name TEXT NOT NULL,
    certificate_id BLOB NOT NULL REFERENCES certificates (id),
    PRIMARY KEY (name, certificate_id)
) STRICT, WITHOUT ROWID;

-- A serial may be revoked without a certificate of it: an orphan.
CREATE TABLE revocations (
    issuer_id BLOB NOT NULL REFERENCES issuers (id),
    serial BLOB NOT NULL,
    revoked_at INTEGER NOT NULL,
    reason INTEGER NOT NULL CHECK (reason BETWEEN 0 AND 10 AND reason NOT IN (7, 8)),
    invalidity_date INTEGER,
    not_after INTEGER NOT NULL,
    is_orphan INTEGER NOT NULL CHECK (is_orphan IN (0, 1)),
    PRIMARY KEY (issuer_id, serial)
) STRICT, WITHOUT ROWID;

CREATE TABLE crls (
    issuer_id BLOB NOT NULL REFERENCES issuers (id),
    number INTEGER NOT NULL CHECK (number > 0),
    this_update INTEGER NOT NULL,
    next_update INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    der BLOB NOT NULL,
    PRIMARY KEY (issuer_id, number)
) STRICT;

-- RFC 5280 section 5.2.3: the number of a CRL rises, whichever program writes it.
CREATE TRIGGER crl_numbers_rise BEFORE INSERT ON crls
WHEN NEW.number <= (SELECT coalesce(max(number), 0) FROM crls WHERE issuer_id = NEW.issuer_id)
BEGIN
    SELECT RAISE(ABORT, 'the number of a CRL must rise');
END;

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
    revoked_at INTEGER,
    last_used_at INTEGER
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

-- The head of an empty log: its number and hash, kept apart so that a cut at the end shows.
INSERT INTO settings (key, value) VALUES ('audit.head', '0 ');

-- Also keeps INSERT OR REPLACE from rewriting an entry, which is no DELETE to a trigger.
CREATE TRIGGER audit_is_appended_to BEFORE INSERT ON audit
WHEN NEW.seq IS NULL OR NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM audit)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only appended to');
END;

CREATE TRIGGER audit_is_not_rewritten BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only appended to');
END;

CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only appended to');
END;
