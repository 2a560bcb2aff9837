-- Certificates lie in one table for each month in which they end, so that a month is dropped and not deleted row by row. Months
-- are made when the first certificate for them comes; what has no month lies in certificates_other.

ALTER TABLE certificate_names DROP CONSTRAINT certificate_names_certificate_id_fkey;
ALTER TABLE certificates RENAME TO certificates_before;
ALTER INDEX certificates_pkey RENAME TO certificates_before_pkey;
DROP INDEX certificates_by_serial, certificates_by_issuer, certificates_by_profile, certificates_by_requester,
    certificates_by_expiry, certificates_revoked;

CREATE TABLE certificates (
    id UUID NOT NULL,
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
    PRIMARY KEY (id, not_after),
    CHECK ((revoked_at IS NULL) = (revocation_reason IS NULL))
) PARTITION BY RANGE (not_after);
-- That a serial is used once (RFC 5280 section 4.1.2.2) over all months is seen to by whoever inserts, alone among the writers.
-- Holds all that the index of statuses needs, so that reading it touches no certificate.
CREATE INDEX certificates_by_serial ON certificates (issuer_id, serial) INCLUDE (not_after, revoked_at, revocation_reason);
CREATE INDEX certificates_by_issuer ON certificates (issuer_id, id);
CREATE INDEX certificates_by_profile ON certificates (profile, id);
CREATE INDEX certificates_by_requester ON certificates (requester, id);
CREATE INDEX certificates_by_expiry ON certificates (not_after);
CREATE INDEX certificates_revoked ON certificates (id) WHERE revoked_at IS NOT NULL;

CREATE TABLE certificates_other PARTITION OF certificates DEFAULT;

-- Makes the table of the month in which a time lies (milliseconds since 1970), and says whether it was 'there', is 'made', or why not.
-- Nobody is waited for: while somebody reads certificates_other for long there is none, and the rows go there.
CREATE FUNCTION make_certificates_month(at BIGINT) RETURNS TEXT LANGUAGE plpgsql SET lock_timeout = '100ms' AS $$
DECLARE
    month TIMESTAMP;
    name TEXT;
    first BIGINT;
    after BIGINT;
BEGIN
    IF at < 0 OR at >= 253402300800000 THEN
        RETURN 'there';
    END IF;
    month := date_trunc('month', to_timestamp(at / 1000) AT TIME ZONE 'UTC');
    name := 'certificates_' || to_char(month, 'YYYY_MM');
    IF to_regclass(name) IS NOT NULL THEN
        RETURN 'there';
    END IF;
    first := extract(epoch FROM month) * 1000;
    after := extract(epoch FROM month + INTERVAL '1 month') * 1000;
    EXECUTE format('CREATE TABLE %I (LIKE certificates INCLUDING ALL)', name);
    EXECUTE format('WITH moved AS (DELETE FROM certificates_other WHERE not_after >= %s AND not_after < %s RETURNING *)
        INSERT INTO %I SELECT * FROM moved', first, after, name);
    EXECUTE format('ALTER TABLE certificates ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', name, first, after);
    RETURN 'made';
EXCEPTION WHEN lock_not_available THEN
    RETURN 'locked';
END $$;

-- Removes the certificates that end from one time until before another one, which are the bounds of a month, with their
-- revocations, and gives their number. Fails when somebody reads for too long, so that nobody waits behind the waiting.
CREATE FUNCTION drop_certificates_month(first BIGINT, after BIGINT) RETURNS BIGINT LANGUAGE plpgsql SET lock_timeout = '500ms' AS $$
DECLARE
    name TEXT := 'certificates_' || to_char(to_timestamp(first / 1000) AT TIME ZONE 'UTC', 'YYYY_MM');
    found BIGINT;
BEGIN
    SELECT count(*) INTO found FROM certificates WHERE not_after >= first AND not_after < after;
    DELETE FROM revocations WHERE not_after >= first AND not_after < after;
    DELETE FROM certificates_other WHERE not_after >= first AND not_after < after;
    IF to_regclass(name) IS NOT NULL THEN
        EXECUTE format('DROP TABLE %I', name);
    END IF;
    RETURN found;
END $$;

SELECT make_certificates_month(at) FROM (SELECT DISTINCT not_after - not_after % 86400000 AS at FROM certificates_before) AS days;
INSERT INTO certificates (id, issuer_id, serial, profile, subject, not_before, not_after, requester, order_id, replaces, created_at,
    revoked_at, revocation_reason, der)
SELECT id, issuer_id, serial, profile, subject, not_before, not_after, requester, order_id, replaces, created_at, revoked_at,
    revocation_reason, der FROM certificates_before;
DROP TABLE certificates_before;
