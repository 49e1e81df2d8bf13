package keys

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync"
)

// derivations remembers what PBKDF2 gave in this process, since a centre's
// keys share one passphrase, and deriving is slow by design. The keys that it
// writes for one passphrase share a salt, too, so that a whole centre starts
// with one derivation. That weakens nothing: a salt keeps an attacker from
// sharing work between passphrases, and whoever finds this one has every key
// that it encrypts, whatever their salts. Each key has an initialisation vector
// of its own.
//
// It is a variable of the package because it may be: what it holds depends on
// its input alone. It holds no passphrase, and derived keys only beside the
// private keys that they opened in this process.
var derivations = newDerivationMemory()

// derivationMemory holds the last few derived keys.
type derivationMemory struct {
	secret [32]byte

	mu    sync.Mutex
	known map[[32]byte][]byte   // by all that goes into the function
	salts map[[32]byte][16]byte // of the keys that this process writes, by passphrase
}

// maxDerivations bounds the memory: a centre has one passphrase or a few.
const maxDerivations = 32

func newDerivationMemory() *derivationMemory {
	m := &derivationMemory{known: map[[32]byte][]byte{}, salts: map[[32]byte][16]byte{}}
	rand.Read(m.secret[:])
	return m
}

// digest names its input without telling it.
func (m *derivationMemory) digest(parts ...[]byte) (name [32]byte) {
	h := hmac.New(sha256.New, m.secret[:])
	for _, part := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write(part)
	}
	copy(name[:], h.Sum(nil))
	return name
}

// derive returns the key that encrypts s, under the passphrase.
func (m *derivationMemory) derive(s *sealed, passphrase string) ([]byte, error) {
	parameters := binary.BigEndian.AppendUint64(nil, uint64(s.iterations))
	parameters = binary.BigEndian.AppendUint64(parameters, uint64(s.keyLength))
	parameters = binary.BigEndian.AppendUint64(parameters, uint64(s.hash().Size()))
	name := m.digest([]byte(passphrase), s.salt, parameters)
	m.mu.Lock()
	derived, ok := m.known[name]
	m.mu.Unlock()
	if ok {
		return derived, nil
	}
	derived, err := pbkdf2.Key(s.hash, passphrase, s.salt, s.iterations, s.keyLength)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.known) >= maxDerivations {
		clear(m.known)
	}
	m.known[name] = derived
	return derived, nil
}

// own returns the salt and the derived key for a key that this process writes.
func (m *derivationMemory) own(passphrase string) (salt, derived []byte, err error) {
	name := m.digest([]byte(passphrase))
	m.mu.Lock()
	chosen, ok := m.salts[name]
	if !ok {
		if len(m.salts) >= maxDerivations {
			clear(m.salts)
		}
		rand.Read(chosen[:])
		m.salts[name] = chosen
	}
	m.mu.Unlock()
	derived, err = m.derive(&sealed{salt: chosen[:], iterations: iterations, hash: sha256.New, keyLength: 32}, passphrase)
	return chosen[:], derived, err
}
