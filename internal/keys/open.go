package keys

import (
	"crypto"
	"errors"
	"os"
)

// Open returns the key that uri names; relative paths count from baseDir.
//
// The error wraps [fs.ErrNotExist] when there is no such key, and is an
// [*Error] with a hint for what an operator can put right. A token that does
// not answer gives [ErrUnavailable], and one that refuses its PIN [ErrPIN].
func Open(uri, baseDir string) (crypto.Signer, error) {
	u, err := Parse(uri)
	if err != nil {
		return nil, err
	}
	var key crypto.Signer
	if u.PKCS11 {
		key, err = openToken(u, baseDir)
	} else {
		key, err = openFile(u, baseDir)
	}
	if err != nil {
		return nil, err
	}
	return counted(key, u, baseDir)
}

// Generate makes a key where uri says, and returns it as [Open] does. The
// algorithm is one of [Algorithms]. A key that exists is never overwritten (the
// error wraps [fs.ErrExist]).
//
// With passphrase-file, which must exist, a file: key is encrypted in a form
// that openssl reads. A key on a token is made by the token, which is told never
// to give it out. A counter, when the URI names one, is started at 0.
func Generate(uri, baseDir, algorithm string) (crypto.Signer, error) {
	u, err := Parse(uri)
	if err != nil {
		return nil, err
	}
	if u.Counter != "" {
		// Before the key, so that there is never a key without it.
		if err := startCounter(in(baseDir, u.Counter), 0); err != nil {
			return nil, err
		}
	}
	var key crypto.Signer
	if u.PKCS11 {
		key, err = generateToken(u, baseDir, algorithm)
	} else {
		key, err = generateFile(u, baseDir, algorithm)
	}
	if err != nil {
		if u.Counter != "" {
			err = errors.Join(err, os.Remove(in(baseDir, u.Counter)))
		}
		return nil, err
	}
	return counted(key, u, baseDir)
}
