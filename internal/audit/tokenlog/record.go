package tokenlog

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"
)

// size of a record:
//
//	 0  16  serial number, big-endian
//	16   8  genTime, microseconds since 1970
//	24  32  SHA-256 of the encoded TSTInfo
//	56   4  first octets of the SHA-256 of the unit's certificate
//	60   4  CRC-32C of the octets before
const size = 64

// Record is what the journal keeps of a token. It holds nothing about who
// asked.
type Record struct {
	// Serial is the token's serial number, at most 16 octets, big-endian.
	Serial [16]byte
	// Time is the token's, in whole microseconds.
	Time time.Time
	// Statement is the SHA-256 hash of what the token states, its TSTInfo.
	Statement [32]byte
	// Unit is the beginning of the SHA-256 hash of the certificate of the unit
	// that signed.
	Unit [4]byte
}

// SerialOf returns the form of a serial number that records have; it reports
// false for one that no record can have.
func SerialOf(value []byte) (serial [16]byte, ok bool) {
	for len(value) > len(serial) && value[0] == 0 {
		value = value[1:]
	}
	if len(value) == 0 || len(value) > len(serial) {
		return serial, false
	}
	copy(serial[len(serial)-len(value):], value)
	return serial, true
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// append writes the record's octets.
func (r *Record) append(b []byte) []byte {
	start := len(b)
	b = append(b, r.Serial[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Time.UnixMicro()))
	b = append(b, r.Statement[:]...)
	b = append(b, r.Unit[:]...)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// ParseRecord reads a record.
func ParseRecord(b []byte) (r Record, err error) {
	if len(b) != size || crc32.Checksum(b[:size-4], castagnoli) != binary.BigEndian.Uint32(b[size-4:]) {
		return r, errors.New("it is not a record of a token journal")
	}
	r.Serial, r.Statement, r.Unit = [16]byte(b[:16]), [32]byte(b[24:56]), [4]byte(b[56:60])
	r.Time = time.UnixMicro(int64(binary.BigEndian.Uint64(b[16:]))).UTC()
	return r, nil
}
