//go:build cgo

package keys

import "crypto"

// ParsePublic reads a public key from two attributes, by the type of the key.
func ParsePublic(kind uint64, a, b []byte) (crypto.PublicKey, error) {
	switch kind {
	case 0:
		return parseRSA(a, b)
	case 3:
		return parseEC(a, b)
	}
	return parseEdwards(a)
}

// Library is what this package asks of a PKCS #11 library.
type Library = library

// WrapLibraries puts something around every library that is loaded from now on
// under a path that was not loaded before, and returns how to end that.
func WrapLibraries(wrap func(path string, real Library) Library) (end func()) {
	modules.mu.Lock()
	defer modules.mu.Unlock()
	before := modules.load
	modules.load = func(path string) library {
		l := before(path)
		if l == nil {
			return nil
		}
		return wrap(path, l)
	}
	return func() {
		modules.mu.Lock()
		defer modules.mu.Unlock()
		modules.load = before
	}
}
