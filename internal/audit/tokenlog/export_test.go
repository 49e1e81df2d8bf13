package tokenlog

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"

	"github.com/altamga/altamga/internal/audit"
)

// OnDisk puts a test between the journal and the real write.
func OnDisk(c Config, disk func(octets []byte, real func([]byte) error) error) Config {
	c.disk = disk
	return c
}

// Unwritten is what a write returns that has left nothing in the file.
func Unwritten(err error) error { return &unwrittenError{err} }

// Octets returns a record's encoding.
func Octets(r Record) []byte { return r.append(nil) }

type breakable struct {
	crypto.Signer
	away *bool
}

func (b breakable) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if *b.away {
		return nil, errors.New("the token is away")
	}
	return b.Signer.Sign(random, digest, opts)
}

// Breakable returns a key of the same name that does not sign while the flag is
// set.
func Breakable(like *audit.Signer) (*audit.Signer, *bool) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	away := new(bool)
	s, err := audit.NewSigner(like.Name(), breakable{key, away})
	if err != nil {
		panic(err)
	}
	return s, away
}
