//go:build !cgo

package keys

import (
	"crypto"
	"errors"
)

// PKCS #11 libraries are C libraries, and this build has no C.
func noToken() error {
	return &Error{
		err:  errors.New("opening token: pkcs11 keys need a build with PKCS #11, and this one has none"),
		hint: "build altamga with CGO_ENABLED=1 and a C compiler, or use a file: key",
	}
}

func openToken(URI, string) (crypto.Signer, error)             { return nil, noToken() }
func generateToken(URI, string, string) (crypto.Signer, error) { return nil, noToken() }
func inspectToken(URI, string) (Info, error)                   { return Info{}, noToken() }
func listToken(URI, string) ([]Info, error)                    { return nil, noToken() }
func listTokens(URI) ([]TokenInfo, error)                      { return nil, noToken() }

// RetryPINs does nothing in a build without PKCS #11.
func RetryPINs() {}
