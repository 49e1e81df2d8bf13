package tsa

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
)

// Info is a TSTInfo (RFC 3161, Section 2.4.2): what a token states.
//
// The only extension that there can be is the statement that it is qualified.
type Info struct {
	Policy  asn1.ObjectIdentifier
	Imprint Imprint
	// Serial is the value of serialNumber in two's complement, in the fewest
	// octets.
	Serial []byte
	// GenTime is in UTC; its fraction of a second is the one in the token.
	GenTime time.Time
	// Accuracy is in whole microseconds, 0 when absent.
	Accuracy time.Duration
	// Ordering says that the authority's tokens can be ordered by GenTime
	// alone. Absent is the DER of false.
	Ordering bool
	// Nonce is the query's, nil when it had none.
	Nonce []byte
	// Name is the encoded Name in the tsa field, nil when absent.
	Name []byte
	// Qualified is the statement of ETSI EN 319 422, Section 9.1.
	Qualified bool
}

// SerialNumber returns Serial as a number.
func (i *Info) SerialNumber() *big.Int {
	n := new(big.Int).SetBytes(i.Serial)
	if len(i.Serial) > 0 && i.Serial[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(i.Serial))))
	}
	return n
}

var (
	tagMillis         = cryptobyte_asn1.Tag(0).ContextSpecific()
	tagMicros         = cryptobyte_asn1.Tag(1).ContextSpecific()
	tagTSA            = cryptobyte_asn1.Tag(0).ContextSpecific().Constructed()
	tagInfoExtensions = cryptobyte_asn1.Tag(1).ContextSpecific().Constructed()
	tagDirectoryName  = cryptobyte_asn1.Tag(4).ContextSpecific().Constructed()
)

// marshal encodes i.
func (i *Info) marshal() ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, 256+len(i.Nonce)))
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1ObjectIdentifier(i.Policy)
		addImprint(b, i.Imprint)
		addInteger(b, i.Serial)
		b.AddASN1(cryptobyte_asn1.GeneralizedTime, func(b *cryptobyte.Builder) { b.AddBytes(appendGenTime(nil, i.GenTime)) })
		addPromise(b, i.Accuracy, i.Ordering)
		if i.Nonce != nil {
			addInteger(b, i.Nonce)
		}
		addName(b, i.Name)
		addExtensions(b, i.Qualified)
	})
	return b.Bytes()
}

// addPromise writes what a policy promises of the time.
func addPromise(b *cryptobyte.Builder, accuracy time.Duration, ordering bool) {
	addAccuracy(b, accuracy)
	if ordering {
		b.AddASN1Boolean(true)
	}
}

// addName writes the tsa field, nothing for nil.
//
// RFC 3161, Section 2.4.2: it is a subject name of the certificate, here its
// subject, which openssl compares with it.
func addName(b *cryptobyte.Builder, name []byte) {
	if name != nil {
		b.AddASN1(tagTSA, func(b *cryptobyte.Builder) {
			b.AddASN1(tagDirectoryName, func(b *cryptobyte.Builder) { b.AddBytes(name) })
		})
	}
}

