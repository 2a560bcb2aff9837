-- An order is recorded once, when it ends; until then its intent holds what the order will say.
ALTER TABLE intents
    ADD COLUMN requester TEXT COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN profile TEXT COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN subject TEXT COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN names TEXT COLLATE "C" NOT NULL DEFAULT '';
