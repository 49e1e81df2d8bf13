package tsa

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
)

// Policy is a policy that tokens can be had under, and what it promises.
type Policy struct {
	ID asn1.ObjectIdentifier
	// Accuracy is stated in every token, in whole microseconds up to a second;
	// 0 means a second. It has to cover what cutting the time to Fraction takes
	// away and the clock's own difference from UTC.
	Accuracy time.Duration
	// Fraction is the number of decimal digits of a second in genTime, 0 to 6.
	// With 0, RFC 3161's recommendation, genTime is the second that is proven to
	// be within Accuracy of UTC, the last one or the next: a clock must be within
	// half a second then for there to be one always. 3 leaves it 999 ms.
	Fraction int
	// Ordering promises that the tokens of this authority can be ordered by
	// genTime alone, whatever the accuracy. It needs a Fraction of at least 3,
	// since no two tokens then have the same time, and an authority that is
	// one process alone. ETSI EN 319 422, Section 5.2 does not want it.
	Ordering bool
	// Name puts the subject of the unit's certificate into the tsa field.
	Name bool
	// Qualified states that the token is a qualified electronic time stamp
	// (ETSI EN 319 422, Section 9.1).
	Qualified bool
	// SHA1 also stamps SHA-1 imprints, which ETSI TS 119 312 no longer lists.
	SHA1 bool
}

// check sets the defaults and reports what is wrong.
func (p *Policy) check() error {
	var errs []error
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1ObjectIdentifier(p.ID)
	if _, err := b.Bytes(); err != nil {
		errs = append(errs, fmt.Errorf("policy %v is not an object identifier", p.ID))
	}
	if p.Accuracy == 0 {
		p.Accuracy = time.Second
	}
	// ETSI EN 319 422, Section 5.2: the accuracy is present and at most a second.
	if p.Accuracy < time.Microsecond || p.Accuracy > time.Second || p.Accuracy%time.Microsecond != 0 {
		errs = append(errs, fmt.Errorf("accuracy %v is not between 1µs and 1s in whole microseconds", p.Accuracy))
	}
	if p.Fraction < 0 || p.Fraction > 6 {
		errs = append(errs, fmt.Errorf("a fraction of %d digits is not between 0 and 6", p.Fraction))
	} else if p.Accuracy < resolution(p.Fraction) {
		errs = append(errs, fmt.Errorf("accuracy %v is finer than genTime with %d digits of a second", p.Accuracy, p.Fraction))
	}
	if p.Ordering && p.Fraction < 3 {
		errs = append(errs, errors.New("ordering needs a fraction of at least 3 digits"))
	}
	// ETSI EN 319 422, Section 5.2: ordering is absent or false.
	if p.Ordering && p.Qualified {
		errs = append(errs, errors.New("a qualified policy cannot have ordering"))
	}
	return errors.Join(errs...)
}

// resolution is the length of the last of n digits of a second.
func resolution(n int) time.Duration {
	d := time.Second
	for range n {
		d /= 10
	}
	return d
}

// addExtensions writes the extensions of a policy's tokens, nothing when there
// are none.
//
// ETSI EN 319 422, Section 9.1: a qualified time stamp has the extension
// qcStatements, not critical, with the statement esi4-qtstStatement-1 and
// without further information.
func addExtensions(b *cryptobyte.Builder, qualified bool) {
	if !qualified {
		return
	}
	b.AddASN1(tagInfoExtensions, func(b *cryptobyte.Builder) {
		der.AddExtension(b, oidQCStatements, false, func(b *cryptobyte.Builder) {
			b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) { // QCStatements
				b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) { // QCStatement
					b.AddASN1ObjectIdentifier(oidQualifiedTimeStamp)
				})
			})
		})
	})
}

// readInfoExtensions reads what addExtensions writes.
func readInfoExtensions(s *cryptobyte.String) bool {
	var got cryptobyte.String
	if !s.ReadASN1Element(&got, tagInfoExtensions) {
		return false
	}
	want := cryptobyte.NewBuilder(nil)
	addExtensions(want, true)
	return string(got) == string(want.BytesOrPanic())
}
