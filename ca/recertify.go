package ca

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"time"
)

// Cross-certificates and link certificates say once more what another
// certificate says: this name has this key. The name goes over octet for octet,
// since relying parties compare it so, and the key is proven by the signature
// that it made on its own certificate.
//
// Link certificates carry relying parties over a change of an authority's key
// (RFC 4210, Section 4.4): "new with old" for those who know the old key only,
// "old with new" for those who start with the new one. They are self-issued and
// not self-signed (RFC 5280, Section 3.2).

// recertify returns the key of an authority that may be certified again, nil
// when it may not.
func (i *issuer) recertify(authority *x509.Certificate, r *refusal) crypto.PublicKey {
	bad := func(detail, clause string) crypto.PublicKey {
		r.add(CodeInvalid, "authority", detail, clause)
		return nil
	}
	if !authority.BasicConstraintsValid || !authority.IsCA || authority.KeyUsage&x509.KeyUsageCertSign == 0 {
		return bad("is not the certificate of an authority", "RFC 5280, Section 4.2.1.9")
	}
	if !selfIssued(authority) || authority.CheckSignature(authority.SignatureAlgorithm, authority.RawTBSCertificate, authority.Signature) != nil {
		return bad("is not self-signed, so nothing proves that its key is held", "RFC 4210, Section 4.3")
	}
	// The key is written as this program encodes it, and has to stay the same
	// octets: relying parties find it by a hash of them.
	if spki, err := x509.MarshalPKIXPublicKey(authority.PublicKey); err != nil || !bytes.Equal(spki, authority.RawSubjectPublicKeyInfo) {
		return bad("holds a key in an unusual encoding", "")
	}
	if bytes.Equal(authority.RawSubjectPublicKeyInfo, i.Certificate.RawSubjectPublicKeyInfo) {
		return bad("has the issuer's own key", "RFC 5280, Section 3.2")
	}
	return authority.PublicKey
}

// inAdvance is how far ahead a validity may begin.
const inAdvance = 5 * 365 * 24 * time.Hour

// validity returns the first and the last second of what the request asks for.
func (i *issuer) validity(request *Request, profile *Profile, now time.Time, r *refusal) (notBefore, notAfter time.Time) {
	notBefore = now.UTC().Truncate(time.Second)
	if at := request.NotBefore; !at.IsZero() {
		if at.Before(now.Add(-tolerance)) || at.After(now.Add(inAdvance)) {
			r.add(CodeInvalid, "not_before", "is in the past or more than five years ahead: nothing is back-dated", "")
		}
		notBefore = at.UTC().Truncate(time.Second)
	}
	notAfter = profile.Validity.end(notBefore)
	if at := request.NotAfter; !at.IsZero() {
		if at.After(notAfter) || i.Certificate != nil && at.After(i.Certificate.NotAfter) {
			r.add(CodeInvalid, "not_after", "is later than the profile or the issuer's own end allows", "")
		}
		notAfter = at.UTC().Truncate(time.Second)
	}
	limit := func(c *x509.Certificate) {
		if notAfter.After(c.NotAfter) {
			notAfter = c.NotAfter
		}
	}
	if c := i.Certificate; c != nil {
		if now.Before(c.NotBefore) || !now.Before(c.NotAfter) {
			r.add(CodeIssuerExpired, "issuer", "is outside the validity of its own certificate", "")
		}
		limit(c)
	}
	if c := request.Authority; c != nil && profile.Cross {
		limit(c)
		if bytes.Equal(c.RawSubject, i.name) {
			// RFC 4210, Section 4.4: a link is valid from the making of the key
			// that it certifies.
			notBefore = c.NotBefore
		}
	}
	if len(r.err.Fields) == 0 && !notAfter.After(notBefore) {
		r.add(CodeInvalid, "not_after", "leaves no time in which the certificate would be valid", "RFC 5280, Section 4.1.2.5")
	}
	return notBefore, notAfter
}
