//go:build cgo

package keys_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/keys"
	"github.com/altamga/altamga/internal/pki"
)

// judged has openssl verify a signature over message with the public key.
func judged(t *testing.T, public crypto.PublicKey, message, signature []byte, more ...string) {
	t.Helper()
	dir := t.TempDir()
	encoded, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	key := write(t, dir, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: encoded})), 0o600)
	in, sig := write(t, dir, "message", string(message), 0o600), write(t, dir, "signature", string(signature), 0o600)
	args := append([]string{"pkeyutl", "-verify", "-pubin", "-inkey", key, "-rawin", "-in", in, "-sigfile", sig}, more...)
	if out, ok := openssl(t, args...); !ok || !strings.Contains(out, "Verified Successfully") {
		t.Errorf("openssl %v: %s", args, out)
	}
}

func TestTokenKeys(t *testing.T) {
	token := newToken(t)
	message := []byte("what the token signs")
	for _, algorithm := range []string{"p256", "p384", "p521", "rsa3072", "ed25519"} {
		t.Run(algorithm, func(t *testing.T) {
			uri := token.uri("key%20" + algorithm)
			made, err := keys.Generate(uri, token.dir, algorithm)
			if err != nil {
				t.Fatal(err)
			}
			key, err := keys.Open(uri, token.dir)
			if err != nil {
				t.Fatal(err)
			}
			if !equal(key.Public(), made.Public()) {
				t.Error("opened again it is another key")
			}
			signature, err := pki.Sign(rand.Reader, key, message)
			if err != nil {
				t.Fatal(err)
			}
			switch public := key.Public().(type) {
			case ed25519.PublicKey:
				judged(t, public, message, signature)
			case *rsa.PublicKey:
				judged(t, public, message, signature, "-digest", "sha256")
				for _, salt := range []int{rsa.PSSSaltLengthAuto, rsa.PSSSaltLengthEqualsHash, 20} {
					digest := sha512.Sum512(message)
					options := &rsa.PSSOptions{SaltLength: salt, Hash: crypto.SHA512}
					signature, err := key.Sign(rand.Reader, digest[:], options)
					if err != nil {
						t.Fatal(err)
					}
					if err := rsa.VerifyPSS(public, crypto.SHA512, digest[:], signature, options); err != nil {
						t.Errorf("salt %d: %v", salt, err)
					}
					judged(t, public, message, signature, "-digest", "sha512", "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:auto")
				}
			default:
				_, hash, _ := pki.SignatureAlgorithm(public)
				judged(t, public, message, signature, "-digest", strings.ReplaceAll(strings.ToLower(hash.String()), "-", ""))
				// A digest longer than the curve is cut alike by both sides.
				digest := sha512.Sum512(message)
				if signature, err = key.Sign(nil, digest[:], crypto.SHA512); err != nil {
					t.Fatal(err)
				}
				judged(t, public, message, signature, "-digest", "sha512")
			}
		})
	}
	t.Run("a key is never overwritten", func(t *testing.T) {
		_, err := keys.Generate(token.uri("key%20p256"), token.dir, "p256")
		if !errors.Is(err, fs.ErrExist) || hint(err) == "" {
			t.Errorf("error %v, hint %q", err, hint(err))
		}
	})
	t.Run("x509 and TLS take it", func(t *testing.T) { handshake(t, token, "key%20rsa3072"); handshake(t, token, "key%20p256") })
	t.Run("found by id alone and by serial", func(t *testing.T) {
		list, err := keys.List(token.uri(""), token.dir)
		if err != nil || len(list) != 5 {
			t.Fatalf("%d keys, %v", len(list), err)
		}
		for _, info := range list {
			u, err := keys.Parse(info.URI)
			if err != nil {
				t.Fatal(err)
			}
			u.Token.Token, u.Token.Object, u.Token.PINSource, u.Token.ModulePath = "", "", "pin", softHSM
			key, err := keys.Open(u.String(), token.dir)
			if err != nil || !equal(key.Public(), info.Public) {
				t.Errorf("%s: %v", u, err)
			}
		}
	})
	t.Run("refused", func(t *testing.T) {
		write(t, token.dir, "open", "1234", 0o644)
		for _, test := range []struct{ uri, want, hint string }{
			{token.uri("none"), "no such key", "keys list"},
			{token.uri(""), "names a token and no key", "object="},
			{"pkcs11:object=a?module-path=" + softHSM, "names no token", "token="},
			{"pkcs11:token=nowhere;object=a?module-path=" + softHSM, "not available", "keys list"},
			{"pkcs11:token=nowhere;object=a?module-path=/etc/passwd", "cannot be loaded", "ldd"},
			{"pkcs11:token=nowhere;object=a?module-path=/nowhere.so", "no such file", "module-path"},
			{"pkcs11:token=nowhere;object=a?module-name=nonesuch", "no module nonesuch", "module-path"},
			{token.uri("key%20p256", "max-sessions=3"), "max-sessions is 3 here and 8", "same number"},
		} {
			_, err := keys.Open(test.uri, token.dir)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(hint(err), test.hint) {
				t.Errorf("%s: error %v, hint %q", test.uri, err, hint(err))
			}
		}
		key, err := keys.Open(token.uri("key%20p256"), token.dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := key.Sign(nil, []byte("short"), crypto.SHA256); err == nil {
			t.Error("a digest of five octets is signed")
		}
	})
}

// handshake runs TLS between a server whose key is on the token and a client.
func handshake(t *testing.T, token *token, object string) {
	t.Helper()
	key, err := keys.Open(token.uri(object), token.dir)
	if err != nil {
		t.Fatal(err)
	}
	certificate := selfSigned(t, key)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{certificate.Raw}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	done := make(chan error, 1)
	go func() {
		c, err := listener.Accept()
		if err == nil {
			err = c.(*tls.Conn).Handshake()
			c.Close()
		}
		done <- err
	}()
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	client, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{RootCAs: roots, ServerName: "token.example"})
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAttest(t *testing.T) {
	token := newToken(t)
	if _, err := keys.Generate(token.uri("made"), token.dir, "p256"); err != nil {
		t.Fatal(err)
	}
	info, err := keys.Inspect(token.uri("made"), token.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := info.Attest(); err != nil {
		t.Error(err)
	}
	if info.Label != "made" || len(info.ID) != 16 || info.Token.Label != token.label || keys.Algorithm(info.Public) != "ECDSA P-256" {
		t.Errorf("%+v", info)
	}
	t.Run("an imported key is not attested", func(t *testing.T) {
		if _, err := keys.Generate("file:a.key", token.dir, "p256"); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("softhsm2-util", "--import", filepath.Join(token.dir, "a.key"), "--token", token.label, "--label", "brought", "--id", "a1", "--pin", "1234").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		info, err := keys.Inspect(token.uri("brought"), token.dir)
		if err != nil {
			t.Fatal(err)
		}
		err = info.Attest()
		for _, want := range []string{"CKA_LOCAL is false", "CKA_ALWAYS_SENSITIVE is false", "CKA_NEVER_EXTRACTABLE is false"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want one about %s", err, want)
			}
		}
		// It signs all the same.
		key, err := keys.Open(token.uri("brought"), token.dir)
		if err != nil {
			t.Fatal(err)
		}
		digest := sha256.Sum256(nil)
		if _, err := key.Sign(nil, digest[:], crypto.SHA256); err != nil {
			t.Error(err)
		}
	})
	t.Run("a key in a file is not attested", func(t *testing.T) {
		info, err := keys.Inspect("file:a.key", token.dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := info.Attest(); err == nil || hint(err) == "" {
			t.Errorf("error %v", err)
		}
	})
	t.Run("what the token does not tell stands against it", func(t *testing.T) {
		info.Attributes.Local = nil
		if err := info.Attest(); err == nil || !strings.Contains(err.Error(), "CKA_LOCAL is not told") {
			t.Errorf("error %v", err)
		}
	})
}

func TestTokens(t *testing.T) {
	token := newToken(t)
	list, err := keys.Tokens("pkcs11:?module-path="+softHSM, "")
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, info := range list {
		if info.Label == token.label {
			found = true
			if info.Manufacturer != "SoftHSM project" || len(info.Serial) != 16 || info.Module == "" || info.PIN != "" {
				t.Errorf("%+v", info)
			}
		}
	}
	// The library may have started before the token was made.
	if key, err := keys.Generate(token.uri("k"), token.dir, "p256"); err != nil || key == nil {
		t.Fatal(err)
	}
	if list, err = keys.Tokens(token.named("", "module-name=softhsm2"), ""); err != nil || len(list) != 1 {
		t.Errorf("seen before: %v; by module-name: %v, %v", found, list, err)
	}
	if _, err := os.Stat("/usr/share/p11-kit/modules/softhsm2.module"); err == nil {
		if key, err := keys.Open(token.named("k", "pin-source=pin"), token.dir); err != nil || key == nil {
			t.Errorf("by the system's registry: %v", err)
		}
	}
	if _, err := keys.List("file:a.key", token.dir); err == nil {
		t.Error("a file is listed")
	}
}

func TestDiscard(t *testing.T) {
	token := newToken(t)
	made, err := keys.Generate(token.uri("k"), token.dir, "p256")
	if err != nil {
		t.Fatal(err)
	}
	opened, err := keys.Open(token.uri("k"), token.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Discard(opened); err == nil {
		t.Fatal("a key that was only opened is removed")
	}
	if err := keys.Discard(made); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Open(token.uri("k"), token.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	if list, err := keys.List(token.uri(""), token.dir); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := keys.Generate(token.uri("k"), token.dir, "p256"); err != nil {
		t.Errorf("its name is not free: %v", err)
	}
}

// selfSigned returns a certificate of a key by itself.
func selfSigned(t testing.TB, key crypto.Signer) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"token.example"}, IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// FuzzPublic reads what hostile tokens may say of a key.
func FuzzPublic(f *testing.F) {
	f.Add(uint64(0), []byte{0xc0, 1}, []byte{1, 0, 1})
	f.Add(uint64(3), []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}, []byte{4, 2, 4, 1})
	f.Add(uint64(3), []byte{6, 5, 0x2b, 0x81, 4, 0, 34}, []byte{4, 1, 2})
	f.Add(uint64(0x40), []byte{4, 1, 2}, []byte(nil))
	f.Fuzz(func(t *testing.T, kind uint64, a, b []byte) {
		public, err := keys.ParsePublic(kind, a, b)
		if (public == nil) == (err == nil) {
			t.Errorf("%v, %v", public, err)
		}
		if public != nil && keys.Algorithm(public) == "" {
			t.Errorf("%T has no name", public)
		}
	})
}
