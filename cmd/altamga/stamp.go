package main

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/digitorus/timestamp"
)

// stamps asks for and checks time-stamps of other authorities, whose tokens may
// look otherwise than our own (RFC 3161).
type stamps struct{}

// Request returns a request over a SHA-256 hash, with a nonce of 8 octets and
// the wish for the signer's certificate.
func (stamps) Request(hash [32]byte) ([]byte, error) {
	nonce := make([]byte, 8)
	rand.Read(nonce) // never fails
	nonce[0] |= 0x40 // positive, and of full length
	nonce[0] &= 0x7f
	request := timestamp.Request{HashAlgorithm: crypto.SHA256, HashedMessage: hash[:], Certificates: true, Nonce: new(big.Int).SetBytes(nonce)}
	return request.Marshal()
}

// Check verifies that the response is a token over the hash that answers the
// request, signed by a certificate for time-stamping from under the roots.
func (stamps) Check(hash [32]byte, request, response []byte, roots []*x509.Certificate) (time.Time, error) {
	asked, err := timestamp.ParseRequest(request)
	if err != nil {
		return time.Time{}, fmt.Errorf("parsing time-stamp request: %w", err)
	}
	// It verifies the token's signature by a certificate in the token.
	token, err := timestamp.ParseResponse(response)
	if err != nil {
		return time.Time{}, fmt.Errorf("parsing time-stamp response: %w", err)
	}
	switch {
	case token.HashAlgorithm != crypto.SHA256 || !bytes.Equal(token.HashedMessage, hash[:]) || !bytes.Equal(asked.HashedMessage, hash[:]):
		return time.Time{}, errors.New("it is over another hash")
	// RFC 3161, Section 2.4.2: the nonce comes back as it was sent.
	case asked.Nonce == nil || token.Nonce == nil || asked.Nonce.Cmp(token.Nonce) != 0:
		return time.Time{}, errors.New("it answers another request: the nonce differs")
	}
	return token.Time, checkStampSigner(token, roots)
}

// checkStampSigner judges the certificates of a token. One of them signed it,
// and the library does not say which: so every one must come from under the
// roots, and exactly one be not an authority's.
func checkStampSigner(token *timestamp.Timestamp, roots []*x509.Certificate) error {
	trusted, between := x509.NewCertPool(), x509.NewCertPool()
	for _, root := range roots {
		trusted.AddCert(root)
	}
	for _, certificate := range token.Certificates {
		between.AddCert(certificate)
	}
	signers := 0
	for _, certificate := range token.Certificates {
		// Judged at the time of the token: the certificate ends, the token stays.
		if _, err := certificate.Verify(x509.VerifyOptions{Roots: trusted, Intermediates: between, CurrentTime: token.Time,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}}); err != nil {
			return fmt.Errorf("verifying the certificate of %s: %w", certificate.Subject, err)
		}
		if certificate.IsCA {
			continue
		}
		signers++
		// RFC 3161, Section 2.3: time-stamping and nothing else.
		if len(certificate.ExtKeyUsage) != 1 || certificate.ExtKeyUsage[0] != x509.ExtKeyUsageTimeStamping || len(certificate.UnknownExtKeyUsage) > 0 {
			return fmt.Errorf("the certificate of %s is not for time-stamping alone", certificate.Subject)
		}
	}
	if signers != 1 {
		return fmt.Errorf("it carries %d signers' certificates", signers)
	}
	return nil
}
