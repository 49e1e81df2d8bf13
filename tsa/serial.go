package tsa

import (
	"crypto/rand"
	"encoding/binary"
	"time"
)

// serials draws the serial numbers of tokens.
//
// RFC 3161, Section 2.4.2: a serial number is unique among the tokens of an
// authority "even after a possible interruption (e.g., crash) of the service",
// and users accept up to 160 bits. Remembering the last number on disk would
// cost one flush for each token; the number is made of two halves instead:
//
//	63 bits   the time in nanoseconds, or one more than the last number's
//	          when the clock has not moved on since
//	64 bits   random
//
// Within a process the upper half alone grows with every token. After a crash,
// or between two processes that share a key, two numbers can only meet when
// their upper halves do, which takes a clock that went back onto the same
// nanosecond, and then still with a chance of 2^-64. The number is positive
// and has at most 16 octets until the year 2262.
type serials struct {
	last uint64
}

// next returns the value octets of the INTEGER. The caller serialises calls.
func (s *serials) next(now time.Time) []byte {
	// Times before 1970 and after 2262 would not fit 63 bits; the clock is
	// proven, so they only come from a test's.
	upper := max(uint64(now.UnixNano())&(1<<63-1), s.last+1, 1)
	s.last = upper
	var value [16]byte
	binary.BigEndian.PutUint64(value[:8], upper)
	rand.Read(value[8:]) // never fails, by its documentation
	return trim(value[:])
}

// trim drops leading zero octets that a positive INTEGER does not need.
func trim(value []byte) []byte {
	for len(value) > 1 && value[0] == 0 && value[1] < 0x80 {
		value = value[1:]
	}
	return value
}
