package crl

import (
	"bytes"
	"crypto/x509"
	encoding_asn1 "encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// maxSerial is the length in octets that a serial number may have (RFC 5280,
// Section 4.1.2.2), its sign bit included.
const maxSerial = 20

// form is what a list says besides its entries.
type form struct {
	signer    *x509.Certificate
	algorithm pki.Algorithm
	number    uint64
	// base is the number that a delta list counts from; 0 for a complete list.
	base                   uint64
	thisUpdate, nextUpdate time.Time
	// scope is the value of issuingDistributionPoint; nil for none.
	scope []byte
	// covered are the authorities whose certificates the list is about.
	covered []covered
	// freshest is the address of the delta list.
	freshest     string
	expiredSince time.Time
}

// endOfTime is the nextUpdate of a list that no other will follow, which ETSI
// EN 319 411-1, CSS-6.3.9-06 asks for. RFC 5280, Section 4.1.2.5 gives it the
// meaning of "no well-defined date".
var endOfTime = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// head encodes TBSCertList, whose entries have so many octets, from its tag up
// to the first entry.
func (f *form) head(entries int64) []byte {
	b := cryptobyte.NewBuilder(nil)
	// RFC 5280, Section 5.1.2.1: v2, as extensions are used.
	b.AddASN1Int64(1)
	// RFC 5280, Section 5.1.2.2: the same identifier as in the outer field.
	pki.AddAlgorithm(b, f.algorithm)
	// RFC 5280, Section 5.1.2.3: encoded as the certificate encodes it, so that
	// names compare octet by octet.
	b.AddBytes(f.signer.RawSubject)
	der.AddTime(b, f.thisUpdate)
	// RFC 5280, Section 5.1.2.5: nextUpdate must be there.
	der.AddTime(b, f.nextUpdate)
	fields := b.BytesOrPanic()
	// RFC 5280, Section 5.1.2.6: an empty list is absent, not empty.
	if entries > 0 {
		fields = appendHeader(fields, tagSequence, entries)
	}
	head := appendHeader(nil, tagSequence, int64(len(fields))+entries+int64(len(f.tail())))
	return append(head, fields...)
}

// tail encodes crlExtensions.
func (f *form) tail() []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			// RFC 5280, Section 5.2.1: the key identifier method is required.
			der.AddExtension(b, pki.OIDAuthorityKeyIdentifier, false, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(asn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(f.signer.SubjectKeyId) })
				})
			})
			// RFC 5280, Section 5.2.3: in every list, not critical.
			der.AddExtension(b, pki.OIDCRLNumber, false, func(b *cryptobyte.Builder) { b.AddASN1Uint64(f.number) })
			if f.base != 0 {
				// RFC 5280, Section 5.2.4: critical.
				der.AddExtension(b, oidDeltaIndicator, true, func(b *cryptobyte.Builder) { b.AddASN1Uint64(f.base) })
			}
			if f.scope != nil {
				// RFC 5280, Section 5.2.5: critical.
				der.AddExtension(b, pki.OIDIssuingDistributionPoint, true, func(b *cryptobyte.Builder) { b.AddBytes(f.scope) })
			}
			if f.freshest != "" && f.base == 0 {
				// RFC 5280, Section 5.2.6: not critical, and never in a delta list.
				der.AddExtension(b, pki.OIDFreshestCRL, false, func(b *cryptobyte.Builder) {
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddASN1(tagPoint, func(b *cryptobyte.Builder) { b.AddBytes(pointName(f.freshest)) })
						})
					})
				})
			}
			if !f.expiredSince.IsZero() {
				// ETSI EN 319 411-2, Section 6.3.10: not critical.
				der.AddExtension(b, oidExpiredCertsOnCRL, false, func(b *cryptobyte.Builder) { der.AddGeneralizedTime(b, f.expiredSince) })
			}
		})
	})
	return b.BytesOrPanic()
}

// pointName encodes a DistributionPointName with one address, as the authority
// encodes it in certificates.
//
// RFC 5280, Section 5.2.5: the identical encoding must be used in both.
func pointName(url string) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(tagFullName, func(b *cryptobyte.Builder) {
		b.AddASN1(tagURI, func(b *cryptobyte.Builder) { b.AddBytes([]byte(url)) })
	})
	return b.BytesOrPanic()
}

// scopeValue encodes an IssuingDistributionPoint; nil when it would say
// nothing, since RFC 5280, Section 5.2.5 forbids an empty one.
func scopeValue(url string, onlyUsers, indirect bool) []byte {
	if url == "" && !onlyUsers && !indirect {
		return nil
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if url != "" {
			b.AddASN1(tagPoint, func(b *cryptobyte.Builder) { b.AddBytes(pointName(url)) })
		}
		for _, flag := range []struct {
			tag asn1.Tag
			set bool
		}{{1, onlyUsers}, {4, indirect}} {
			if flag.set {
				b.AddASN1(flag.tag.ContextSpecific(), func(b *cryptobyte.Builder) { b.AddUint8(0xff) })
			}
		}
	})
	return b.BytesOrPanic()
}

