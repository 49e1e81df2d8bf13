package ceremony

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"

	"github.com/altamga/altamga/internal/pki"
)

// statement is the text that a person or key puts its signature under: what it
// is a signature for, then one line for each word, none of which holds a line's
// end. No two statements share a text.
func statement(purpose string, words ...string) []byte {
	text := "altamga ceremony " + purpose + "\n"
	for _, word := range words {
		text += word + "\n"
	}
	return []byte(text)
}

// signStatement signs with the algorithm that the key's kind has everywhere in
// this module, so that openssl can check it, too.
func signStatement(key crypto.Signer, text []byte) ([]byte, error) {
	return pki.Sign(rand.Reader, key, text)
}

// spki encodes a public key.
func spki(public crypto.PublicKey) ([]byte, error) {
	encoded, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("encoding public key: %w", err)
	}
	return encoded, nil
}

// parsePublic reads a SubjectPublicKeyInfo whose key may sign here.
func parsePublic(encoded []byte) (crypto.PublicKey, error) {
	public, err := x509.ParsePKIXPublicKey(encoded)
	if err != nil {
		return nil, fmt.Errorf("parsing public key: %w", err)
	}
	if _, _, err := pki.SignatureAlgorithm(public); err != nil {
		return nil, err
	}
	return public, nil
}

func sameKey(a, b crypto.PublicKey) bool {
	comparable, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && comparable.Equal(b)
}

// keyOf makes a throw-away key of an algorithm by the word of the plan.
func keyOf(algorithm string) (crypto.Signer, error) {
	switch algorithm {
	case "p256":
		return pki.KeyLike(&ecdsa.PublicKey{Curve: elliptic.P256()})
	case "p384":
		return pki.KeyLike(&ecdsa.PublicKey{Curve: elliptic.P384()})
	case "p521":
		return pki.KeyLike(&ecdsa.PublicKey{Curve: elliptic.P521()})
	case "ed25519":
		return pki.KeyLike(ed25519.PublicKey{})
	case "rsa3072":
		return rsa.GenerateKey(rand.Reader, 3072)
	case "rsa4096":
		return rsa.GenerateKey(rand.Reader, 4096)
	}
	return nil, refuse("choose one of p256, p384, p521, rsa3072, rsa4096, ed25519", "algorithm %q is not known", algorithm)
}

// publicHalf stands for a key in a dry run: it has the public half and never
// signs.
type publicHalf struct{ public crypto.PublicKey }

func (k publicHalf) Public() crypto.PublicKey { return k.public }

func (k publicHalf) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("a dry run signs nothing with a real key")
}

// decodeOne returns the DER of a file that holds one object, in DER or as one
// PEM block of a type.
func decodeOne(data []byte, types ...string) ([]byte, error) {
	if len(data) > 0 && data[0] == 0x30 {
		return data, nil
	}
	block, rest := pem.Decode(data)
	if block == nil {
		return nil, errors.New("it is neither DER nor PEM")
	}
	if next, _ := pem.Decode(rest); next != nil {
		return nil, errors.New("it holds more than one PEM block")
	}
	for _, t := range types {
		if block.Type == t {
			return block.Bytes, nil
		}
	}
	return nil, fmt.Errorf("it holds a PEM block %q, not %q", block.Type, types[0])
}
