-- Times are milliseconds since 1970 in UTC; identifiers are UUIDv7, whose order is the order of making. Texts sort by their
-- octets, as in SQLite, whatever the database was made with.

CREATE TABLE settings (
    key TEXT COLLATE "C" PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);

CREATE TABLE keys (
    fingerprint BYTEA PRIMARY KEY,
    algorithm TEXT COLLATE "C" NOT NULL,
    spki BYTEA NOT NULL,
    backend TEXT COLLATE "C" NOT NULL,
    label TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE issuers (
    id UUID PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    generation BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('pending', 'active', 'retired', 'disabled')),
    subject TEXT COLLATE "C" NOT NULL,
    key_fingerprint BYTEA NOT NULL REFERENCES keys (fingerprint),
    signature_algorithm TEXT COLLATE "C" NOT NULL,
    certificate BYTEA,
    csr BYTEA,
    chain BYTEA NOT NULL,
    links BYTEA NOT NULL,
    settings TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (name, generation),
    CHECK (state = 'pending' OR state = 'disabled' OR certificate IS NOT NULL)
);
-- A name means one active generation.
CREATE UNIQUE INDEX issuers_active ON issuers (name) WHERE state = 'active';

CREATE TABLE profiles (
    name TEXT COLLATE "C" PRIMARY KEY,
    version BIGINT NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE orders (
    id UUID PRIMARY KEY,
    at BIGINT NOT NULL,
    requester TEXT COLLATE "C" NOT NULL,
    profile TEXT COLLATE "C" NOT NULL,
    issuer_id UUID,
    subject TEXT COLLATE "C" NOT NULL,
    names TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'issued', 'refused', 'failed')),
    code TEXT COLLATE "C",
    message TEXT COLLATE "C",
    details TEXT COLLATE "C",
    certificate_id UUID
);

-- Only what is being signed stands here: a row goes when its certificate is recorded or its serial revoked.
CREATE TABLE intents (
    issuer_id UUID NOT NULL REFERENCES issuers (id),
    serial BYTEA NOT NULL,
    order_id UUID NOT NULL,
    tbs_hash BYTEA NOT NULL,
    not_after BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (issuer_id, serial)
);

-- revoked_at and revocation_reason repeat what stands in revocations, for lists and for the index of statuses.
CREATE TABLE certificates (
    id UUID PRIMARY KEY,
    issuer_id UUID NOT NULL REFERENCES issuers (id),
    serial BYTEA NOT NULL,
    profile TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    not_before BIGINT NOT NULL,
    not_after BIGINT NOT NULL,
    requester TEXT COLLATE "C" NOT NULL,
    order_id UUID NOT NULL,
    replaces UUID,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT,
    revocation_reason BIGINT,
    der BYTEA NOT NULL,
    CHECK ((revoked_at IS NULL) = (revocation_reason IS NULL))
);
-- RFC 5280 section 4.1.2.2. Holds all that the index of statuses needs, so that reading it touches no certificate.
CREATE UNIQUE INDEX certificates_by_serial ON certificates (issuer_id, serial) INCLUDE (not_after, revoked_at, revocation_reason);
CREATE INDEX certificates_by_issuer ON certificates (issuer_id, id);
CREATE INDEX certificates_by_profile ON certificates (profile, id);
CREATE INDEX certificates_by_requester ON certificates (requester, id);
CREATE INDEX certificates_by_expiry ON certificates (not_after);
CREATE INDEX certificates_revoked ON certificates (id) WHERE revoked_at IS NOT NULL;

-- What a certificate is found by, in lower case: its subject and every subject alternative name.
CREATE TABLE certificate_names (
    name TEXT COLLATE "C" NOT NULL,
    certificate_id UUID NOT NULL REFERENCES certificates (id)
);
-- A name may be longer than a key of the other kind of index.
CREATE INDEX certificate_names_by_name ON certificate_names USING hash (name);
CREATE INDEX certificate_names_by_certificate ON certificate_names (certificate_id);

-- A serial may be revoked without a certificate of it: an orphan.
CREATE TABLE revocations (
    issuer_id UUID NOT NULL REFERENCES issuers (id),
    serial BYTEA NOT NULL,
    revoked_at BIGINT NOT NULL,
    reason BIGINT NOT NULL CHECK (reason BETWEEN 0 AND 10 AND reason NOT IN (7, 8)),
    invalidity_date BIGINT,
    not_after BIGINT NOT NULL,
    is_orphan BIGINT NOT NULL CHECK (is_orphan IN (0, 1)),
    PRIMARY KEY (issuer_id, serial)
);

CREATE TABLE responders (
    certificate_id UUID PRIMARY KEY,
    issuer_id UUID NOT NULL REFERENCES issuers (id),
    key_fingerprint BYTEA NOT NULL REFERENCES keys (fingerprint),
    certificate BYTEA NOT NULL,
    not_before BIGINT NOT NULL,
    not_after BIGINT NOT NULL
);

CREATE TABLE api_tokens (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    role TEXT COLLATE "C" NOT NULL,
    scopes TEXT COLLATE "C" NOT NULL,
    hash BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    last_used_at BIGINT
);

CREATE TABLE audit (
    seq BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT COLLATE "C" NOT NULL,
    action TEXT COLLATE "C" NOT NULL,
    object TEXT COLLATE "C" NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    details TEXT COLLATE "C" NOT NULL,
    hash BYTEA NOT NULL
);

-- The head of an empty log: its number and hash, kept apart so that a cut at the end shows.
INSERT INTO settings (key, value) VALUES ('audit.head', '0 ');

-- What SQLite has of its own.
CREATE FUNCTION instr(whole TEXT, part TEXT) RETURNS INTEGER LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT strpos(whole, part)
$$;

CREATE FUNCTION audit_is_appended_to() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' OR NEW.seq IS DISTINCT FROM (SELECT coalesce(max(seq), 0) + 1 FROM audit) THEN
        RAISE EXCEPTION 'the audit log is only appended to';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_is_appended_to BEFORE INSERT OR UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_is_appended_to();
CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_appended_to();
