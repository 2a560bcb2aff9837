-- The audit log as a Merkle log: what is computed from its entries, and what was signed of it.

-- The hashes of a tile, at each place the widest that there was so far: a tile only grows.
CREATE TABLE audit_tiles (
    level INTEGER NOT NULL,
    place INTEGER NOT NULL,
    octets BLOB NOT NULL,
    PRIMARY KEY (level, place)
) STRICT, WITHOUT ROWID;

-- Signed notes, by the number of entries they speak for.
CREATE TABLE audit_checkpoints (
    size INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    note TEXT NOT NULL
) STRICT;

-- Up to which entry an export has got.
CREATE TABLE audit_exports (
    name TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
