-- What several servers need of one store.

-- The server that is at work on it; nil for a program of the time before.
ALTER TABLE intents ADD COLUMN node UUID NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000';

-- A duty that one server at a time has. Its token rises with every holder, so that one who has lost it finds out.
CREATE TABLE leases (
    name TEXT COLLATE "C" PRIMARY KEY,
    node UUID NOT NULL,
    token BIGINT NOT NULL CHECK (token > 0),
    until BIGINT NOT NULL
);

CREATE FUNCTION lease_tokens_never_fall() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.token < OLD.token THEN
        RAISE EXCEPTION 'the token of a lease must rise';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER lease_tokens_never_fall BEFORE UPDATE ON leases
    FOR EACH ROW EXECUTE FUNCTION lease_tokens_never_fall();

-- What other servers have to know of a transaction, in the order of the transactions.
CREATE TABLE changes (
    seq BIGINT PRIMARY KEY,
    node UUID NOT NULL,
    at BIGINT NOT NULL,
    body TEXT NOT NULL
);

-- Published lists for servers that did not make them, in parts.
CREATE TABLE crl_parts (
    issuer_id UUID NOT NULL REFERENCES issuers (id),
    shard BIGINT NOT NULL,
    is_delta BIGINT NOT NULL CHECK (is_delta IN (0, 1)),
    number BIGINT NOT NULL,
    part BIGINT NOT NULL,
    octets BYTEA NOT NULL,
    PRIMARY KEY (issuer_id, shard, is_delta, number, part)
);
