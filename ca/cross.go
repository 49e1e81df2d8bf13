package ca

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"time"
)

// otherAuthority checks the certificate of the authority that a
// cross-certificate is for and returns its key, nil when it is refused.
//
// RFC 5280, Section 3.2: a cross-certificate's issuer and subject are different
// authorities; Section 4.2.1.2: its key identifier is the one that the other
// authority's own certificates refer to.
func (p *Profile) otherAuthority(request *Request, by *issuer, r *refusal) crypto.PublicKey {
	bad := func(detail, clause string) crypto.PublicKey {
		r.add(CodeInvalid, "authority", detail, clause)
		return nil
	}
	c, now := request.Authority, time.Now()
	switch {
	case c == nil:
		return bad("is missing: a cross-certificate is for the authority of a certificate", "RFC 5280, Section 3.2")
	case request.PublicKey != nil:
		return bad("stands beside a public key", "")
	case !c.BasicConstraintsValid || !c.IsCA:
		return bad("is not the certificate of an authority", "RFC 5280, Section 4.2.1.9")
	case c.KeyUsage&x509.KeyUsageCertSign == 0:
		return bad("may not sign certificates", "RFC 5280, Section 4.2.1.3")
	case len(c.SubjectKeyId) == 0:
		return bad("has no subject key identifier", "RFC 5280, Section 4.2.1.2")
	case now.Before(c.NotBefore) || !now.Before(c.NotAfter):
		return bad("is outside its validity", "RFC 5280, Section 4.1.2.5")
	case bytes.Equal(c.RawSubjectPublicKeyInfo, by.Certificate.RawSubjectPublicKeyInfo):
		return bad("has the issuer's own key", "RFC 5280, Section 3.2")
	case len(c.Subject.Names) == 0:
		return bad("has no name", "RFC 5280, Section 4.1.2.6")
	}
	if request.CSR == nil && c.CheckSignatureFrom(c) != nil {
		return bad("is not self-signed, so a certification request must prove that its key is held", "RFC 2986, Section 4")
	}
	if request.CSR != nil {
		proof, err := readCSR(request.CSR)
		if err != nil {
			r.add(CodeBadCSR, "csr", err.Error(), "RFC 2986, Section 4")
			return nil
		}
		if key, ok := proof.public.(interface{ Equal(crypto.PublicKey) bool }); !ok || !key.Equal(c.PublicKey) {
			r.add(CodeBadCSR, "csr", "is of another key than the authority's", "RFC 2986, Section 4")
			return nil
		}
	}
	return c.PublicKey
}
