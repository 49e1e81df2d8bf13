package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"
)

// TokenInfo is what a token says of itself.
type TokenInfo struct {
	Label        string `json:"label"`
	Manufacturer string `json:"manufacturer"`
	Model        string `json:"model"`
	Serial       string `json:"serial"`
	// Module is the path of the library that speaks for it.
	Module string `json:"module"`
	// PIN tells the state of the user's PIN, when it is not in order: "low" after
	// a wrong one, "final try", "locked", "to be changed", "not set".
	PIN string `json:"pin,omitempty"`
}

// Info describes one private key.
type Info struct {
	// URI names the key; in a list of a token's keys without pin-source and
	// module, which are the reader's own.
	URI string
	// Label and ID are CKA_LABEL and CKA_ID; empty for a file: key.
	Label string
	ID    []byte
	// Public is the public half; nil, with Fault telling why, when a token has
	// none that this module knows.
	Public crypto.PublicKey
	Fault  string
	// Token is where the key is, nil for a file: key; Attributes are what the
	// token says of it.
	Token      *TokenInfo
	Attributes Attributes
}

// Attributes are what a token says of how it keeps a private key (PKCS #11
// v2.40, Section 4.9). A nil one is what the token does not say.
type Attributes struct {
	// Sensitive: the key is never shown in the clear (CKA_SENSITIVE).
	Sensitive *bool `json:"sensitive"`
	// Extractable: the key can be wrapped and taken away (CKA_EXTRACTABLE).
	Extractable *bool `json:"extractable"`
	// AlwaysSensitive: it was Sensitive from its beginning (CKA_ALWAYS_SENSITIVE).
	AlwaysSensitive *bool `json:"always_sensitive"`
	// NeverExtractable: it was never Extractable (CKA_NEVER_EXTRACTABLE).
	NeverExtractable *bool `json:"never_extractable"`
	// Local: the token itself made the key (CKA_LOCAL).
	Local *bool `json:"local"`
}

// Attest returns nil when the token says that it made the key itself and that
// the key cannot and could never leave it; else everything that stands against
// it. This is the token's word: whether the token is what it claims to be, its
// certificate and the ceremony's witnesses have to tell.
func (i Info) Attest() error {
	if i.Token == nil {
		return &Error{
			err:  errors.New("attesting key: it is in a file, which anybody can copy who can read it"),
			hint: "altamga keys generate --uri 'pkcs11:token=...;object=...' makes a key that cannot leave its token",
		}
	}
	var against []string
	for _, a := range []struct {
		name  string
		value *bool
		want  bool
	}{
		{"CKA_SENSITIVE", i.Attributes.Sensitive, true},
		{"CKA_EXTRACTABLE", i.Attributes.Extractable, false},
		{"CKA_ALWAYS_SENSITIVE", i.Attributes.AlwaysSensitive, true},
		{"CKA_NEVER_EXTRACTABLE", i.Attributes.NeverExtractable, true},
		{"CKA_LOCAL", i.Attributes.Local, true},
	} {
		switch {
		case a.value == nil:
			against = append(against, a.name+" is not told")
		case *a.value != a.want:
			against = append(against, fmt.Sprintf("%s is %v", a.name, *a.value))
		}
	}
	if against == nil {
		return nil
	}
	return &Error{
		err:  fmt.Errorf("attesting key: %s", strings.Join(against, ", ")),
		hint: "a key that was imported, or that could once be taken away, stays one that others may have; generate a new one on the token",
	}
}

// Algorithm names a public key's algorithm and size as people write it.
func Algorithm(public crypto.PublicKey) string {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Curve.Params().Name
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return fmt.Sprintf("%T", public)
}

// Inspect describes the key of a URI. A key on a token is not used for it.
func Inspect(uri, baseDir string) (Info, error) {
	u, err := Parse(uri)
	if err != nil {
		return Info{}, err
	}
	if u.PKCS11 {
		return inspectToken(u, baseDir)
	}
	key, err := openFile(u, baseDir)
	if err != nil {
		return Info{}, err
	}
	return Info{URI: u.String(), Public: key.Public()}, nil
}

// List describes the private keys that a pkcs11: URI matches, by label.
func List(uri, baseDir string) ([]Info, error) {
	u, err := listURI(uri)
	if err != nil {
		return nil, err
	}
	return listToken(u, baseDir)
}

// Tokens returns the tokens that a pkcs11: URI matches. It needs no PIN.
func Tokens(uri, baseDir string) ([]TokenInfo, error) {
	u, err := listURI(uri)
	if err != nil {
		return nil, err
	}
	return listTokens(u)
}

func listURI(uri string) (URI, error) {
	u, err := Parse(uri)
	if err == nil && !u.PKCS11 {
		err = &Error{err: errors.New("listing keys: a file holds one key"), hint: "altamga keys show shows it; list takes a pkcs11: URI"}
	}
	return u, err
}
