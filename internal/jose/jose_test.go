package jose_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/jose"
)

type identity struct {
	key  crypto.Signer
	cert *x509.Certificate
}

func (i *identity) pinned() jose.Signer {
	return jose.Signer{Certificate: i.cert.Raw, Key: i.cert.PublicKey, NotBefore: i.cert.NotBefore, NotAfter: i.cert.NotAfter}
}

func newIdentity(t testing.TB, key crypto.Signer) *identity {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "Signer (TEST)"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &identity{key, cert}
}

func onCurve(t testing.TB, curve elliptic.Curve) *identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return newIdentity(t, key)
}

func withRSA(t testing.TB) *identity {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return newIdentity(t, key)
}

// Each kind of key signs and verifies, and openssl verifies it, too.
func TestSign(t *testing.T) {
	byRSA := withRSA(t)
	for _, row := range []struct {
		name   string
		by     *identity
		pss    bool
		dgst   string
		option []string
	}{
		{"ES256", onCurve(t, elliptic.P256()), false, "-sha256", nil},
		{"ES384", onCurve(t, elliptic.P384()), false, "-sha384", nil},
		{"ES512", onCurve(t, elliptic.P521()), false, "-sha512", nil},
		{"RS256", byRSA, false, "-sha256", nil},
		{"PS256", byRSA, true, "-sha256", []string{"-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			at := time.Now().Truncate(time.Second)
			signed, err := jose.Sign(jose.Request{Payload: []byte(`{"a": "ə"}`), Key: row.by.key, Certificate: row.by.cert, Time: at, PSS: row.pss})
			if err != nil {
				t.Fatal(err)
			}
			v, err := jose.Verify(signed, []jose.Signer{row.by.pinned()})
			if err != nil || v.Algorithm != row.name || string(v.Payload) != `{"a": "ə"}` || !v.SigningTime.Equal(at) || !jose.IsCompact(signed) {
				t.Errorf("got %+v, %v", v, err)
			}
			if _, err := jose.Verify(signed, []jose.Signer{onCurve(t, elliptic.P256()).pinned()}); jose.ReasonOf(err) != jose.Untrusted {
				t.Errorf("another signer: %v", err)
			}
			byOpenSSL(t, signed, row.by, append([]string{row.dgst}, row.option...))
		})
	}
}

// byOpenSSL verifies the signature over the first two parts.
func byOpenSSL(t *testing.T, signed []byte, by *identity, options []string) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed (Debian: openssl)")
	}
	at := bytes.LastIndexByte(signed, '.')
	value, err := base64.RawURLEncoding.DecodeString(string(signed[at+1:]))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := by.key.(*ecdsa.PrivateKey); ok {
		half := len(value) / 2
		if value, err = asn1.Marshal([]*big.Int{new(big.Int).SetBytes(value[:half]), new(big.Int).SetBytes(value[half:])}); err != nil {
			t.Fatal(err)
		}
	}
	public, err := x509.MarshalPKIXPublicKey(by.cert.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{"key.der": public, "value": value, "input": signed[:at]} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.Command("openssl", append(append([]string{"dgst"}, options...), "-keyform", "DER", "-verify", "key.der", "-signature", "value", "input")...)
	command.Dir = dir
	if output, err := command.CombinedOutput(); err != nil || !strings.Contains(string(output), "Verified OK") {
		t.Errorf("openssl: %v\n%s", err, output)
	}
}

// sealed signs any header and payload with the key.
func sealed(t *testing.T, by *identity, header string) []byte {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(header)) + "." + encode([]byte("{}"))
	digest := sha256.Sum256([]byte(input))
	key, ok := by.key.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatal("no ECDSA key")
	}
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return []byte(input + "." + encode(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)))
}

