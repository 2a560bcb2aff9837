-- What several servers need of one store. An SQLite store has one server, whose leases nobody contests and who tells nobody.

-- The server that is at work on it; nil for a program of the time before.
ALTER TABLE intents ADD COLUMN node BLOB NOT NULL DEFAULT x'00000000000000000000000000000000';

-- A duty that one server at a time has. Its token rises with every holder, so that one who has lost it finds out.
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    node BLOB NOT NULL,
    token INTEGER NOT NULL CHECK (token > 0),
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER lease_tokens_never_fall BEFORE UPDATE ON leases
WHEN NEW.token < OLD.token
BEGIN
    SELECT RAISE(ABORT, 'the token of a lease must rise');
END;

-- What other servers have to know of a transaction, in the order of the transactions.
CREATE TABLE changes (
    seq INTEGER PRIMARY KEY,
    node BLOB NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;

-- Published lists for servers that did not make them, in parts.
CREATE TABLE crl_parts (
    issuer_id BLOB NOT NULL REFERENCES issuers (id),
    shard INTEGER NOT NULL,
    is_delta INTEGER NOT NULL CHECK (is_delta IN (0, 1)),
    number INTEGER NOT NULL,
    part INTEGER NOT NULL,
    octets BLOB NOT NULL,
    PRIMARY KEY (issuer_id, shard, is_delta, number, part)
) STRICT;