// parseInfo reads an encoded TSTInfo in the form that marshal writes.
func parseInfo(in []byte) (*Info, error) {
	s, ok := der.Whole(in, cryptobyte_asn1.SEQUENCE)
	if !ok {
		return nil, errors.New("tsa: TSTInfo is not one DER SEQUENCE")
	}
	i := new(Info)
	var version, genTime cryptobyte.String
	if !s.ReadASN1(&version, cryptobyte_asn1.INTEGER) || string(version) != "\x01" {
		return nil, errors.New("tsa: TSTInfo version is not 1")
	}
	if !s.ReadASN1ObjectIdentifier(&i.Policy) {
		return nil, errors.New("tsa: malformed policy")
	}
	if !readImprint(&s, &i.Imprint) {
		return nil, errors.New("tsa: malformed messageImprint")
	}
	if i.Serial, ok = readInteger(&s); !ok {
		return nil, errors.New("tsa: malformed serialNumber")
	}
	if !s.ReadASN1(&genTime, cryptobyte_asn1.GeneralizedTime) {
		return nil, errors.New("tsa: malformed genTime")
	}
	if i.GenTime, ok = parseGenTime(genTime); !ok {
		return nil, errors.New("tsa: genTime is not YYYYMMDDhhmmss[.s...]Z")
	}
	if s.PeekASN1Tag(cryptobyte_asn1.SEQUENCE) {
		if i.Accuracy, ok = readAccuracy(&s); !ok {
			return nil, errors.New("tsa: malformed accuracy")
		}
	}
	if s.PeekASN1Tag(cryptobyte_asn1.BOOLEAN) {
		// FALSE is the default and so left out.
		if !s.ReadASN1Boolean(&i.Ordering) || !i.Ordering {
			return nil, errors.New("tsa: malformed ordering")
		}
	}
	if s.PeekASN1Tag(cryptobyte_asn1.INTEGER) {
		if i.Nonce, ok = readInteger(&s); !ok {
			return nil, errors.New("tsa: malformed nonce")
		}
	}
	if s.PeekASN1Tag(tagTSA) {
		var explicit, name cryptobyte.String
		if !s.ReadASN1(&explicit, tagTSA) || !explicit.ReadASN1(&name, tagDirectoryName) || !explicit.Empty() || name.Empty() {
			return nil, errors.New("tsa: malformed tsa name")
		}
		i.Name = name
	}
	if s.PeekASN1Tag(tagInfoExtensions) {
		if i.Qualified = readInfoExtensions(&s); !i.Qualified {
			return nil, errors.New("tsa: TSTInfo has extensions that no token of this authority has")
		}
	}
	if !s.Empty() {
		return nil, errors.New("tsa: TSTInfo holds a field that no token of this authority has")
	}
	return i, nil
}

// appendGenTime appends t in the form of RFC 3161, Section 2.4.2: UTC, seconds
// present, a fraction without trailing zeros or none. It is for the years up to
// 9999.
func appendGenTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	for _, n := range [...]int{year / 100, year % 100, int(month), day, hour, minute, second} {
		b = append(b, '0'+byte(n/10%10), '0'+byte(n%10))
	}
	if nanosecond := t.Nanosecond(); nanosecond != 0 {
		b = append(b, '.')
		for unit := int(time.Second) / 10; nanosecond > 0; unit /= 10 {
			b = append(b, '0'+byte(nanosecond/unit))
			nanosecond %= unit
		}
	}
	return append(b, 'Z')
}

// parseGenTime reads what appendGenTime writes and nothing else.
func parseGenTime(text []byte) (time.Time, bool) {
	seconds := len("20060102150405")
	if len(text) <= seconds || len(text) > seconds+len(".000000000Z") {
		return time.Time{}, false
	}
	// The layout takes a fraction that it does not mention.
	t, err := time.Parse("20060102150405Z", string(text))
	if err != nil || !bytes.Equal(appendGenTime(nil, t), text) {
		return time.Time{}, false
	}
	return t, true
}

// addAccuracy writes an Accuracy of whole microseconds, nothing for 0. RFC
// 3161, Section 2.4.2: a part that is missing counts as zero, and millis and
// micros run from 1 to 999.
func addAccuracy(b *cryptobyte.Builder, d time.Duration) {
	if d <= 0 {
		return
	}
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if n := int64(d / time.Second); n > 0 {
			b.AddASN1Int64(n)
		}
		if n := int64(d / time.Millisecond % 1000); n > 0 {
			b.AddASN1Int64WithTag(n, tagMillis)
		}
		if n := int64(d / time.Microsecond % 1000); n > 0 {
			b.AddASN1Int64WithTag(n, tagMicros)
		}
	})
}

// readAccuracy reads what addAccuracy writes, up to a day.
func readAccuracy(s *cryptobyte.String) (time.Duration, bool) {
	var sequence cryptobyte.String
	if !s.ReadASN1(&sequence, cryptobyte_asn1.SEQUENCE) || sequence.Empty() {
		return 0, false
	}
	var total time.Duration
	for _, part := range []struct {
		tag   cryptobyte_asn1.Tag
		unit  time.Duration
		upper int64
	}{
		{cryptobyte_asn1.INTEGER, time.Second, 86400},
		{tagMillis, time.Millisecond, 999},
		{tagMicros, time.Microsecond, 999},
	} {
		if !sequence.PeekASN1Tag(part.tag) {
			continue
		}
		var n int64
		if !sequence.ReadASN1Int64WithTag(&n, part.tag) || n < 1 || n > part.upper {
			return 0, false
		}
		total += time.Duration(n) * part.unit
	}
	return total, sequence.Empty()
}
