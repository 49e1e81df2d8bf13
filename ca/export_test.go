package ca

import (
	"crypto/x509"
	"slices"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki/lint"
)

// ReadCSR is readCSR for the fuzz target.
func ReadCSR(raw []byte) ([]der.Extension, error) {
	request, err := readCSR(raw)
	if err != nil {
		return nil, err
	}
	return request.extensions, nil
}

// Compare holds what our lints read in a certificate to what the standard
// library's parser read in another.
func Compare(raw []byte, other *x509.Certificate) error {
	read, _ := lint.Read(raw, nil)
	meant := toBeSigned{
		serial: other.SerialNumber, issuer: other.RawIssuer, notBefore: other.NotBefore, notAfter: other.NotAfter,
		subject: other.RawSubject, spki: other.RawSubjectPublicKeyInfo, keyID: other.SubjectKeyId,
	}
	return meant.check(&read)
}

// Inspect is inspect for certificates of an issuer.
func (a *Authority) Inspect(issuer, profile string, c *x509.Certificate, keyID []byte) error {
	p, _ := a.config.Profiles.Lookup(profile)
	return p.inspect(c, a.issuers[issuer], keyID)
}

// ReadSAN and AppendSAN are readSAN and appendSAN for the fuzz target.
var ReadSAN, AppendSAN = readSAN, appendSAN

// HasOther reports whether a name is of a kind that no profile knows.
func HasOther(names []generalName) bool {
	return slices.ContainsFunc(names, func(n generalName) bool { return n.kind == "other" })
}
