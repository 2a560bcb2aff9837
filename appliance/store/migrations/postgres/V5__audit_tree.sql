-- The audit log as a Merkle log: what is computed from its entries, and what was signed of it.

-- The hashes of a tile, at each place the widest that there was so far: a tile only grows.
CREATE TABLE audit_tiles (
    level BIGINT NOT NULL,
    place BIGINT NOT NULL,
    octets BYTEA NOT NULL,
    PRIMARY KEY (level, place)
);

-- Signed notes, by the number of entries they speak for.
CREATE TABLE audit_checkpoints (
    size BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    note TEXT COLLATE "C" NOT NULL
);

-- Up to which entry an export has got.
CREATE TABLE audit_exports (
    name TEXT COLLATE "C" PRIMARY KEY,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL
);