// Headers that are refused although their signature is right, and those that
// are taken.
func TestHeader(t *testing.T) {
	by, other := onCurve(t, elliptic.P256()), onCurve(t, elliptic.P256())
	hashOf := func(i *identity) string {
		hash := sha256.Sum256(i.cert.Raw)
		return base64.RawURLEncoding.EncodeToString(hash[:])
	}
	now := time.Now().UTC().Truncate(time.Second)
	named := fmt.Sprintf(`"x5t#S256":%q`, hashOf(by))
	chain := func(i *identity) string {
		return fmt.Sprintf(`"x5c":[%q]`, base64.StdEncoding.EncodeToString(i.cert.Raw))
	}
	iat, sigT := fmt.Sprintf(`"iat":%d`, now.Unix()), `"sigT":"`+now.Format(time.RFC3339)+`"`
	for _, row := range []struct {
		name, header string
		reason       jose.Reason
	}{
		{"as it should be", `{"alg":"ES256",` + named + `,` + iat + `}`, ""},
		{"by its certificate", `{"alg":"ES256",` + chain(by) + `,` + iat + `}`, ""},
		{"of before iat", `{"alg":"ES256",` + named + `,` + sigT + `,"crit":["sigT"]}`, ""},
		{"an unknown word", `{"alg":"ES256",` + named + `,` + iat + `,"more":1}`, ""},
		{"none", `{"alg":"none",` + named + `,` + iat + `}`, jose.Algorithm},
		{"HMAC", `{"alg":"HS256",` + named + `,` + iat + `}`, jose.Algorithm},
		{"no algorithm", `{` + named + `,` + iat + `}`, jose.Algorithm},
		{"another curve's", `{"alg":"ES384",` + named + `,` + iat + `}`, jose.Algorithm},
		{"RSA's", `{"alg":"RS256",` + named + `,` + iat + `}`, jose.Algorithm},
		{"twice", `{"alg":"ES256","alg":"ES256",` + named + `,` + iat + `}`, jose.Malformed},
		{"no object", `["eyJ"]`, jose.Malformed},
		{"a critical unknown", `{"alg":"ES256",` + named + `,` + iat + `,"crit":["more"],"more":1}`, jose.Form},
		{"a critical absent", `{"alg":"ES256",` + named + `,` + iat + `,"crit":["sigT"]}`, jose.Form},
		{"critical nothing", `{"alg":"ES256",` + named + `,` + iat + `,"crit":[]}`, jose.Form},
		{"critical null", `{"alg":"ES256",` + named + `,` + iat + `,"crit":null}`, jose.Form},
		{"not encoded", `{"alg":"ES256",` + named + `,` + iat + `,"b64":false,"crit":["b64"]}`, jose.Form},
		{"detached", `{"alg":"ES256",` + named + `,` + iat + `,"sigD":{}}`, jose.Form},
		{"no time", `{"alg":"ES256",` + named + `}`, jose.Form},
		{"a time as text", `{"alg":"ES256",` + named + `,"iat":"1"}`, jose.Form},
		{"a time too large", `{"alg":"ES256",` + named + `,"iat":1e99}`, jose.Form},
		{"before its certificate", `{"alg":"ES256",` + named + `,"iat":1}`, jose.Form},
		{"two times", `{"alg":"ES256",` + named + `,` + sigT + `,"iat":1}`, jose.Form},
		{"no signer", `{"alg":"ES256",` + iat + `,"jwk":{}}`, jose.Form},
		{"two signers", `{"alg":"ES256",` + named + `,` + chain(other) + `,` + iat + `}`, jose.Form},
		{"another signer", `{"alg":"ES256",` + chain(other) + `,` + iat + `}`, jose.Untrusted},
	} {
		_, err := jose.Verify(sealed(t, by, row.header), []jose.Signer{by.pinned()})
		if jose.ReasonOf(err) != row.reason || (err != nil) != (row.reason != "") {
			t.Errorf("%s: refused for %q, want %q: %v", row.name, jose.ReasonOf(err), row.reason, err)
		}
	}
	good := string(sealed(t, by, `{"alg":"ES256",`+named+`,`+iat+`}`))
	for name, bad := range map[string]string{
		"a line end inside": good[:10] + "\n" + good[10:], "padding": good + "==", "four parts": good + ".e30", "a bit more": good[:len(good)-1] + string(good[len(good)-1]+1),
		"half of its value": good[:len(good)-43], "nothing": "",
	} {
		if _, err := jose.Verify([]byte(bad), []jose.Signer{by.pinned()}); err == nil {
			t.Errorf("%s: verified", name)
		}
	}
	nobody := by.pinned()
	nobody.Key = nil
	if _, err := jose.Verify([]byte(good), []jose.Signer{nobody}); jose.ReasonOf(err) != jose.Key {
		t.Errorf("a key of no known kind: %v", err)
	}
}

// FuzzVerify: what changed a signed document is refused, whatever it is.
func FuzzVerify(f *testing.F) {
	by := onCurve(f, elliptic.P256())
	signed, err := jose.Sign(jose.Request{Payload: []byte(`{"a":[1,{"b":null}]}`), Key: by.key, Certificate: by.cert, Time: time.Now()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Add([]byte("e30.e30.e30"))
	f.Add([]byte(flattened(signed)))
	f.Add([]byte(general(signed)))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := jose.Verify(data, []jose.Signer{by.pinned()})
		// In JSON, the same may be written in many ways.
		if err == nil && (jose.IsCompact(data) && !bytes.Equal(bytes.TrimRight(data, "\r\n"), signed) || string(v.Payload) != `{"a":[1,{"b":null}]}`) {
			t.Errorf("%q is verified as %q", data, v.Payload)
		}
		if err != nil && jose.ReasonOf(err) == "" {
			t.Errorf("refused without a reason: %v", err)
		}
	})
}
