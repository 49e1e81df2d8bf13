-- A revocation list is read in the order of the serials, from the index alone.
DROP INDEX certificate_listed;
CREATE INDEX certificate_listed ON certificate (issuer, serial, reason, since, invalidity_date, expired, version)
    WHERE state IN ('held', 'revoked');
