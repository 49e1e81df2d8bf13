package ntp

import (
	"encoding/binary"
	"errors"
	"time"
)

// headerSize is the length of a packet without extensions and authentication
// (RFC 5905, Section 7.3).
const headerSize = 48

// Modes of association.
const (
	modeClient = 3
	modeServer = 4
)

// Leap is the leap indicator (RFC 5905, Section 7.3).
type Leap uint8

// The values of Leap.
const (
	LeapNone    Leap = 0
	LeapInsert  Leap = 1 // the last minute of the day has 61 seconds
	LeapDelete  Leap = 2 // the last minute of the day has 59 seconds
	LeapUnknown Leap = 3 // the server's clock is not synchronised
)

// Packet is the header of an NTP packet.
type Packet struct {
	Leap          Leap
	Version, Mode uint8
	Stratum       uint8
	Poll          int8 // log2 of seconds
	Precision     int8 // log2 of seconds
	// RootDelay and RootDispersion lead to the reference clock.
	RootDelay, RootDispersion time.Duration
	ReferenceID               [4]byte
	// The timestamps, as they are in the packet.
	Reference, Origin, Receive, Transmit uint64
}

// ParsePacket reads the header of a packet and the authentication code behind
// it, nil when there is none.
//
// RFC 7822, Section 3: what is left behind the header is an authentication
// code when it is 4, 20 or 24 octets long. Extension fields are refused: no
// answer to our requests has any.
func ParsePacket(in []byte) (p Packet, mac []byte, err error) {
	if len(in) < headerSize {
		return p, nil, errors.New("ntp: a packet of less than 48 octets")
	}
	p = Packet{
		Leap: Leap(in[0] >> 6), Version: in[0] >> 3 & 7, Mode: in[0] & 7,
		Stratum: in[1], Poll: int8(in[2]), Precision: int8(in[3]),
		RootDelay: shortDuration(in[4:]), RootDispersion: shortDuration(in[8:]), ReferenceID: [4]byte(in[12:16]),
		Reference: binary.BigEndian.Uint64(in[16:]), Origin: binary.BigEndian.Uint64(in[24:]),
		Receive: binary.BigEndian.Uint64(in[32:]), Transmit: binary.BigEndian.Uint64(in[40:]),
	}
	switch mac = in[headerSize:]; len(mac) {
	case 0:
		return p, nil, nil
	case 4, 20, 24:
		return p, mac, nil
	}
	return p, nil, errors.New("ntp: what follows the header is no authentication code")
}

// Marshal encodes the header. What [ParsePacket] read becomes the same octets
// again.
func (p Packet) Marshal() []byte {
	b := make([]byte, 0, headerSize+24)
	b = append(b, byte(p.Leap)<<6|p.Version<<3|p.Mode, p.Stratum, byte(p.Poll), byte(p.Precision))
	b = binary.BigEndian.AppendUint32(b, short(p.RootDelay))
	b = binary.BigEndian.AppendUint32(b, short(p.RootDispersion))
	b = append(b, p.ReferenceID[:]...)
	for _, t := range []uint64{p.Reference, p.Origin, p.Receive, p.Transmit} {
		b = binary.BigEndian.AppendUint64(b, t)
	}
	return b
}

// shortDuration reads 16 bits of seconds and 16 of their fraction. It rounds up to
// nanoseconds, of which a fraction is many, so that short finds it again.
func shortDuration(b []byte) time.Duration {
	v := uint64(binary.BigEndian.Uint32(b))
	return time.Duration((v*1e9 + 0xffff) >> 16)
}

func short(d time.Duration) uint32 { return uint32(uint64(d) << 16 / 1e9) }

// ntpEpoch is the beginning of the first era, seconds before 1970.
const ntpEpoch = 2208988800

// timeOf returns the moment of a timestamp in the era that brings it nearest to
// a time that is known to within 68 years (RFC 5905, Section 6).
func timeOf(stamp uint64, near time.Time) time.Time {
	seconds, fraction := int64(stamp>>32), int64((stamp&0xffffffff)*1e9>>32)
	base := near.Unix() + ntpEpoch
	// The difference of the low 32 bits, as a signed number.
	difference := int64(int32(uint32(seconds) - uint32(base)))
	return time.Unix(near.Unix()+difference, fraction).UTC()
}

// stampOf returns the timestamp of a moment.
func stampOf(t time.Time) uint64 {
	fraction := (uint64(t.Nanosecond())<<32 + 1e9 - 1) / 1e9
	return uint64(t.Unix()+ntpEpoch)<<32 + fraction
}
