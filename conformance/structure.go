package conformance

import (
	"encoding/asn1"
	"fmt"
	"math/big"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

const (
	sequence     = cryptobyte_asn1.SEQUENCE
	set          = cryptobyte_asn1.SET
	maxExtension = 64 // the search for repetitions is quadratic
)

func implicit(n uint8) cryptobyte_asn1.Tag { return cryptobyte_asn1.Tag(n).ContextSpecific() }

func explicit(n uint8) cryptobyte_asn1.Tag { return implicit(n).Constructed() }

// stamp is a time as it stands in a structure.
type stamp struct {
	tag  cryptobyte_asn1.Tag
	text string
	at   time.Time
	// ok: seconds, UTC, no fraction, and a day that there is.
	ok bool
}

func (s stamp) there() bool { return s.tag != 0 }

// fault says what is wrong with the form of a GeneralizedTime.
func (s stamp) fault() string {
	switch {
	case !s.there(), s.ok && s.tag == cryptobyte_asn1.GeneralizedTime:
		return ""
	case s.tag != cryptobyte_asn1.GeneralizedTime:
		return fmt.Sprintf("%q is not a GeneralizedTime", clip(s.text))
	}
	return fmt.Sprintf("%q is not of the form YYYYMMDDHHMMSSZ", clip(s.text))
}

// readStamp reads a time of any form; what is wrong with it is left to checks.
func readStamp(s *cryptobyte.String, out *stamp) bool {
	var text cryptobyte.String
	if !s.ReadAnyASN1(&text, &out.tag) {
		return false
	}
	*out = stampOf(out.tag, string(text))
	return out.tag == cryptobyte_asn1.UTCTime || out.tag == cryptobyte_asn1.GeneralizedTime
}

func stampOf(tag cryptobyte_asn1.Tag, text string) stamp {
	s := stamp{tag: tag, text: text}
	layout := "20060102150405Z"
	if tag == cryptobyte_asn1.UTCTime {
		layout = "060102150405Z"
	}
	at, err := time.Parse(layout, text)
	if err != nil {
		// A form that is not allowed may still tell a time.
		for _, other := range []string{"20060102150405Z0700", "200601021504Z", "0601021504Z", "060102150405Z0700"} {
			if t, err := time.Parse(other, text); err == nil {
				s.at = t.UTC()
			}
		}
		return s
	}
	if tag == cryptobyte_asn1.UTCTime && at.Year() >= 2050 {
		at = at.AddDate(-100, 0, 0) // RFC 5280, Section 4.1.2.5.1
	}
	s.at, s.ok = at, len(text) == len(layout)
	return s
}

// extension is one Extension. Unlike [der.ReadExtensions], reading keeps what is
// repeated or writes out a default, for checks to find.
type extension struct {
	id           asn1.ObjectIdentifier
	critical     bool
	writtenFalse bool
	value        []byte
}

type extensions []extension

// get returns the first extension of that kind, nil when there is none.
func (l extensions) get(id asn1.ObjectIdentifier) *extension {
	for i := range l {
		if l[i].id.Equal(id) {
			return &l[i]
		}
	}
	return nil
}

// value is that of an extension, nil when it is not there.
func (l extensions) value(id asn1.ObjectIdentifier) []byte {
	if e := l.get(id); e != nil {
		return e.value
	}
	return nil
}

// repeated returns an extension that stands there twice.
func (l extensions) repeated() (asn1.ObjectIdentifier, bool) {
	for i := range l {
		for j := range i {
			if l[i].id.Equal(l[j].id) {
				return l[i].id, true
			}
		}
	}
	return nil, false
}

// readExtensions reads a SEQUENCE OF Extension.
func readExtensions(s *cryptobyte.String, out *extensions) bool {
	var list cryptobyte.String
	return s.ReadASN1(&list, sequence) && readExtensionList(list, out)
}

func readExtensionList(list cryptobyte.String, out *extensions) bool {
	for !list.Empty() {
		var element, value cryptobyte.String
		var e extension
		if !list.ReadASN1(&element, sequence) || !element.ReadASN1ObjectIdentifier(&e.id) {
			return false
		}
		if element.PeekASN1Tag(cryptobyte_asn1.BOOLEAN) {
			if !element.ReadASN1Boolean(&e.critical) {
				return false
			}
			e.writtenFalse = !e.critical
		}
		if !element.ReadASN1(&value, cryptobyte_asn1.OCTET_STRING) || !element.Empty() || len(*out) == maxExtension {
			return false
		}
		e.value = value
		*out = append(*out, e)
	}
	return true
}

// readExplicitExtensions reads Extensions under an explicit tag, if they are
// there.
func readExplicitExtensions(s *cryptobyte.String, tag uint8, out *extensions) bool {
	var outer cryptobyte.String
	there := false
	if !s.ReadOptionalASN1(&outer, &there, explicit(tag)) {
		return false
	}
	return !there || readExtensions(&outer, out) && outer.Empty()
}

// readAny takes one whole element of any kind.
func readAny(s *cryptobyte.String) (element cryptobyte.String, tag cryptobyte_asn1.Tag, ok bool) {
	ok = s.ReadAnyASN1Element(&element, &tag)
	return element, tag, ok
}

// integer is the value of an INTEGER in its octets, of any size and sign.
func readInteger(s *cryptobyte.String) (octets []byte, ok bool) {
	var value cryptobyte.String
	if !s.ReadASN1(&value, cryptobyte_asn1.INTEGER) || len(value) == 0 {
		return nil, false
	}
	return value, true
}

// number turns two's complement octets into a number.
func number(octets []byte) *big.Int {
	n := new(big.Int).SetBytes(octets)
	if len(octets) > 0 && octets[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(octets))))
	}
	return n
}

