package keys_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/altamga/altamga/internal/keys"
	"github.com/altamga/altamga/internal/pki"
)

// hint returns an error's hint.
func hint(err error) string {
	if e, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		return e.Hint()
	}
	return ""
}

func write(t testing.TB, dir, name, contents string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(contents), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func openssl(t testing.TB, args ...string) (string, bool) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	out, err := exec.Command("openssl", args...).CombinedOutput()
	return string(out), err == nil
}

func equal(a, b crypto.PublicKey) bool {
	return a.(interface{ Equal(crypto.PublicKey) bool }).Equal(b)
}

func TestGenerate(t *testing.T) {
	// Without rsa4096: it differs from rsa3072 in a number and takes long.
	for _, algorithm := range []string{"p256", "p384", "p521", "ed25519", "rsa3072"} {
		t.Run(algorithm, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "pass", "altamga nümunə\nsecond line\n", 0o600)
			uris := []string{"file:plain.key"}
			if algorithm == "p256" || algorithm == "rsa3072" {
				// Encryption is slow by design, and does not see the algorithm.
				uris = []string{"file:sealed.key?passphrase-file=pass"}
			}
			for _, uri := range uris {
				key, err := keys.Generate(uri, dir, algorithm)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := pki.Sign(rand.Reader, key, []byte("message")); err != nil {
					t.Error(err)
				}
				again, err := keys.Open(uri, dir)
				if err != nil || !equal(again.Public(), key.Public()) {
					t.Errorf("opened again: another key, or %v", err)
				}
				name := strings.TrimSuffix(strings.TrimPrefix(uri, "file:"), "?passphrase-file=pass")
				path := filepath.Join(dir, name)
				if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
					t.Errorf("mode %v, %v", info.Mode(), err)
				}
				contents, _ := os.ReadFile(path)
				if got, want := bytes.Contains(contents, []byte("ENCRYPTED PRIVATE KEY")), strings.Contains(uri, "?"); got != want {
					t.Errorf("encrypted %v, want %v", got, want)
				}
				// openssl reads the key and finds the same public half.
				out, ok := openssl(t, "pkey", "-in", path, "-passin", "file:"+filepath.Join(dir, "pass"), "-pubout")
				block, _ := pem.Decode([]byte(out))
				if !ok || block == nil {
					t.Fatal(out)
				}
				public, err := x509.ParsePKIXPublicKey(block.Bytes)
				if err != nil || !equal(public, key.Public()) {
					t.Errorf("openssl reads another key, or %v", err)
				}
			}
			if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	t.Run("openssl names the encryption", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, "pass", "secret", 0o600)
		if _, err := keys.Generate("file:a.key?passphrase-file=pass", dir, "p256"); err != nil {
			t.Fatal(err)
		}
		out, _ := openssl(t, "asn1parse", "-in", filepath.Join(dir, "a.key"))
		for _, want := range []string{"PBES2", "PBKDF2", "hmacWithSHA256", "aes-256-cbc", ":0927C0"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %s in\n%s", want, out)
			}
		}
	})
	t.Run("a key is never overwritten", func(t *testing.T) {
		dir := t.TempDir()
		path := write(t, dir, "a.key", "something", 0o644)
		_, err := keys.Generate("file:a.key", dir, "p256")
		if !errors.Is(err, fs.ErrExist) || hint(err) == "" {
			t.Errorf("error %v, hint %q", err, hint(err))
		}
		if contents, _ := os.ReadFile(path); string(contents) != "something" {
			t.Error("the file changed")
		}
		os.Symlink("nowhere", filepath.Join(dir, "b.key"))
		if _, err := keys.Generate("file:b.key", dir, "p256"); !errors.Is(err, fs.ErrExist) {
			t.Errorf("through a link: %v", err)
		}
	})
	t.Run("of many generating at once one wins, and its key stays", func(t *testing.T) {
		dir := t.TempDir()
		var all sync.WaitGroup
		var mu sync.Mutex
		var won []crypto.Signer
		for range 8 {
			all.Go(func() {
				key, err := keys.Generate("file:a.key", dir, "p256")
				if err != nil {
					if !errors.Is(err, fs.ErrExist) {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				won = append(won, key)
				mu.Unlock()
			})
		}
		all.Wait()
		key, err := keys.Open("file:a.key", dir)
		if err != nil || len(won) != 1 || !equal(key.Public(), won[0].Public()) {
			t.Errorf("%d won, %v", len(won), err)
		}
	})
	t.Run("refused", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, "open", "secret", 0o644)
		for _, test := range []struct{ uri, algorithm, want, hint string }{
			{"file:a.key", "P-256", "unknown algorithm", "did you mean p256?"},
			{"file:a.key", "dsa", "unknown algorithm", "p256, p384"},
			{"file:none/a.key", "p256", "no such file", ""},
			{"file:a.key?passphrase-file=none", "p256", "no such file", ""},
			{"file:a.key?passphrase-file=open", "p256", "mode 0644", "chmod 600"},
		} {
			_, err := keys.Generate(test.uri, dir, test.algorithm)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(hint(err), test.hint) {
				t.Errorf("%s %s: error %v, hint %q", test.uri, test.algorithm, err, hint(err))
			}
			if _, err := os.Stat(filepath.Join(dir, "a.key")); err == nil {
				t.Error("a key was made")
			}
		}
	})
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "pass", "secret\r\n", 0o600)
	write(t, dir, "wrong", "other\n", 0o600)
	write(t, dir, "empty", "\nsecret\n", 0o600)
	key, err := keys.Generate("file:plain.key", dir, "p256")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "plain.key")
	plain, _ := os.ReadFile(path)

	t.Run("paths", func(t *testing.T) {
		os.Mkdir(filepath.Join(dir, "açar #1"), 0o700)
		write(t, dir, "açar #1/a?b%.key", string(plain), 0o600)
		for _, uri := range []string{"file:plain.key", "FILE:./plain.key", "file:" + path, "file://" + path, "file:a%C3%A7ar%20%231/a%3Fb%25.key"} {
			got, err := keys.Open(uri, dir)
			if err != nil || !equal(got.Public(), key.Public()) {
				t.Errorf("%s: %v", uri, err)
			}
		}
	})
	t.Run("keys that openssl encrypted", func(t *testing.T) {
		for i, args := range [][]string{
			{}, // its defaults
			{"-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA512"},
			{"-v2", "aes-192-cbc", "-v2prf", "hmacWithSHA384", "-iter", "5000"},
		} {
			out := filepath.Join(dir, "openssl.key")
			os.Remove(out)
			args = append([]string{"pkcs8", "-topk8", "-in", path, "-out", out, "-passout", "pass:secret"}, args...)
			if text, ok := openssl(t, args...); !ok {
				t.Fatal(text)
			}
			os.Chmod(out, 0o600)
			got, err := keys.Open("file:openssl.key?passphrase-file=pass", dir)
			if err != nil || !equal(got.Public(), key.Public()) {
				t.Errorf("%d: %v", i, err)
			}
			if _, err := keys.Open("file:openssl.key?passphrase-file=wrong", dir); err == nil || !strings.Contains(err.Error(), "does not open it") {
				t.Errorf("%d with a wrong passphrase: %v", i, err)
			}
		}
	})
	t.Run("refused", func(t *testing.T) {
		write(t, dir, "group.key", string(plain), 0o640)
		write(t, dir, "two.key", string(plain)+string(plain), 0o600)
		write(t, dir, "no.key", "no key", 0o600)
		write(t, dir, "large.key", strings.Repeat("a", 100_000), 0o600)
		write(t, dir, "bad.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{0x30, 0}})), 0o600)
		openssl(t, "pkcs8", "-topk8", "-in", path, "-out", filepath.Join(dir, "weak-sealed.key"), "-passout", "pass:secret", "-v2prf", "hmacWithSHA1")
		openssl(t, "pkcs8", "-topk8", "-in", path, "-out", filepath.Join(dir, "old-sealed.key"), "-passout", "pass:secret", "-v2", "des3")
		openssl(t, "pkcs8", "-topk8", "-in", path, "-out", filepath.Join(dir, "sealed.key"), "-passout", "pass:secret")
		openssl(t, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", filepath.Join(dir, "sec1.key"))
		openssl(t, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024", "-out", filepath.Join(dir, "weak.key"))
		openssl(t, "genpkey", "-algorithm", "X25519", "-out", filepath.Join(dir, "x25519.key"))
		for _, name := range []string{"weak-sealed.key", "old-sealed.key", "sealed.key", "sec1.key", "weak.key", "x25519.key"} {
			os.Chmod(filepath.Join(dir, name), 0o600)
		}
		os.Symlink("group.key", filepath.Join(dir, "link.key"))
		for _, test := range []struct{ uri, want, hint string }{
			{"file:none.key", "no such file", "counts from the folder of the configuration file"},
			{"file:group.key", "mode 0640", "chmod 600"},
			{"file:link.key", "mode 0640", "chmod 600"},
			{"file:.", "not a regular file", ""},
			{"file:/dev/null", "not a regular file", ""},
			{"file:two.key", "not one PEM block", ""},
			{"file:no.key", "not one PEM block", ""},
			{"file:large.key", "larger than", ""},
			{"file:bad.key", "well-formed", ""},
			{"file:sec1.key", "EC PRIVATE KEY", "-topk8"},
			{"file:weak.key", "1024", ""},
			{"file:x25519.key", "cannot sign", ""},
			{"file:sealed.key", "encrypted", "passphrase-file"},
			{"file:plain.key?passphrase-file=pass", "not encrypted", "encrypt it"},
			{"file:sealed.key?passphrase-file=none", "no such file", ""},
			{"file:sealed.key?passphrase-file=empty", "empty", "openssl rand"},
			{"file:sealed.key?passphrase-file=plain.key", "does not open it", ""},
			{"file:weak-sealed.key?passphrase-file=pass", "HMAC-SHA-1", ""},
			{"file:old-sealed.key?passphrase-file=pass", "another cipher", ""},
		} {
			_, err := keys.Open(test.uri, dir)
			if test.uri == "file:weak-sealed.key?passphrase-file=pass" && err != nil && strings.Contains(err.Error(), "another function than HMAC over SHA-2") {
				continue // with the default written out
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(hint(err), test.hint) {
				t.Errorf("%s: error %v, hint %q; want %q, %q", test.uri, err, hint(err), test.want, test.hint)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: the error quotes the passphrase", test.uri)
			}
		}
	})
	t.Run("a damaged encrypted key is an error or another key, never a panic", func(t *testing.T) {
		// The fewest iterations that are taken, so that this is quick.
		out := filepath.Join(dir, "quick.key")
		if text, ok := openssl(t, "pkcs8", "-topk8", "-in", path, "-out", out, "-passout", "pass:secret", "-iter", "1000"); !ok {
			t.Fatal(text)
		}
		contents, _ := os.ReadFile(out)
		block, _ := pem.Decode(contents)
		for i := 0; i < len(block.Bytes); i += 3 {
			damaged := bytes.Clone(block.Bytes)
			damaged[i] ^= 0x41
			write(t, dir, "damaged.key", string(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: damaged})), 0o600)
			if got, err := keys.Open("file:damaged.key?passphrase-file=pass", dir); err == nil {
				if _, err := pki.Sign(rand.Reader, got, []byte("message")); err != nil {
					t.Errorf("octet %d: a key that does not sign: %v", i, err)
				}
			}
		}
	})
}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		uri  string
		want keys.URI
	}{
		{"file:a.key", keys.URI{Path: "a.key"}},
		{"file:/etc/altamga/a.key", keys.URI{Path: "/etc/altamga/a.key"}},
		{"file:///etc/altamga/a.key", keys.URI{Path: "/etc/altamga/a.key"}},
		{"file:AZ%20Root%20(RCA).key?passphrase-file=AZ%20Root.pass", keys.URI{Path: "AZ Root (RCA).key", PassphraseFile: "AZ Root.pass"}},
		{"file:a b+c.key?passphrase-file=p=q+r", keys.URI{Path: "a b+c.key", PassphraseFile: "p=q+r"}},
		{"file:a.key?max-uses=5", keys.URI{Path: "a.key", MaxUses: 5, Counter: "a.key.uses"}},
		{"file:a.key?counter=b&max-uses=7", keys.URI{Path: "a.key", MaxUses: 7, Counter: "b"}},
		{"pkcs11:", keys.URI{PKCS11: true}},
		// RFC 7512, Section 3: its examples, as far as they name private keys.
		{"PKCS11:object=my-sign-key;type=private?pin-source=file:///etc/token&max-sessions=4&module-path=/mnt/libmypkcs11.so.1",
			keys.URI{PKCS11: true, Token: keys.TokenURI{Object: "my-sign-key", PINSource: "/etc/token", ModulePath: "/mnt/libmypkcs11.so.1", MaxSessions: 4}}},
		{"pkcs11:token=Software%20PKCS%2311%20softtoken;manufacturer=Snake%20Oil,%20Inc.;id=%69%95%3E%5C%F4%BD%EC%91?pin-source=a.pin&module-name=mypkcs11&counter=c&max-uses=2",
			keys.URI{PKCS11: true, MaxUses: 2, Counter: "c", Token: keys.TokenURI{Token: "Software PKCS#11 softtoken", Manufacturer: "Snake Oil, Inc.",
				ID: "i\x95>\\\xf4\xbd\xec\x91", PINSource: "a.pin", ModuleName: "mypkcs11"}}},
		{"pkcs11:token=Milli%20Mərkəz;serial=37408c54261d5c32", keys.URI{PKCS11: true, Token: keys.TokenURI{Token: "Milli Mərkəz", Serial: "37408c54261d5c32"}}},
	} {
		got, err := keys.Parse(test.uri)
		if err != nil || got != test.want {
			t.Errorf("%s: %+v, %v; want %+v", test.uri, got, err, test.want)
		}
		if again, err := keys.Parse(got.String()); err != nil || again != got {
			t.Errorf("%s: written %s, read %+v, %v", test.uri, got, again, err)
		}
	}
	for uri, want := range map[string]string{
		"":                  "no scheme",
		"a.key":             "no scheme",
		"./a:b.key":         "no scheme",
		"http://host/a.key": `scheme "http"`,
		"pkcs11:token=ca;object=k?pin-value=1234":        "pin-value is refused",
		"pkcs11:token=ca;object=k;pin-value=1234":        "pin-value stands before the ?",
		"pkcs11:token=ca?pin-source=%7C/bin/1234":        "a command",
		"pkcs11:token=ca?pin-source=|/bin/1234":          "a command",
		"pkcs11:token=ca?pin-source=https://1234/":       "another scheme",
		"pkcs11:token=ca?pin-source=file://1234/a":       "names a host",
		"pkcs11:token=ca?pin-source=":                    "pin-source: it is empty",
		"pkcs11:token=ca;token=cb":                       "token is given twice",
		"pkcs11:token=":                                  "token: it is empty",
		"pkcs11:token=a/b":                               "slash",
		"pkcs11:token=a%0A":                              "printable",
		"pkcs11:token=%FF":                               "printable",
		"pkcs11:token=a%20":                              "ends in a space",
		"pkcs11:serial=12345678901234567":                "longer than the 16 octets",
		"pkcs11:slot-id=1":                               "slot-id is not supported",
		"pkcs11:token=a;type=cert":                       "type is not private",
		"pkcs11:token=a;x-color=red":                     `unknown attribute "x-color"`,
		"pkcs11:token=a?x-color=red":                     `unknown attribute "x-color"`,
		"pkcs11:token=a#b":                               "fragment",
		"pkcs11:id=%zz":                                  "hexadecimal",
		"pkcs11:token=a?module-path=lib.so":              "not an absolute path",
		"pkcs11:token=a?module-name=lib.so":              "file name",
		"pkcs11:token=a?module-name=a&module-path=/a":    "both given",
		"pkcs11:token=a?max-sessions=0":                  "from 1 to 1024",
		"pkcs11:token=a?max-uses=5":                      "without counter",
		"file:a.key?max-uses=0":                          "above 0",
		"file:a.key?max-uses=-1":                         "above 0",
		"file:":                                          "empty",
		"file:?passphrase-file=a":                        "empty",
		"file://host/a.key":                              "names a host",
		"file:////a.key":                                 "names a host",
		"file:%2F%2Fa.key":                               "two slashes",
		"file:a#b.key":                                   "fragment",
		"file:a%zz.key":                                  "hexadecimal",
		"file:a%00.key":                                  "control character",
		"file:a\n.key":                                   "control character",
		"file:a.key?":                                    `unknown attribute ""`,
		"file:a.key?passphrase=x":                        `unknown attribute "passphrase"`,
		"file:a.key?passphrase-file=":                    "passphrase-file: it is empty",
		"file:a.key?passphrase-file=a&passphrase-file=b": "twice",
		"file:" + strings.Repeat("a", 9000):              "longer than",
	} {
		_, err := keys.Parse(uri)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: error %v, want one about %q", uri, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "1234") {
			t.Errorf("the error quotes a PIN: %v", err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"file:a.key", "file:///a%20b.key?passphrase-file=c", "file:a%23?passphrase-file=%25", "pkcs11:token=x;object=y?pin-value=1",
		"pkcs11:token=%20a;serial=1;id=%00%ff;object=%3b?pin-source=a%3ab&module-path=/x&max-sessions=2&counter=c&max-uses=1", "pkcs11:?module-name=x",
		"file:a?b", "file:%", "FILE:a&b=c", ":", "file:\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		u, err := keys.Parse(uri)
		if err != nil {
			return
		}
		again, err := keys.Parse(u.String())
		if len(u.String()) <= 8192 && (err != nil || again != u) {
			t.Errorf("%q: written %q, read %+v, %v", uri, u.String(), again, err)
		}
	})
}

func FuzzSealed(f *testing.F) {
	sealed, err := keys.Encrypt([]byte{0x30, 0}, "secret")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, encoded []byte) {
		keys.ParseSealed(encoded)
	})
}

// BenchmarkOpen tells what an encrypted key costs a server's start.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	write(b, dir, "pass", "secret", 0o600)
	if _, err := keys.Generate("file:a.key?passphrase-file=pass", dir, "p256"); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		key, err := keys.Open("file:a.key?passphrase-file=pass", dir)
		if err != nil {
			b.Fatal(err)
		}
		digest := sha256.Sum256(nil)
		if _, err := key.Sign(rand.Reader, digest[:], crypto.SHA256); err != nil {
			b.Fatal(err)
		}
	}
}