// appendHeader appends a tag and a length.
func appendHeader(dst []byte, tag byte, length int64) []byte {
	if length < 0x80 {
		return append(dst, tag, byte(length))
	}
	n := 1
	for length>>(8*n) != 0 {
		n++
	}
	dst = append(dst, tag, 0x80|byte(n))
	for n--; n >= 0; n-- {
		dst = append(dst, byte(length>>(8*n)))
	}
	return dst
}

// appendEntry encodes one element of revokedCertificates; check has judged it.
func appendEntry(dst []byte, e *Entry, issuer []byte) []byte {
	start := len(dst)
	// Entries nearly always fit a length of one octet.
	dst = append(dst, tagSequence, 0)
	serial := magnitude(e.Serial)
	if serial[0]&0x80 != 0 {
		dst = append(append(dst, tagInteger, byte(len(serial)+1), 0), serial...)
	} else {
		dst = append(append(dst, tagInteger, byte(len(serial))), serial...)
	}
	dst = appendDate(dst, e.Since)
	switch {
	case issuer != nil || !e.InvalidityDate.IsZero() && e.Reason == 0:
		dst = append(dst, entryExtensions(e, issuer)...)
	case e.Reason == 0:
		// RFC 5280, Section 5.3.1: an unspecified reason is left out.
	case e.InvalidityDate.IsZero():
		dst = append(append(dst, usualExtensions...), byte(e.Reason))
	default:
		// RFC 5280, Section 5.3.2: a GeneralizedTime in UTC.
		dst = append(append(append(dst, datedExtensions...), byte(e.Reason)), invalidityDate...)
		dst = appendTime(dst, e.InvalidityDate)
	}
	if n := len(dst) - start - 2; n < 0x80 {
		dst[start+1] = byte(n)
		return dst
	}
	contents := bytes.Clone(dst[start+2:])
	return append(appendHeader(dst[:start], tagSequence, int64(len(contents))), contents...)
}

// Bounds of times in lists, in seconds since 1970.
const (
	year1950  = -631152000
	year2050  = 2524608000
	endOf9999 = 253402300799
)

// appendDate appends a Time (RFC 5280, Section 5.1.2.6).
func appendDate(dst []byte, t time.Time) []byte {
	if second := t.Unix(); second >= year1950 && second < year2050 {
		at := len(dst)
		dst = appendTime(dst, t)
		// A UTCTime has no century: tag and length take its place.
		dst[at], dst[at+1] = tagUTCTime, 13
		return dst
	}
	return appendTime(append(dst, tagGeneralizedTime, 15), t)
}

// appendTime appends YYYYMMDDHHMMSSZ, much faster than time.Format.
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	for _, n := range [...]int{year / 100, year % 100, int(month), day, hour, minute, second} {
		dst = append(dst, byte('0'+n/10), byte('0'+n%10))
	}
	return append(dst, 'Z')
}

func entryExtensions(e *Entry, issuer []byte) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if e.Reason != 0 {
			der.AddExtension(b, pki.OIDReasonCode, false, func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(e.Reason)) })
		}
		if !e.InvalidityDate.IsZero() {
			// RFC 5280, Section 5.3.2: not critical, a GeneralizedTime in UTC.
			der.AddExtension(b, pki.OIDInvalidityDate, false, func(b *cryptobyte.Builder) { der.AddGeneralizedTime(b, e.InvalidityDate) })
		}
		if issuer != nil {
			// RFC 5280, Section 5.3.3: critical.
			der.AddExtension(b, oidCertificateIssuer, true, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(asn1.Tag(4).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddBytes(issuer) })
				})
			})
		}
	})
	return b.BytesOrPanic()
}

// check refuses an entry that the list may not have.
func (f *form) check(e *Entry) error {
	serial := magnitude(e.Serial)
	switch {
	case len(serial) == 0:
		return errors.New("the serial number is missing or zero")
	// RFC 5280, Section 4.1.2.2: an INTEGER of at most 20 octets, its sign bit
	// among them.
	case len(serial) > maxSerial || len(serial) == maxSerial && serial[0]&0x80 != 0:
		return errors.New("the serial number is longer than 20 octets")
	case !tellable(e.Since):
		return errors.New("the revocation date is missing")
	// A second is as exact as lists are.
	case e.Since.Unix() > f.thisUpdate.Unix():
		return fmt.Errorf("the revocation date %s is after thisUpdate", e.Since.UTC().Format(time.RFC3339))
	case !e.InvalidityDate.IsZero() && !tellable(e.InvalidityDate):
		return errors.New("the invalidity date cannot be told")
	case e.Reason == Removed && f.base != 0:
		return nil
	// RFC 5280, Section 5.3.1: 7 is not used, and removeFromCRL appears in delta
	// CRLs only.
	case e.Reason == Removed || !knownReason(e.Reason):
		return fmt.Errorf("reason %d does not belong on this list", e.Reason)
	}
	return nil
}

