package pki

import (
	"math/big"
	"strconv"
	"strings"
)

// ShardMark stands, in the address of partitioned revocation lists, for the
// number of the shard.
const ShardMark = "{shard}"

// Shard returns which of n revocation lists, counted from 0, tells of a
// certificate: the last two octets of its serial number, modulo n. Serials are
// random, so the lists grow alike; and authority and publisher agree on it
// without a word.
func Shard(serial []byte, n int) int {
	last := 0
	for _, octet := range serial[max(0, len(serial)-2):] {
		last = last<<8 | int(octet)
	}
	return last % n
}

// ShardOf is Shard for a number.
func ShardOf(serial *big.Int, n int) int { return Shard(serial.Bytes(), n) }

// ShardAddress returns the address or path of one shard. One without the mark
// is that of all.
func ShardAddress(pattern string, shard int) string {
	return strings.ReplaceAll(pattern, ShardMark, strconv.Itoa(shard))
}
