package rediscache

import (
	"encoding/binary"
	"time"

	"github.com/altamga/altamga/ocsp"
)

// A value is a header of fixed length and the encoded OCSPResponse. With the
// header, freshness and age are known without parsing ASN.1. Numbers are
// big-endian.
//
//	offset 0  format, 2
//	       1  version: journal position of the certificate's last entry
//	       9  position of the journal when the status was read
//	      17  thisUpdate, seconds since 1970
//	      25  nextUpdate, seconds since 1970
//	      33  class that the answer is counted under
//	      34  OCSPResponse
const (
	format       = 2
	headerLength = 34
	// maxEntry bounds what is taken for an answer.
	maxEntry = 64 << 10
)

// encode writes an answer as a value.
func encode(a *ocsp.Answer) []byte {
	value := make([]byte, headerLength, headerLength+len(a.Response))
	value[0] = format
	binary.BigEndian.PutUint64(value[1:], a.Version)
	binary.BigEndian.PutUint64(value[9:], a.Position)
	binary.BigEndian.PutUint64(value[17:], uint64(a.ThisUpdate.Unix()))
	binary.BigEndian.PutUint64(value[25:], uint64(a.NextUpdate.Unix()))
	value[33] = a.Class
	return append(value, a.Response...)
}

// decode reads a value. It reports false for one that is damaged, of another
// format, or past its nextUpdate.
func decode(value []byte, now time.Time) (*ocsp.Answer, bool) {
	if len(value) <= headerLength || len(value) > maxEntry || value[0] != format {
		return nil, false
	}
	version := binary.BigEndian.Uint64(value[1:])
	position := binary.BigEndian.Uint64(value[9:])
	thisUpdate := time.Unix(int64(binary.BigEndian.Uint64(value[17:])), 0)
	nextUpdate := time.Unix(int64(binary.BigEndian.Uint64(value[25:])), 0)
	// An OCSPResponse of a kept answer is a SEQUENCE in the long form that
	// reaches to the end: a value that was cut off is not served.
	response := value[headerLength:]
	if position < version || !thisUpdate.Before(nextUpdate) || !now.Before(nextUpdate) || !whole(response) {
		return nil, false
	}
	a := ocsp.NewAnswer(response, version, position, thisUpdate, nextUpdate)
	a.Class = value[33]
	return a, true
}

// whole reports whether der is exactly one SEQUENCE by its length octets.
func whole(der []byte) bool {
	if len(der) < 4 || der[0] != 0x30 || der[1] < 0x81 || der[1] > 0x83 {
		return false
	}
	octets := int(der[1] & 0x7f)
	length := 0
	for _, octet := range der[2 : 2+min(octets, len(der)-2)] {
		length = length<<8 | int(octet)
	}
	return len(der) == 2+octets+length
}
