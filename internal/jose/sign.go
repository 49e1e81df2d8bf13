package jose

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/altamga/altamga/internal/pki"
)

// Request is what [Sign] signs, and how.
type Request struct {
	// Payload is JSON.
	Payload []byte
	// Key signs; Certificate is its certificate, and Chain goes with it into the
	// header.
	Key         crypto.Signer
	Certificate *x509.Certificate
	Chain       []*x509.Certificate
	// Time is the signing time, within the certificate's validity.
	Time time.Time
	// PSS makes RSA keys sign with RSASSA-PSS.
	PSS bool
}

// Sign returns the payload as a JWS in compact serialization (RFC 7515, Section
// 7.1) with the header of JAdES-BASELINE-B (ETSI TS 119 182-1, Section 6.3). The
// same request and an ECDSA or PKCS #1 key make the same octets. What is
// returned was verified.
func Sign(r Request) ([]byte, error) {
	if err := pki.CheckKeyPair(r.Certificate, r.Key); err != nil {
		return nil, err
	}
	if _, err := Parse(r.Payload); err != nil {
		return nil, fmt.Errorf("reading the payload: %w", err)
	}
	name, err := algorithmFor(r.Key.Public(), r.PSS)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(r.Certificate.Raw)
	var chain []string
	for _, c := range append([]*x509.Certificate{r.Certificate}, r.Chain...) {
		chain = append(chain, base64.StdEncoding.EncodeToString(c.Raw))
	}
	header, err := json.Marshal(struct {
		Algorithm   string   `json:"alg"`
		ContentType string   `json:"cty"`
		Hash        string   `json:"x5t#S256"`
		Chain       []string `json:"x5c"`
		Time        int64    `json:"iat"`
	}{name, "json", base64.RawURLEncoding.EncodeToString(hash[:]), chain, r.Time.Unix()})
	if err != nil {
		return nil, err
	}
	input := bytes.Join([][]byte{encode(header), encode(r.Payload)}, []byte("."))
	scheme := pki.PKCS1
	if r.PSS {
		scheme = pki.PSS
	}
	value, err := pki.SignRaw(r.Key, input, scheme)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	out := bytes.Join([][]byte{input, encode(value)}, []byte("."))
	pinned := Signer{r.Certificate.Raw, r.Certificate.PublicKey, r.Certificate.NotBefore, r.Certificate.NotAfter}
	if _, err := Verify(out, []Signer{pinned}); err != nil {
		return nil, fmt.Errorf("verifying the new signature: %w", err)
	}
	return out, nil
}

func encode(data []byte) []byte {
	return base64.RawURLEncoding.AppendEncode(nil, data)
}
