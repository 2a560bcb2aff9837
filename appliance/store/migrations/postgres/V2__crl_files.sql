-- CRLs stand in files beside the database, one for each shard of an issuer; what is recorded here is which of them counts.

-- The sequence of numbers of a shard, and how many changes its revocations have seen: a CRL made of fewer is due.
CREATE TABLE crl_shards (
    issuer_id UUID NOT NULL REFERENCES issuers (id),
    shard BIGINT NOT NULL CHECK (shard >= 0),
    last_number BIGINT NOT NULL CHECK (last_number >= 0),
    changes BIGINT NOT NULL CHECK (changes >= 0),
    base BIGINT NOT NULL DEFAULT 0 CHECK (base BETWEEN 0 AND last_number),
    base_made_at BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (issuer_id, shard)
);

-- What changed in a shard since the full list that its deltas stand on. A hold that was released has no revocation any more.
CREATE TABLE crl_changes (
    issuer_id UUID NOT NULL REFERENCES issuers (id),
    shard BIGINT NOT NULL,
    serial BYTEA NOT NULL,
    change BIGINT NOT NULL,
    released_at BIGINT,
    not_after BIGINT NOT NULL,
    PRIMARY KEY (issuer_id, shard, serial)
);

-- RFC 5280 section 5.2.3: the number of a CRL rises, whichever program writes it.
CREATE FUNCTION crl_numbers_never_fall() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.last_number < OLD.last_number THEN
        RAISE EXCEPTION 'the number of a CRL must rise';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER crl_numbers_never_fall BEFORE UPDATE ON crl_shards
    FOR EACH ROW EXECUTE FUNCTION crl_numbers_never_fall();

-- Full lists have no base.
CREATE TABLE published_crls (
    issuer_id UUID NOT NULL REFERENCES issuers (id),
    shard BIGINT NOT NULL CHECK (shard >= 0),
    is_delta BIGINT NOT NULL CHECK (is_delta IN (0, 1)),
    number BIGINT NOT NULL CHECK (number > 0),
    base BIGINT CHECK (base < number),
    this_update BIGINT NOT NULL,
    next_update BIGINT NOT NULL,
    entries BIGINT NOT NULL,
    changes BIGINT NOT NULL,
    octets BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    der BYTEA,
    PRIMARY KEY (issuer_id, shard, is_delta, number),
    CHECK ((base IS NULL) = (is_delta = 0))
);

CREATE FUNCTION published_crl_numbers_rise() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.number <= (SELECT coalesce(max(number), 0) FROM published_crls
        WHERE issuer_id = NEW.issuer_id AND shard = NEW.shard AND is_delta = NEW.is_delta) THEN
        RAISE EXCEPTION 'the number of a CRL must rise';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER published_crl_numbers_rise BEFORE INSERT ON published_crls
    FOR EACH ROW EXECUTE FUNCTION published_crl_numbers_rise();
