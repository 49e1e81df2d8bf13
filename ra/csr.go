package ra

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/internal/problem"
)

const (
	// maxCSR bounds a request for signature, in octets of DER: one with the
	// largest key has a third of that. maxCSRText bounds it in PEM.
	maxCSR     = 16 << 10
	maxCSRText = maxCSR*3/2 + 256
	// maxRSABits bounds an RSA modulus: checking a signature costs the square
	// of its length.
	maxRSABits = 8192
)

// issueRequest holds the applicant's requests for signature, in PEM.
type issueRequest struct {
	Signature string `json:"csr_signature"`
	// Authentication is optional: then one certificate is issued.
	Authentication string `json:"csr_authentication"`
}

// check names the fields that are wrong. The authority checks the keys again,
// by its own rules and more of them; what is found here costs it no question.
func (q *issueRequest) check() []problem.Field {
	var wrong []problem.Field
	signature, err := parseCSR(q.Signature)
	if err != nil {
		wrong = append(wrong, problem.Field{Field: "csr_signature", Detail: err.Error(), Clause: "RFC 2986, Section 4.2"})
	}
	if q.Authentication == "" {
		return wrong
	}
	authentication, err := parseCSR(q.Authentication)
	switch {
	case err != nil:
		wrong = append(wrong, problem.Field{Field: "csr_authentication", Detail: err.Error(), Clause: "RFC 2986, Section 4.2"})
	case signature != nil && string(signature.RawSubjectPublicKeyInfo) == string(authentication.RawSubjectPublicKeyInfo):
		wrong = append(wrong, problem.Field{Field: "csr_authentication", Detail: "has the key of csr_signature; each certificate needs a key of its own"})
	}
	return wrong
}

// parseCSR reads a request for signature and checks that it proves possession
// of its key.
func parseCSR(text string) (*x509.CertificateRequest, error) {
	if text == "" {
		return nil, errors.New("is missing")
	}
	if len(text) > maxCSRText {
		return nil, fmt.Errorf("is larger than %d octets", maxCSR)
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE REQUEST" || strings.TrimSpace(string(rest)) != "" {
		return nil, errors.New("is not one CERTIFICATE REQUEST in PEM")
	}
	if len(block.Bytes) > maxCSR {
		return nil, fmt.Errorf("is larger than %d octets", maxCSR)
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, errors.New("is not a PKCS#10 request")
	}
	// The key is bounded before it is used: it is the sender's choice how much
	// work checking a signature with it is.
	if key, ok := csr.PublicKey.(*rsa.PublicKey); ok {
		switch {
		case key.N.BitLen() > maxRSABits:
			return nil, fmt.Errorf("has an RSA key of %d bits, and at most %d are allowed", key.N.BitLen(), maxRSABits)
		case key.E&1 == 0 || key.E < 3 || key.E > math.MaxInt32:
			return nil, errors.New("has an RSA key whose public exponent is even, or not between 3 and 2147483647")
		}
	}
	switch csr.SignatureAlgorithm {
	case x509.SHA1WithRSA, x509.ECDSAWithSHA1:
		// ETSI TS 119 312, Section 8.4.
		return nil, errors.New("is signed with SHA-1, which is not accepted")
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, errors.New("does not prove possession of its key: the signature is wrong")
	}
	if _, _, err := pki.SignatureAlgorithm(csr.PublicKey); err != nil {
		return nil, fmt.Errorf("has a key that is not allowed: %w", err)
	}
	return csr, nil
}

// reused names the requests whose key is that of one of the application's
// revoked certificates: asking for it again would lead to that certificate.
func (q *issueRequest) reused(void []*Void) []problem.Field {
	var wrong []problem.Field
	for _, given := range []struct{ field, text string }{{"csr_signature", q.Signature}, {"csr_authentication", q.Authentication}} {
		csr, err := parseCSR(given.text)
		if err != nil {
			continue
		}
		for _, v := range void {
			if c, err := parseCertificate(v.Certificate); err == nil && string(c.RawSubjectPublicKeyInfo) == string(csr.RawSubjectPublicKeyInfo) {
				wrong = append(wrong, problem.Field{Field: given.field, Detail: "has the key of a certificate of this application that was revoked: a new key is needed"})
				break
			}
		}
	}
	return wrong
}
