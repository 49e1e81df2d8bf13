package main

import (
	"crypto"
	"errors"
	"strings"

	"github.com/altamga/altamga/internal/keys"
)

// keyURI names a key of the centre: on its token, if the plan names one, or in
// a file.
func (f *founder) keyURI(name string) string {
	// Keys of connections are in files: they are renewed often, the operator's
	// goes to a person, and with the server's on the token nobody could be told
	// that the token is away. The log has to tell that the token is away, so its
	// key is not there either.
	if f.plan.token.PKCS11 && !strings.HasPrefix(name, tlsKeys) && !strings.HasPrefix(name, auditKeyName) {
		return f.plan.keyOnToken(name)
	}
	uri := "file:keys/" + name + ".key"
	if !f.plan.Demonstration {
		uri += "?passphrase-file=" + passphraseFile
	}
	return uri
}

// tlsKeys is what the names of keys begin with that connections are made by.
const tlsKeys = "tls-"

// auditKeyName is the name of the key that signs the audit log's checkpoints,
// and what the names of those of further logs begin with.
const auditKeyName = "audit"

// generate makes a key and remembers it, for the case that the centre does not
// come to be.
func (f *founder) generate(uri, algorithm string) (crypto.Signer, error) {
	key, err := keys.Generate(uri, f.dir, algorithm)
	if err == nil {
		f.made = append(f.made, key)
	}
	return key, err
}

// undo removes the keys that were made on a token; those in files go with their
// folder.
func (f *founder) undo() error {
	var faults []error
	for _, key := range f.made {
		faults = append(faults, keys.Discard(key))
	}
	return errors.Join(faults...)
}

// passphraseFile encrypts the keys of a real centre. An operator may move it to
// a place of its own.
const passphraseFile = "keys/passphrase"
