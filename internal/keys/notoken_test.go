//go:build !cgo

package keys_test

import (
	"strings"
	"testing"

	"github.com/altamga/altamga/internal/keys"
)

// TestWithoutCgo is what a build without C says of tokens.
func TestWithoutCgo(t *testing.T) {
	const uri = "pkcs11:token=ca;object=k?pin-source=pin"
	_, open := keys.Open(uri, "")
	_, generate := keys.Generate(uri, t.TempDir(), "p256")
	_, inspect := keys.Inspect(uri, "")
	_, list := keys.List(uri, "")
	_, tokens := keys.Tokens(uri, "")
	for name, err := range map[string]error{"Open": open, "Generate": generate, "Inspect": inspect, "List": list, "Tokens": tokens} {
		if err == nil || !strings.Contains(err.Error(), "need a build with PKCS #11") || !strings.Contains(hint(err), "CGO_ENABLED=1") {
			t.Errorf("%s: error %v, hint %q", name, err, hint(err))
		}
	}
	keys.RetryPINs()
}