// magnitude returns a serial number without zeros in front.
func magnitude(serial []byte) []byte {
	for len(serial) > 0 && serial[0] == 0 {
		serial = serial[1:]
	}
	return serial
}

// tellable reports whether a list can name the time.
func tellable(t time.Time) bool { return t.Unix() >= year1950 && t.Unix() <= endOf9999 }

// compare orders entries by the octets of their serials as numbers without
// zeros in front, which is the register's order.
func compare(a, b []byte) int {
	if len(a) > 1 && a[0] == 0 {
		a = a[1:]
	}
	if len(b) > 1 && b[0] == 0 {
		b = b[1:]
	}
	return bytes.Compare(a, b)
}

// examine reads an encoded list to its end and refuses it when it is not what
// the form says, or holds other entries than those that tally counted.
func (f *form) examine(r *Reader, want tally, ordered bool) error {
	var got tally
	var last Entry
	seen := make(map[string]bool)
	for {
		e, err := r.Next()
		if err != nil {
			if err = f.examineTail(r); err != nil {
				return err
			}
			break
		}
		if e.Serial[0]&0x80 != 0 {
			return fmt.Errorf("its serial %x is negative", e.Serial)
		}
		if err := f.check(&e); err != nil {
			return fmt.Errorf("its entry of serial %x: %w", e.Serial, err)
		}
		if !slices.ContainsFunc(f.covered, func(of covered) bool { return bytes.Equal(of.name, e.Issuer) }) {
			return fmt.Errorf("its entry of serial %x names another issuer", e.Serial)
		}
		switch {
		case ordered && order(&last, &e) >= 0, !ordered && seen[string(e.Serial)]:
			return fmt.Errorf("its serial %x stands there twice or out of order", e.Serial)
		case !ordered:
			seen[string(e.Serial)] = true
		}
		last.Serial, last.Issuer = append(last.Serial[:0], e.Serial...), e.Issuer
		got.add(&e)
	}
	if got != want {
		return errors.New("its entries are not the given ones")
	}
	return nil
}

func (f *form) examineTail(r *Reader) error {
	algorithm := cryptobyte.NewBuilder(nil)
	pki.AddAlgorithm(algorithm, f.algorithm)
	switch {
	case r.err != io.EOF:
		return r.err
	case r.Version != 2 || !bytes.Equal(r.rawAlgorithm, algorithm.BytesOrPanic()):
		return errors.New("its version or algorithm is not the given one")
	case !bytes.Equal(r.RawIssuer, f.signer.RawSubject):
		return errors.New("its issuer is not the signer's subject")
	case !bytes.Equal(r.AuthorityKeyID, f.signer.SubjectKeyId):
		return errors.New("its authorityKeyIdentifier is not the signer's")
	case !r.ThisUpdate.Equal(f.thisUpdate) || !r.NextUpdate.Equal(f.nextUpdate):
		return errors.New("its dates are not the given ones")
	case r.CRLNumber == nil || !r.CRLNumber.IsUint64() || r.CRLNumber.Uint64() != f.number:
		return errors.New("its number is not the given one")
	case (r.Base != nil) != (f.base != 0) || r.Base != nil && (!r.Base.IsUint64() || r.Base.Uint64() != f.base):
		return errors.New("its base is not the given one")
	case !bytes.Equal(r.Scope.raw, f.scope):
		return errors.New("its scope is not the given one")
	case (len(r.Freshest) == 1) != (f.freshest != "" && f.base == 0) || len(r.Freshest) == 1 && r.Freshest[0] != f.freshest:
		return errors.New("its freshestCRL is not the given one")
	case !r.ExpiredSince.Equal(f.expiredSince.UTC().Truncate(time.Second)):
		return errors.New("its expiredCertsOnCRL is not the given one")
	case len(r.Unknown)+len(r.critical)+len(r.noncritical) > 0:
		return fmt.Errorf("extensions %v are critical or not as they should not be", append(append([]encoding_asn1.ObjectIdentifier{}, r.critical...), r.noncritical...))
	}
	return nil
}

// tally tells two sets of entries apart: how many there are, and a sum over
// what they say. It guards the encoder against itself and nobody else.
type tally struct {
	entries int
	sum     uint64
}

func (t *tally) add(e *Entry) {
	const prime = 0x9e3779b97f4a7c15
	h := uint64(e.Since.Unix())<<8 ^ uint64(e.Reason)
	if !e.InvalidityDate.IsZero() {
		h = h*prime ^ uint64(e.InvalidityDate.Unix())
	}
	serial := magnitude(e.Serial)
	for ; len(serial) >= 8; serial = serial[8:] {
		h = (h ^ binary.BigEndian.Uint64(serial)) * prime
		h ^= h >> 29
	}
	for _, octet := range serial {
		h = (h ^ uint64(octet)) * prime
	}
	for _, octet := range e.Issuer {
		h = (h ^ uint64(octet)) * prime
	}
	t.entries++
	t.sum += h ^ h>>29
}
