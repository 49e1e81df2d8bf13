package interop

import (
	"crypto/x509"
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/brainpool"
	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/gost"
	"github.com/altamga/altamga/internal/pki"
)

const unverifiable = "the issuer's signature is not verifiable by this build: "

// signed reports whether the key signed the certificate. A doubt is why that
// cannot be told.
func (f *Facts) signed(c *Facts) (doubt string, ok bool) {
	if gost.Known(f.SPKI) {
		switch err := gost.CheckSignature(c.Raw, f.SPKI); err {
		case nil:
			return "", true
		case gost.ErrSignature:
			return "", false
		default:
			return "the issuer's signature is " + err.Error(), true
		}
	}
	e, ok := readEnvelope(c.Raw)
	if !ok {
		return unverifiable + "the certificate is not the DER of one", true
	}
	switch key := f.Key().(type) {
	case nil:
		return unverifiable + "it has no arithmetic for the issuer's key", true
	case *brainpool.PublicKey:
		if good, known := key.CheckSignature(e.algorithm, e.signed, e.signature); known {
			return "", good
		}
	default:
		if c.Parsed != nil {
			return "", f.Parsed.CheckSignature(c.Parsed.SignatureAlgorithm, e.signed, e.signature) == nil
		}
		if algorithm := e.known(); algorithm != x509.UnknownSignatureAlgorithm {
			return "", f.Parsed.CheckSignature(algorithm, e.signed, e.signature) == nil
		}
	}
	return unverifiable + "its algorithm is " + e.algorithm.ID.String(), true
}

// envelope is a certificate around what is signed of it.
type envelope struct {
	signed, signature []byte
	algorithm         pki.Algorithm
}

// readEnvelope reads the form that RFC 5280, Section 4.1 gives a certificate,
// whatever stands in it.
func readEnvelope(raw []byte) (e envelope, ok bool) {
	outer, ok := der.Whole(raw, cryptobyte_asn1.SEQUENCE)
	ok = ok && outer.ReadASN1Element((*cryptobyte.String)(&e.signed), cryptobyte_asn1.SEQUENCE) && pki.ReadAlgorithm(&outer, &e.algorithm) &&
		outer.ReadASN1BitStringAsBytes(&e.signature) && outer.Empty()
	return e, ok
}

// known names the algorithm in the words of crypto/x509, for certificates whose
// keys that package does not read.
func (e *envelope) known() x509.SignatureAlgorithm {
	for _, one := range []struct {
		id        asn1.ObjectIdentifier
		algorithm x509.SignatureAlgorithm
	}{
		{pki.OIDSHA256WithRSA, x509.SHA256WithRSA}, {pki.OIDSHA384WithRSA, x509.SHA384WithRSA}, {pki.OIDSHA512WithRSA, x509.SHA512WithRSA},
		{pki.OIDECDSAWithSHA256, x509.ECDSAWithSHA256}, {pki.OIDECDSAWithSHA384, x509.ECDSAWithSHA384}, {pki.OIDECDSAWithSHA512, x509.ECDSAWithSHA512},
	} {
		if one.id.Equal(e.algorithm.ID) {
			return one.algorithm
		}
	}
	return x509.UnknownSignatureAlgorithm
}
