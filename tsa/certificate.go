package tsa

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// checkCertificate reports why the certificate, its chain or its key cannot
// make time-stamp tokens. It does not look at validity, which is judged for
// every token.
func checkCertificate(certificate *x509.Certificate, chain []*x509.Certificate, key crypto.Signer) error {
	var errs []error
	if err := pki.CheckKeyPair(certificate, key); err != nil {
		errs = append(errs, err)
	}
	if certificate.SerialNumber.Sign() <= 0 {
		errs = append(errs, errors.New("the certificate's serial number is not positive"))
	}
	if certificate.IsCA {
		errs = append(errs, errors.New("the certificate is a CA's"))
	}
	errs = append(errs, checkPurpose(certificate))
	issued := certificate
	for i, c := range chain {
		if bytes.Equal(c.RawSubject, c.RawIssuer) && c.CheckSignatureFrom(c) == nil {
			errs = append(errs, fmt.Errorf("chain[%d] is a root, which verifiers have already", i))
		}
		if err := issued.CheckSignatureFrom(c); err != nil {
			errs = append(errs, fmt.Errorf("chain[%d] is not the issuer of the certificate before it: %w", i, err))
		}
		issued = c
	}
	return errors.Join(errs...)
}

// checkPurpose reports whether the certificate is for time-stamping and for
// nothing else.
func checkPurpose(certificate *x509.Certificate) error {
	// RFC 3161, Section 2.3: the certificate MUST contain only one instance of
	// the extended key usage extension, with the only purpose
	// id-kp-timeStamping, and the extension MUST be critical. The key is
	// reserved for time-stamping, so anyExtendedKeyUsage does not do either.
	if len(certificate.UnknownExtKeyUsage) > 0 || len(certificate.ExtKeyUsage) != 1 || certificate.ExtKeyUsage[0] != x509.ExtKeyUsageTimeStamping {
		return errors.New("the certificate's extended key usage is not timeStamping alone")
	}
	for _, e := range certificate.Extensions {
		if e.Id.Equal(pki.OIDExtKeyUsage) && !e.Critical {
			return errors.New("the certificate's extended key usage is not critical")
		}
	}
	const signing = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	if certificate.KeyUsage&signing == 0 || certificate.KeyUsage&^signing != 0 {
		return errors.New("the certificate's key usage is not digitalSignature or nonRepudiation alone")
	}
	return nil
}

// period is a stretch of time, both ends within it. A zero end is open.
type period struct{ from, to time.Time }

func (p period) contains(t time.Time) bool {
	return (p.from.IsZero() || !t.Before(p.from)) && (p.to.IsZero() || !t.After(p.to))
}

// Usable returns when the key of a unit's certificate may make tokens, both
// moments included.
func Usable(certificate *x509.Certificate) (from, to time.Time, err error) {
	p, err := usable(certificate)
	return p.from, p.to, err
}

// usable returns when the certificate's key may make tokens: its validity, cut
// to the private-key usage period when it has one.
func usable(certificate *x509.Certificate) (period, error) {
	p := period{certificate.NotBefore, certificate.NotAfter}
	for _, e := range certificate.Extensions {
		if !e.Id.Equal(oidPrivateKeyUsagePeriod) {
			continue
		}
		usage, err := parseUsagePeriod(e.Value)
		if err != nil {
			return period{}, err
		}
		if usage.from.After(p.from) {
			p.from = usage.from
		}
		if !usage.to.IsZero() && usage.to.Before(p.to) {
			p.to = usage.to
		}
	}
	return p, nil
}

// parseUsagePeriod reads a PrivateKeyUsagePeriod (RFC 5280, Appendix A.2): two
// IMPLICIT GeneralizedTime, of which at least one is present.
func parseUsagePeriod(value []byte) (period, error) {
	malformed := errors.New("the certificate's privateKeyUsagePeriod is malformed")
	s, ok := der.Whole(value, cryptobyte_asn1.SEQUENCE)
	if !ok || s.Empty() {
		return period{}, malformed
	}
	var p period
	for i, end := range []*time.Time{&p.from, &p.to} {
		tag := cryptobyte_asn1.Tag(i).ContextSpecific()
		if !s.PeekASN1Tag(tag) {
			continue
		}
		var text cryptobyte.String
		if !s.ReadASN1(&text, tag) {
			return period{}, malformed
		}
		t, err := time.Parse("20060102150405Z", string(text))
		if err != nil || len(text) != len("20060102150405Z") {
			return period{}, malformed
		}
		*end = t
	}
	if !s.Empty() {
		return period{}, malformed
	}
	return p, nil
}
