package der

import (
	encoding_asn1 "encoding/asn1"
	"math/big"
	"math/bits"
	"time"

	"golang.org/x/crypto/cryptobyte/asn1"
)

// What is written for every certificate is appended to one buffer, at a fraction
// of what a [cryptobyte.Builder] costs, which makes another for each element
// inside an element. All lengths are definite and minimal (X.690, Section 10.1).

// Append appends an element to b whose contents the function appends.
func Append(b []byte, tag asn1.Tag, contents func([]byte) []byte) []byte {
	start := len(b)
	b = contents(append(b, 0, 0))
	n := len(b) - start - 2
	if more := lengthOctets(n); more > 0 {
		// The header is longer than was thought: the contents move.
		var space [8]byte
		b = append(b, space[:more]...)
		copy(b[start+2+more:], b[start+2:])
	}
	AppendHeader(b[:start], tag, n)
	return b
}

// AppendHeader appends tag and length of an element whose contents have n
// octets.
func AppendHeader(b []byte, tag asn1.Tag, n int) []byte {
	more := lengthOctets(n)
	if more == 0 {
		return append(b, byte(tag), byte(n))
	}
	b = append(b, byte(tag), 0x80|byte(more))
	for ; more > 0; more-- {
		b = append(b, byte(n>>(8*(more-1))))
	}
	return b
}

// Size is the length of an element, with its header, whose contents have n
// octets.
func Size(n int) int { return 2 + lengthOctets(n) + n }

// lengthOctets is how many octets follow the first one of a length.
func lengthOctets(n int) int {
	if n < 0x80 {
		return 0
	}
	return (bits.Len(uint(n)) + 7) / 8
}

// AppendNatural appends an INTEGER that is not negative.
func AppendNatural(b []byte, n *big.Int) []byte {
	// One bit more than the number has, for the sign.
	octets := n.BitLen()/8 + 1
	b = AppendHeader(b, asn1.INTEGER, octets)
	for range octets {
		b = append(b, 0)
	}
	n.FillBytes(b[len(b)-octets:])
	return b
}

// AppendID appends an OBJECT IDENTIFIER, which must be a valid one.
func AppendID(b []byte, id encoding_asn1.ObjectIdentifier) []byte {
	return Append(b, asn1.OBJECT_IDENTIFIER, func(b []byte) []byte {
		// X.690, Section 8.19.4: the first two arcs are one number.
		b = appendArc(b, 40*id[0]+id[1])
		for _, arc := range id[2:] {
			b = appendArc(b, arc)
		}
		return b
	})
}

// appendArc appends a number in groups of seven bits, all but the last of them
// marked (X.690, Section 8.19.2).
func appendArc(b []byte, arc int) []byte {
	for more := (bits.Len(uint(arc|1)) - 1) / 7; more > 0; more-- {
		b = append(b, 0x80|byte(arc>>(7*more)))
	}
	return append(b, byte(arc&0x7f))
}

// AppendExtension appends what [AddExtension] writes.
func AppendExtension(b []byte, id encoding_asn1.ObjectIdentifier, critical bool, value func([]byte) []byte) []byte {
	return Append(b, asn1.SEQUENCE, func(b []byte) []byte {
		b = AppendID(b, id)
		if critical {
			b = append(b, byte(asn1.BOOLEAN), 1, 0xff)
		}
		return Append(b, asn1.OCTET_STRING, value)
	})
}

// AppendTime appends what [AddTime] writes.
func AppendTime(b []byte, t time.Time) []byte {
	tag, layout := asn1.GeneralizedTime, "20060102150405Z"
	if t = t.UTC(); t.Year() >= 1950 && t.Year() < 2050 {
		tag, layout = asn1.UTCTime, "060102150405Z"
	}
	return t.AppendFormat(AppendHeader(b, tag, len(layout)), layout)
}
