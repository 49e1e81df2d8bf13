-- What a revocation list needs of a certificate stands in its index as one
-- value of 47 octets, so that thousands are read as one: the serial filled up
-- with zeros to 20 octets and its length, which keeps the order of the serials;
-- reason and expired; since, invalidity_date and version, big-endian. A time
-- that is not known is the least number there is.
ALTER TABLE certificate ADD COLUMN listing BLOB GENERATED ALWAYS AS (CASE WHEN state IN ('held', 'revoked') THEN
    unhex(replace(printf('%-40s', hex(serial)), ' ', '0') || printf('%02X%02X%02X%016X%016X%016X', length(serial), reason, expired,
        coalesce(since, -9223372036854775808), coalesce(invalidity_date, -9223372036854775808), version)) END) VIRTUAL;
DROP INDEX certificate_listed;
CREATE INDEX certificate_listed ON certificate (issuer, listing) WHERE state IN ('held', 'revoked');
