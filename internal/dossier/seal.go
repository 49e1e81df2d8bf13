package dossier

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// KeySize is the length of a data key in octets.
const KeySize = 32

// sealer encrypts what is stored and blinds what is searched for, each with a
// key of its own that is derived from the data key, so that what an index value
// gives away about its key says nothing about the documents.
type sealer struct {
	aead cipher.AEAD
	mac  []byte
}

func newSealer(key []byte) (*sealer, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("the data key has %d octets, want %d", len(key), KeySize)
	}
	sealing, err := hkdf.Key(sha256.New, key, nil, "altamga dossier document 1", KeySize)
	if err != nil {
		return nil, fmt.Errorf("deriving sealing key: %w", err)
	}
	mac, err := hkdf.Key(sha256.New, key, nil, "altamga dossier index 1", KeySize)
	if err != nil {
		return nil, fmt.Errorf("deriving index key: %w", err)
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return nil, fmt.Errorf("preparing cipher: %w", err)
	}
	// Nonces are random. NIST SP 800-38D, Section 8.3 allows 2^32 of them to a
	// key, which is a new version of a case every second for 136 years.
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("preparing cipher: %w", err)
	}
	return &sealer{aead: aead, mac: mac}, nil
}

// HashFIN returns the function that hashes a FİN under a key derived from the
// data key, so that a configuration can name a person without telling it.
func HashFIN(dataKey []byte) (func(fin string) [32]byte, error) {
	if len(dataKey) != KeySize {
		return nil, fmt.Errorf("the data key has %d octets, want %d", len(dataKey), KeySize)
	}
	key, err := hkdf.Key(sha256.New, dataKey, nil, "altamga staff fin 1", KeySize)
	if err != nil {
		return nil, fmt.Errorf("deriving key for staff: %w", err)
	}
	return func(fin string) [32]byte {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(fin))
		return [32]byte(mac.Sum(nil))
	}, nil
}

// place says where a sealed text belongs. It is authenticated with the text, so
// that nobody with write access to the file can pass one case's document off as
// another's, or an older version as the present one.
func place(what, id string, version uint64) []byte {
	b := make([]byte, 0, len(what)+len(id)+10)
	b = append(b, what...)
	b = append(b, 0)
	b = binary.BigEndian.AppendUint64(b, version)
	return append(b, id...)
}

func (s *sealer) seal(what, id string, version uint64, plain []byte) []byte {
	return s.aead.Seal(nil, nil, plain, place(what, id, version))
}

// errSealed says nothing of the cause, since GCM knows none.
var errSealed = errors.New("the stored text was altered or sealed with another key")

func (s *sealer) open(what, id string, version uint64, sealed []byte) ([]byte, error) {
	plain, err := s.aead.Open(nil, nil, sealed, place(what, id, version))
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

// blind returns the value that stands for an index string in the database.
func (s *sealer) blind(index string) []byte {
	mac := hmac.New(sha256.New, s.mac)
	mac.Write([]byte(index))
	return mac.Sum(nil)
}
