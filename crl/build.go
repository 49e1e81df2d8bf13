package crl

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// maxSerial is the length in octets that a serial number may have (RFC 5280,
// Section 4.1.2.2), its sign bit included.
const maxSerial = 20

// toBeSigned encodes the TBSCertList (RFC 5280, Section 5.1) that says s in
// the name of issuer.
func toBeSigned(issuer *x509.Certificate, algorithm pki.Algorithm, s Snapshot, validity time.Duration) ([]byte, error) {
	thisUpdate := s.At.UTC().Truncate(time.Second)
	if err := checkEntries(s.Entries, thisUpdate); err != nil {
		return nil, err
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, 512+64*len(s.Entries)))
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		// RFC 5280, Section 5.1.2.1: v2, as extensions are used.
		b.AddASN1Int64(1)
		// RFC 5280, Section 5.1.2.2: the same identifier as in the outer field.
		pki.AddAlgorithm(b, algorithm)
		// RFC 5280, Section 5.1.2.3: encoded as the certificate encodes it, so
		// that names compare octet by octet.
		b.AddBytes(issuer.RawSubject)
		der.AddTime(b, thisUpdate)
		// RFC 5280, Section 5.1.2.5: nextUpdate must be there.
		der.AddTime(b, thisUpdate.Add(validity))
		// RFC 5280, Section 5.1.2.6: an empty list is absent, not empty.
		if len(s.Entries) > 0 {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for i := range s.Entries {
					addEntry(b, &s.Entries[i])
				}
			})
		}
		b.AddASN1(asn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				// RFC 5280, Section 5.2.1: the key identifier method is required.
				der.AddExtension(b, pki.OIDAuthorityKeyIdentifier, false, func(b *cryptobyte.Builder) {
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1(asn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) {
							b.AddBytes(issuer.SubjectKeyId)
						})
					})
				})
				// RFC 5280, Section 5.2.3: in every list, not critical.
				der.AddExtension(b, pki.OIDCRLNumber, false, func(b *cryptobyte.Builder) {
					b.AddASN1Uint64(s.Number)
				})
			})
		})
	})
	return b.Bytes()
}

// addEntry writes one element of revokedCertificates; checkEntries has judged
// it.
func addEntry(b *cryptobyte.Builder, e *x509.RevocationListEntry) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(e.SerialNumber)
		der.AddTime(b, e.RevocationTime)
		// RFC 5280, Section 5.3.1: an unspecified reason is left out.
		if e.ReasonCode == 0 && len(e.ExtraExtensions) == 0 {
			return
		}
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			if e.ReasonCode != 0 {
				der.AddExtension(b, pki.OIDReasonCode, false, func(b *cryptobyte.Builder) {
					b.AddASN1Enum(int64(e.ReasonCode))
				})
			}
			for _, extra := range e.ExtraExtensions {
				der.AddExtension(b, extra.Id, false, func(b *cryptobyte.Builder) { b.AddBytes(extra.Value) })
			}
		})
	})
}

// checkEntries refuses entries that a complete list may not have.
func checkEntries(entries []x509.RevocationListEntry, thisUpdate time.Time) error {
	seen := make(map[[maxSerial]byte]struct{}, len(entries))
	for i := range entries {
		e := &entries[i]
		if err := checkEntry(e, thisUpdate); err != nil {
			return fmt.Errorf("entry of serial %x: %w", e.SerialNumber, err)
		}
		var serial [maxSerial]byte
		e.SerialNumber.FillBytes(serial[:])
		if _, twice := seen[serial]; twice {
			return fmt.Errorf("entry of serial %x: the serial is on the list twice", e.SerialNumber)
		}
		seen[serial] = struct{}{}
	}
	return nil
}

func checkEntry(e *x509.RevocationListEntry, thisUpdate time.Time) error {
	switch {
	case e.SerialNumber == nil || e.SerialNumber.Sign() <= 0:
		return errors.New("the serial number is missing or not positive")
	// RFC 5280, Section 4.1.2.2: an INTEGER of at most 20 octets, its sign bit
	// among them.
	case e.SerialNumber.BitLen() >= 8*maxSerial:
		return errors.New("the serial number is longer than 20 octets")
	case e.RevocationTime.UTC().Year() < 1950:
		return errors.New("the revocation date is missing")
	case e.RevocationTime.UTC().Truncate(time.Second).After(thisUpdate):
		return fmt.Errorf("the revocation date %s is after thisUpdate", e.RevocationTime.UTC().Format(time.RFC3339))
	case len(e.Extensions) > 0:
		return errors.New("extensions belong into ExtraExtensions")
	}
	switch e.ReasonCode {
	case 0, 1, 2, 3, 4, 5, 6, 9, 10:
	// RFC 5280, Section 5.3.1: 7 is not used, and removeFromCRL appears in delta
	// CRLs only.
	default:
		return fmt.Errorf("reason %d does not belong on a complete list", e.ReasonCode)
	}
	for i, extra := range e.ExtraExtensions {
		if i > 0 {
			return errors.New("it has more than one extra extension")
		}
		if err := checkExtra(extra); err != nil {
			return err
		}
	}
	return nil
}

// checkExtra allows one extension beside the reason. RFC 5280, Section 5.3.2:
// invalidityDate is not critical, and a GeneralizedTime in UTC with seconds and
// without fractions. RFC 5280, Section 5.3.3: certificateIssuer belongs to
// indirect lists, which are not made here.
func checkExtra(extra pkix.Extension) error {
	if !extra.Id.Equal(pki.OIDInvalidityDate) {
		return fmt.Errorf("extension %v does not belong on a complete list", extra.Id)
	}
	s := cryptobyte.String(extra.Value)
	var t time.Time
	if extra.Critical || !der.ReadTime(&s, &t) || !s.Empty() {
		return errors.New("invalidityDate is malformed or critical")
	}
	return nil
}

// InvalidityDate returns the entry extension of RFC 5280, Section 5.3.2, for
// the ExtraExtensions of an entry.
func InvalidityDate(t time.Time) pkix.Extension {
	b := cryptobyte.NewBuilder(nil)
	der.AddGeneralizedTime(b, t)
	return pkix.Extension{Id: pki.OIDInvalidityDate, Value: b.BytesOrPanic()}
}

// number returns a parsed list's number, which must be one that this package
// could have given.
func number(n *big.Int) (uint64, error) {
	if n == nil || !n.IsUint64() {
		return 0, errors.New("the list's number is missing or has more than 64 bits")
	}
	return n.Uint64(), nil
}
