-- What a revocation list needs of a certificate as one value of 47 octets, so
-- that thousands are read as one: the serial filled up with zeros to 20 octets
-- and its length; reason and expired; since, invalidity_date and version,
-- big-endian. A time that is not known is the least number there is.
CREATE FUNCTION listing(serial BYTEA, reason BIGINT, expired BIGINT, since BIGINT, invalidity_date BIGINT, version BIGINT) RETURNS BYTEA
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT overlay('\x0000000000000000000000000000000000000000'::bytea PLACING serial FROM 1) ||
    set_byte(set_byte(set_byte('\x000000'::bytea, 0, length(serial)), 1, CAST(reason AS INTEGER)), 2, CAST(expired AS INTEGER)) ||
    int8send(coalesce(since, -9223372036854775808)) || int8send(coalesce(invalidity_date, -9223372036854775808)) || int8send(version) $$;
