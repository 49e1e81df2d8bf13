package der

import (
	"bytes"
	encoding_asn1 "encoding/asn1"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// AddTime writes t as the Time of a certificate or CRL.
//
// RFC 5280, Section 4.1.2.5: UTCTime through the year 2049, GeneralizedTime
// from 2050 on, both in UTC with seconds and without fractions.
func AddTime(b *cryptobyte.Builder, t time.Time) { b.AddBytes(AppendTime(nil, t)) }

// AddGeneralizedTime writes t in UTC as YYYYMMDDHHMMSSZ; fractions are cut off.
func AddGeneralizedTime(b *cryptobyte.Builder, t time.Time) {
	b.AddASN1(asn1.GeneralizedTime, func(b *cryptobyte.Builder) {
		b.AddBytes([]byte(t.UTC().Format("20060102150405Z")))
	})
}

// AddNull writes NULL.
func AddNull(b *cryptobyte.Builder) {
	b.AddASN1(asn1.NULL, func(*cryptobyte.Builder) {})
}

// AddNamedBits writes a BIT STRING with the named bits set, without trailing
// zero bits (X.690, Section 11.2.2).
func AddNamedBits(b *cryptobyte.Builder, bits ...int) {
	var octets []byte
	last := -1
	for _, bit := range bits {
		for len(octets) <= bit/8 {
			octets = append(octets, 0)
		}
		octets[bit/8] |= 0x80 >> (bit % 8)
		last = max(last, bit)
	}
	unused := byte(0)
	if last >= 0 {
		unused = byte(7 - last%8)
	}
	b.AddASN1(asn1.BIT_STRING, func(b *cryptobyte.Builder) {
		b.AddUint8(unused)
		b.AddBytes(octets)
	})
}

// AddSetOf writes a SET OF, its encoded elements in ascending order (X.690,
// Section 11.6). It sorts the given slice.
func AddSetOf(b *cryptobyte.Builder, elements [][]byte) {
	slices.SortFunc(elements, bytes.Compare)
	b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
		for _, e := range elements {
			b.AddBytes(e)
		}
	})
}

// AddExtension writes one Extension whose value build writes; critical is left
// out when FALSE, its default.
func AddExtension(b *cryptobyte.Builder, id encoding_asn1.ObjectIdentifier, critical bool, build func(*cryptobyte.Builder)) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(id)
		if critical {
			b.AddASN1Boolean(true)
		}
		b.AddASN1(asn1.OCTET_STRING, build)
	})
}
