//go:build cgo

package keys_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// softHSM is the library of Debian's package softhsm2, or "".
var softHSM = func() string {
	for _, path := range []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}()

// TestMain gives SoftHSM a folder of its own for the tokens of this process.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "altamga-softhsm-")
	if err != nil {
		panic(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "tokens"), 0o700); err != nil {
		panic(err)
	}
	config := "directories.tokendir = " + filepath.Join(dir, "tokens") + "\nobjectstore.backend = file\nlog.level = ERROR\n"
	if err := os.WriteFile(filepath.Join(dir, "softhsm2.conf"), []byte(config), 0o600); err != nil {
		panic(err)
	}
	os.Setenv("SOFTHSM2_CONF", filepath.Join(dir, "softhsm2.conf"))
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// token is a token of SoftHSM.
type token struct {
	t     testing.TB
	label string
	// dir has the PIN file "pin" and is the base of URIs.
	dir string
	// store is the folder that SoftHSM keeps the token in.
	store string
}

// made counts tokens.
var made atomic.Int32

// newToken makes a token with the PIN 1234. Its label is new in this process.
func newToken(t testing.TB) *token {
	t.Helper()
	if softHSM == "" {
		t.Skip("SoftHSM is not installed (Debian: softhsm2)")
	}
	k := &token{t: t, dir: t.TempDir()}
	k.label = fmt.Sprint("token ", made.Add(1))
	write(t, k.dir, "pin", "1234\n", 0o600)
	k.store = k.initialise(k.label)
	return k
}

// initialise makes one more token and returns its folder.
func (k *token) initialise(label string) string {
	k.t.Helper()
	before := tokenStores(k.t)
	out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", "1234", "--so-pin", "5678").CombinedOutput()
	if err != nil {
		k.t.Fatalf("softhsm2-util: %v\n%s", err, out)
	}
	for path := range tokenStores(k.t) {
		if !before[path] {
			k.t.Cleanup(func() { os.RemoveAll(path) })
			return path
		}
	}
	k.t.Fatal("softhsm2-util made no token")
	return ""
}

// tokenStores are the folders of all tokens.
func tokenStores(t testing.TB) map[string]bool {
	paths, err := filepath.Glob(filepath.Join(filepath.Dir(os.Getenv("SOFTHSM2_CONF")), "tokens", "*"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, path := range paths {
		all[path] = true
	}
	return all
}

// uri names a key on the token.
func (k *token) uri(object string, more ...string) string {
	return k.named(object, append([]string{"pin-source=pin", "module-path=" + softHSM}, more...)...)
}

// named is a URI with a query of one's own.
func (k *token) named(object string, query ...string) string {
	path := "token=" + strings.ReplaceAll(k.label, " ", "%20")
	if object != "" {
		path += ";object=" + object
	}
	return "pkcs11:" + path + "?" + strings.Join(query, "&")
}

// takeAway moves the token out of SoftHSM's sight and returns how to bring it
// back.
func (k *token) takeAway() (back func()) {
	k.t.Helper()
	away := filepath.Join(k.t.TempDir(), "away")
	if err := os.Rename(k.store, away); err != nil {
		k.t.Fatal(err)
	}
	return func() {
		if err := os.Rename(away, k.store); err != nil {
			k.t.Error(err)
		}
	}
}