// whole wraps der.Whole for octets that must be one SEQUENCE.
func whole(raw []byte) (cryptobyte.String, bool) { return der.Whole(raw, sequence) }

// built returns what a writer writes. What is written here is ours and fits.
func built(write func(*cryptobyte.Builder)) []byte {
	b := cryptobyte.NewBuilder(nil)
	write(b)
	return b.BytesOrPanic()
}

// clip keeps foreign text short enough for a line of a report, and printable.
func clip(s string) string {
	const most = 80
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}

// ago is a duration in the unit that a reader thinks in.
func ago(d time.Duration) string {
	if days := int(d.Hours() / 24); days > 2 {
		return fmt.Sprintf("%d days", days)
	}
	return d.Round(time.Second).String()
}

// algorithmName is how a report calls an algorithm.
func algorithmName(id asn1.ObjectIdentifier) string {
	for _, known := range algorithmNames {
		if known.id.Equal(id) {
			return known.name
		}
	}
	if name := foreignAlgorithm(id); name != "" {
		return name
	}
	return id.String()
}

var algorithmNames = []struct {
	id   asn1.ObjectIdentifier
	name string
}{
	{pki.OIDSHA1, "SHA-1"}, {pki.OIDSHA256, "SHA-256"}, {pki.OIDSHA384, "SHA-384"}, {pki.OIDSHA512, "SHA-512"},
	{pki.OIDECDSAWithSHA256, "ECDSA with SHA-256"}, {pki.OIDECDSAWithSHA384, "ECDSA with SHA-384"}, {pki.OIDECDSAWithSHA512, "ECDSA with SHA-512"},
	{pki.OIDSHA256WithRSA, "RSA with SHA-256"}, {pki.OIDSHA384WithRSA, "RSA with SHA-384"}, {pki.OIDSHA512WithRSA, "RSA with SHA-512"},
	{pki.OIDRSASSAPSS, "RSASSA-PSS"}, {pki.OIDEd25519, "Ed25519"}, {oidSHA1WithRSA, "RSA with SHA-1"}, {oidECDSAWithSHA1, "ECDSA with SHA-1"}, {oidMD5WithRSA, "RSA with MD5"},
}
