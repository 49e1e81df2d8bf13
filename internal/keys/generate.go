package keys

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
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/altamga/altamga/internal/durable"
)

// Algorithms returns the words that [Generate] knows.
func Algorithms() []string {
	return []string{"p256", "p384", "p521", "rsa3072", "rsa4096", "ed25519"}
}

// generateFile makes a key, writes it to the file that u names, and returns it
// as [Open] would read it back. The file gets mode 0600 and appears whole or
// not at all; a file of that name is never overwritten.
func generateFile(u URI, baseDir, algorithm string) (crypto.Signer, error) {
	path := in(baseDir, u.Path)
	exists := &Error{
		err:  fmt.Errorf("generating key %s: %w", path, fs.ErrExist),
		hint: "a key is never overwritten; move the old one away if it is not needed",
	}
	// Asked early to save the work; the decision is Link's, below.
	if _, err := os.Lstat(path); err == nil {
		return nil, exists
	}
	var passphrase string
	if u.PassphraseFile != "" {
		var err error
		if passphrase, err = readPassphrase(in(baseDir, u.PassphraseFile)); err != nil {
			return nil, err
		}
	}
	signer, err := newKey(algorithm)
	if err != nil {
		return nil, err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return nil, fmt.Errorf("generating key %s: %w", path, err)
	}
	block := &pem.Block{Type: "PRIVATE KEY", Bytes: encoded}
	if u.PassphraseFile != "" {
		block.Type = "ENCRYPTED PRIVATE KEY"
		if block.Bytes, err = encrypt(encoded, passphrase); err != nil {
			return nil, fmt.Errorf("generating key %s: %w", path, err)
		}
	}
	switch err := durable.Create(path, pem.EncodeToMemory(block), 0o600); {
	case errors.Is(err, fs.ErrExist):
		return nil, exists
	case err != nil:
		return nil, explain("generating key", err)
	}
	// Read back, since a disk may lie; the derived key is still remembered.
	return openFile(u, baseDir)
}

func newKey(algorithm string) (crypto.Signer, error) {
	switch algorithm {
	case "p256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "p384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "p521":
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "rsa3072":
		return rsa.GenerateKey(rand.Reader, 3072)
	case "rsa4096":
		return rsa.GenerateKey(rand.Reader, 4096)
	case "ed25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return nil, unknownAlgorithm(algorithm)
}

func unknownAlgorithm(algorithm string) error {
	hint := "choose one of " + strings.Join(Algorithms(), ", ")
	if lower := strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(algorithm)); slices.Contains(Algorithms(), lower) {
		hint = "did you mean " + lower + "?"
	}
	return &Error{err: fmt.Errorf("generating key: unknown algorithm %q", algorithm), hint: hint}
}
