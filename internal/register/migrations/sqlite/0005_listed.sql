-- A list reads the listings from a table of their own: in the index of a
-- computed column SQLite looks up which row each is of, which took a third of the
-- time. The triggers are all that writes to it.
CREATE TABLE listed (
    issuer  TEXT NOT NULL,
    listing BLOB NOT NULL,
    PRIMARY KEY (issuer, listing)
) STRICT, WITHOUT ROWID;
INSERT INTO listed SELECT issuer, listing FROM certificate WHERE state IN ('held', 'revoked') ORDER BY issuer, listing;
DROP INDEX certificate_listed;

CREATE TRIGGER certificate_is_listed AFTER INSERT ON certificate WHEN NEW.listing IS NOT NULL
BEGIN INSERT INTO listed VALUES (NEW.issuer, NEW.listing); END;

CREATE TRIGGER certificate_is_listed_anew AFTER UPDATE OF issuer, serial, state, reason, since, invalidity_date, expired, version ON certificate
WHEN OLD.listing IS NOT NULL OR NEW.listing IS NOT NULL
BEGIN
    DELETE FROM listed WHERE issuer = OLD.issuer AND listing = OLD.listing;
    INSERT INTO listed SELECT NEW.issuer, NEW.listing WHERE NEW.listing IS NOT NULL;
END;
