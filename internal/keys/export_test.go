package keys

import "fmt"

// For the fuzz target of the encrypted form.
var (
	ParseSealed = func(encoded []byte) error { _, err := parseSealed(encoded); return err }
	Encrypt     = encrypt
)

// SaltAndIV returns what makes an encrypted key differ from others of its
// passphrase.
func SaltAndIV(encoded []byte) (salt, iv []byte, err error) {
	s, err := parseSealed(encoded)
	if err != nil {
		return nil, nil, err
	}
	return s.salt, s.iv, nil
}

// Derived returns how many derived keys are remembered.
func Derived() int {
	derivations.mu.Lock()
	defer derivations.mu.Unlock()
	return len(derivations.known)
}

// Remembered prints all that is remembered of derivations.
func Remembered() []byte {
	derivations.mu.Lock()
	defer derivations.mu.Unlock()
	return fmt.Appendf(nil, "%s %s", derivations.known, derivations.salts)
}

// ReadSlot and WriteSlot are a counter's line.
func ReadSlot(line []byte) (sequence, used uint64, ok bool) {
	s, ok := readSlot(line)
	return s.sequence, s.used, ok
}

// WriteSlot: see ReadSlot.
func WriteSlot(sequence, used uint64) []byte { return slot{sequence, used}.line() }
