package lint

import (
	"bytes"
	"crypto/sha256"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Shape tells certificates apart as far as a lint could: what two of the same
// shape differ in are the values of the few fields below, and there only within
// a form that every lint takes alike. All else, whatever it is, is in the shape
// octet by octet. ok is false for what is no certificate.
//
// The lints take several times as long as the issuer's signature. Whoever issues
// many certificates of a shape has them judge the first of a day.
//
//   - the serial number, of 16 octets of which the first is 40 to 7F
//   - the hours, minutes and seconds of the validity; its days are in the shape,
//     and which of the two comes first within a day
//   - names of the subject that are plain text: see plain
//   - the point of an elliptic-curve key, uncompressed, and an Ed25519 key. That
//     the point is on its curve is for the issuer to see to. RSA keys are in the shape
//   - a subject key identifier of 20 octets
//   - the signature
func Shape(certificate []byte) (shape [sha256.Size]byte, ok bool) {
	whole, body := cryptobyte.String(certificate), cryptobyte.String(nil)
	var tbs, algorithm, signature cryptobyte.String
	if !whole.ReadASN1(&body, asn1.SEQUENCE) || !whole.Empty() || !body.ReadASN1(&tbs, asn1.SEQUENCE) ||
		!body.ReadASN1Element(&algorithm, asn1.SEQUENCE) || !body.ReadASN1(&signature, asn1.BIT_STRING) || !body.Empty() ||
		len(signature) == 0 || signature[0] != 0 {
		return shape, false
	}
	o := idle.Get().(*outline)
	defer idle.Put(o)
	*o = append((*o)[:0], algorithm...)
	if !o.add(tbs) {
		return shape, false
	}
	return sha256.Sum256(*o), true
}

// idle holds outlines that were made, for the memory of the next ones.
var idle = sync.Pool{New: func() any { return new(outline) }}

// outline gathers what is in a shape: elements as they stand in the certificate,
// and for each value that is left out a mark. FF begins no element that the
// parser takes, so the two are not taken for each other.
type outline []byte

func (o *outline) mark(of ...byte) { *o = append(append(*o, 0xff, byte(len(of))), of...) }

// add writes the outline of a TBSCertificate (RFC 5280, Section 4.1).
func (o *outline) add(tbs cryptobyte.String) bool {
	var version, serial, algorithm, issuer, validity, subject, key, list cryptobyte.String
	there, explicit := false, asn1.Tag(0).Constructed().ContextSpecific()
	if !tbs.ReadOptionalASN1(&version, &there, explicit) || !tbs.ReadASN1Element(&serial, asn1.INTEGER) || !tbs.ReadASN1Element(&algorithm, asn1.SEQUENCE) ||
		!tbs.ReadASN1Element(&issuer, asn1.SEQUENCE) || !tbs.ReadASN1Element(&validity, asn1.SEQUENCE) ||
		!tbs.ReadASN1Element(&subject, asn1.SEQUENCE) || !tbs.ReadASN1Element(&key, asn1.SEQUENCE) {
		return false
	}
	if there {
		o.mark('0')
		*o = append(*o, version...)
	}
	if len(serial) == 2+16 && serial[2]&0xc0 == 0x40 {
		o.mark('s')
	} else {
		*o = append(*o, serial...)
	}
	*o = append(append(*o, algorithm...), issuer...)
	o.addValidity(validity)
	o.addSubject(subject)
	o.addKey(key)
	// What stands between the key and the extensions, and behind them, is rare.
	for tag := asn1.Tag(3).Constructed().ContextSpecific(); !tbs.Empty(); {
		if !tbs.PeekASN1Tag(tag) {
			var other cryptobyte.String
			if !tbs.ReadAnyASN1Element(&other, &tag) {
				return false
			}
			*o = append(*o, other...)
			tag = asn1.Tag(3).Constructed().ContextSpecific()
			continue
		}
		var extensions cryptobyte.String
		if !tbs.ReadASN1(&extensions, tag) || !extensions.ReadASN1(&list, asn1.SEQUENCE) || !extensions.Empty() || !o.addExtensions(list) {
			return false
		}
	}
	return true
}

// addValidity leaves the time of day out of two times on different days.
func (o *outline) addValidity(validity cryptobyte.String) {
	body, whole := cryptobyte.String(nil), validity
	var times [2]cryptobyte.String
	var tags [2]asn1.Tag
	good := whole.ReadASN1(&body, asn1.SEQUENCE)
	for i := range times {
		good = good && body.ReadAnyASN1(&times[i], &tags[i])
		good = good && (tags[i] == asn1.UTCTime && len(times[i]) == len("060102150405Z") || tags[i] == asn1.GeneralizedTime && len(times[i]) == len("20060102150405Z")) &&
			isClock(times[i][len(times[i])-7:])
	}
	if !good || !body.Empty() {
		*o = append(*o, validity...)
		return
	}
	day := func(i int) []byte { return times[i][:len(times[i])-7] }
	clock := func(i int) []byte { return times[i][len(times[i])-7:] }
	if tags[0] == tags[1] && bytes.Equal(day(0), day(1)) {
		*o = append(*o, validity...)
		return
	}
	o.mark('v', byte(tags[0]), byte(tags[1]), byte(1+bytes.Compare(clock(0), clock(1))))
	*o = append(append(*o, day(0)...), day(1)...)
}

// isClock reports whether s is hours, minutes and seconds and Z.
func isClock(s []byte) bool {
	for i, c := range s[:6] {
		if c < '0' || c > '9' || i%2 == 0 && i > 0 && c > '5' {
			return false
		}
	}
	return s[6] == 'Z' && (s[0] < '2' || s[0] == '2' && s[1] < '4')
}

// plainAttributes are the ends of 2.5.4, whose values may be left out: surname,
// common name, serial number, organisation and its unit, title, given name,
// pseudonym, organisation identifier. 64 characters are within the bounds of
// each.
var plainAttributes = [256]bool{4: true, 3: true, 5: true, 10: true, 11: true, 12: true, 42: true, 65: true, 97: true}

// addSubject leaves out the plain values of a name with one attribute to each
// relative name; another name is written whole.
func (o *outline) addSubject(subject cryptobyte.String) {
	before := len(*o)
	list, whole := cryptobyte.String(nil), subject
	good := whole.ReadASN1(&list, asn1.SEQUENCE)
	o.mark('n')
	for good && !list.Empty() {
		var set, element, body, value cryptobyte.String
		var tag asn1.Tag
		good = list.ReadASN1(&set, asn1.SET) && set.ReadASN1Element(&element, asn1.SEQUENCE) && set.Empty()
		inner := element
		// 2.5.4.x: four octets with its header, the last of which says which.
		good = good && inner.ReadASN1(&body, asn1.SEQUENCE) && len(body) > 5
		if !good {
			break
		}
		rest := body[5:]
		if body[0] == 6 && body[1] == 3 && body[2] == 0x55 && body[3] == 4 && body[4] < 0x80 && plainAttributes[body[4]] &&
			rest.ReadAnyASN1(&value, &tag) && rest.Empty() && plain(value, tag) {
			o.mark('a', body[4], byte(tag))
			continue
		}
		*o = append(*o, element...)
	}
	if !good {
		*o = append((*o)[:before], subject...)
		return
	}
	// The end of the name.
	o.mark('e')
}

// plain reports whether a value is a text that no lint takes for another: of 1
// to 64 letters and digits, with single spaces, hyphens and apostrophes between
// them; letters outside ASCII in a UTF8String alone. It has no dots and at signs,
// so it is no host, address or mailbox.
func plain(value []byte, tag asn1.Tag) bool {
	if tag != asn1.UTF8String && tag != asn1.PrintableString {
		return false
	}
	letters, characters := false, 0
	for len(value) > 0 {
		c, size := rune(value[0]), 1
		if c >= utf8.RuneSelf {
			c, size = utf8.DecodeRune(value)
		}
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
			letters = true
		case c == ' ' || c == '-' || c == '\'':
			// Neither at the start nor behind another.
			if !letters {
				return false
			}
			letters = false
		case c >= utf8.RuneSelf && c != utf8.RuneError && tag == asn1.UTF8String && unicode.IsLetter(c):
			letters = true
		default:
			return false
		}
		value = value[size:]
		characters++
	}
	return letters && characters <= 64
}

