-- CRLs stand in files beside the database, one for each shard of an issuer; what is recorded here is which of them counts.

-- The sequence of numbers of a shard, and how many changes its revocations have seen: a CRL made of fewer is due.
CREATE TABLE crl_shards (
    issuer_id BLOB NOT NULL REFERENCES issuers (id),
    shard INTEGER NOT NULL CHECK (shard >= 0),
    last_number INTEGER NOT NULL CHECK (last_number >= 0),
    changes INTEGER NOT NULL CHECK (changes >= 0),
    base INTEGER NOT NULL DEFAULT 0 CHECK (base BETWEEN 0 AND last_number),
    base_made_at INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (issuer_id, shard)
) STRICT, WITHOUT ROWID;

-- What changed in a shard since the full list that its deltas stand on. A hold that was released has no revocation any more.
CREATE TABLE crl_changes (
    issuer_id BLOB NOT NULL REFERENCES issuers (id),
    shard INTEGER NOT NULL,
    serial BLOB NOT NULL,
    change INTEGER NOT NULL,
    released_at INTEGER,
    not_after INTEGER NOT NULL,
    PRIMARY KEY (issuer_id, shard, serial)
) STRICT, WITHOUT ROWID;

-- RFC 5280 section 5.2.3: the number of a CRL rises, whichever program writes it.
CREATE TRIGGER crl_numbers_never_fall BEFORE UPDATE ON crl_shards
WHEN NEW.last_number < OLD.last_number
BEGIN
    SELECT RAISE(ABORT, 'the number of a CRL must rise');
END;

-- Full lists have no base. A list of the time before files keeps its DER in the row.
CREATE TABLE published_crls (
    issuer_id BLOB NOT NULL REFERENCES issuers (id),
    shard INTEGER NOT NULL CHECK (shard >= 0),
    is_delta INTEGER NOT NULL CHECK (is_delta IN (0, 1)),
    number INTEGER NOT NULL CHECK (number > 0),
    base INTEGER CHECK (base < number),
    this_update INTEGER NOT NULL,
    next_update INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    changes INTEGER NOT NULL,
    octets INTEGER NOT NULL,
    digest BLOB NOT NULL,
    der BLOB,
    PRIMARY KEY (issuer_id, shard, is_delta, number),
    CHECK ((base IS NULL) = (is_delta = 0))
) STRICT;

CREATE TRIGGER published_crl_numbers_rise BEFORE INSERT ON published_crls
WHEN NEW.number <= (SELECT coalesce(max(number), 0) FROM published_crls
    WHERE issuer_id = NEW.issuer_id AND shard = NEW.shard AND is_delta = NEW.is_delta)
BEGIN
    SELECT RAISE(ABORT, 'the number of a CRL must rise');
END;

-- One change more than what is published: the first start makes them anew, into files.
INSERT INTO crl_shards SELECT issuer_id, 0, max(number), 1, 0, 0 FROM crls GROUP BY issuer_id;
INSERT INTO published_crls
    SELECT issuer_id, 0, 0, number, NULL, this_update, next_update, entries, 0, length(der), x'', der FROM crls AS one
    WHERE number = (SELECT max(number) FROM crls WHERE issuer_id = one.issuer_id);
DROP TABLE crls;