// The algorithms of keys whose values may be left out, with the length of the
// BIT STRING's contents: those of RFC 5480, Section 2.1.1 and RFC 8410, Section 3.
var plainKeys = []struct {
	algorithm string
	length    int
	first     byte // of the key; 4 begins an uncompressed point, 0 is any
}{
	{"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 1 + 65, 4},
	{"\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22", 1 + 97, 4},
	{"\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23", 1 + 133, 4},
	{"\x30\x05\x06\x03\x2b\x65\x70", 1 + 32, 0},
}

// addKey leaves the value of a plain key out.
func (o *outline) addKey(key cryptobyte.String) {
	var body, algorithm, bits cryptobyte.String
	whole := key
	if whole.ReadASN1(&body, asn1.SEQUENCE) && body.ReadASN1Element(&algorithm, asn1.SEQUENCE) && body.ReadASN1(&bits, asn1.BIT_STRING) && body.Empty() {
		for i, k := range plainKeys {
			if string(algorithm) == k.algorithm && len(bits) == k.length && bits[0] == 0 && (k.first == 0 || bits[1] == k.first) {
				o.mark('k', byte(i))
				return
			}
		}
	}
	*o = append(*o, key...)
}

// keyIdentifier is how a subject key identifier of 20 octets begins, which is not
// critical.
const keyIdentifier = "\x30\x1d\x06\x03\x55\x1d\x0e\x04\x16\x04\x14"

// addExtensions leaves the value of the subject key identifier out.
func (o *outline) addExtensions(list cryptobyte.String) bool {
	for !list.Empty() {
		var extension cryptobyte.String
		if !list.ReadASN1Element(&extension, asn1.SEQUENCE) {
			return false
		}
		if len(extension) == len(keyIdentifier)+20 && string(extension[:len(keyIdentifier)]) == keyIdentifier {
			o.mark('i')
			continue
		}
		*o = append(*o, extension...)
	}
	return true
}
