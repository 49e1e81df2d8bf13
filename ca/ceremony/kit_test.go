package ceremony_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/ca/ceremony"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/keys"
	"github.com/altamga/altamga/internal/lint"
	"github.com/altamga/altamga/internal/pki"
	sqlite "github.com/altamga/altamga/internal/register"
)

// table is a ceremony's folder with the real register, keys and lints.
type table struct {
	t   testing.TB
	dir string
	out bytes.Buffer
	// officers hold their keys at home.
	officers map[string]crypto.Signer
	// reached is told of each durable effect.
	reached func(string)
	// signed is the file that notes what the keys signed; empty for none.
	signed string
	stamps ceremony.Stamps
}

func newTable(t testing.TB, plan string) *table {
	t.Helper()
	b := &table{t: t, dir: t.TempDir(), officers: map[string]crypto.Signer{}}
	for _, folder := range []string{"keys", "officers"} {
		if err := os.Mkdir(filepath.Join(b.dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"first", "second", "third"} {
		b.officers[name] = newKey(t)
		b.write("officers/"+name+".pem", pemOf(t, b.officers[name].Public()))
	}
	b.write("plan.toml", []byte(plan))
	return b
}

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pemOf(t testing.TB, public crypto.PublicKey) []byte {
	t.Helper()
	encoded, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: encoded})
}

func (b *table) path(name string) string { return filepath.Join(b.dir, name) }

func (b *table) write(name string, data []byte) {
	b.t.Helper()
	if err := os.WriteFile(b.path(name), data, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func (b *table) read(name string) []byte {
	b.t.Helper()
	data, err := os.ReadFile(b.path(name))
	if err != nil {
		b.t.Fatal(err)
	}
	return data
}

// plan is a plan as the command reads it.
type plan struct{ ceremony.Plan }

func (p *plan) Validate() error {
	var faults []error
	for _, f := range p.Check() {
		faults = append(faults, config.Wrong(f.Key, "%s", f.Detail))
	}
	return errors.Join(faults...)
}

func (b *table) load() (*ceremony.Plan, []byte, error) {
	text, err := os.ReadFile(b.path("plan.toml"))
	if err != nil {
		return nil, nil, err
	}
	var p plan
	return &p.Plan, text, config.Parse("plan.toml", text, &p)
}

func (b *table) config() (ceremony.Config, error) {
	p, text, err := b.load()
	if err != nil {
		return ceremony.Config{}, err
	}
	profiles, err := ca.BuiltinProfiles()
	if err != nil {
		return ceremony.Config{}, err
	}
	c := ceremony.Config{
		Plan: p, Text: text, Name: "plan.toml", Dir: b.dir, Profiles: profiles, Keys: keyFiles{b},
		Register: func(ctx context.Context) (ceremony.Register, error) {
			opened, err := sqlite.Open(ctx, filepath.Join(b.dir, p.Register))
			return stored{opened}, err
		},
		Lint: lint.Certificate, Lists: handMade{}, Stamps: b.stamps, Tool: "test", Host: "the table", Out: &b.out,
	}
	c.Reached(b.reached)
	return c, nil
}

func (b *table) open() (*ceremony.Ceremony, error) {
	c, err := b.config()
	if err != nil {
		return nil, err
	}
	return ceremony.New(c)
}

func (b *table) run() error {
	c, err := b.open()
	if err != nil {
		return err
	}
	return c.Run(context.Background())
}

// confirm has officers confirm the plan as it stands.
func (b *table) confirm(names ...string) {
	b.t.Helper()
	p, text, err := b.load()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.MkdirAll(b.path(p.Confirmations), 0o755); err != nil {
		b.t.Fatal(err)
	}
	for _, name := range names {
		c, err := ceremony.Confirm(p, b.dir, "plan.toml", text, b.officers[name], time.Now())
		if err != nil {
			b.t.Fatal(err)
		}
		data, err := c.Encode()
		if err != nil {
			b.t.Fatal(err)
		}
		b.write(p.Confirmations+"/"+name+".json", data)
	}
}

// verify returns the faults that a verification finds.
func (b *table) verify(change ...func(*ceremony.Verification)) string {
	b.t.Helper()
	p, _, err := b.load()
	if err != nil {
		b.t.Fatal(err)
	}
	v := ceremony.Verification{Minutes: ceremony.MinutesFile(p, b.dir), Stamps: b.stamps}
	for _, c := range change {
		c(&v)
	}
	report, err := ceremony.Verify(v)
	if err != nil {
		b.t.Fatal(err)
	}
	return strings.Join(report.Faults, "\n")
}

func (b *table) lines() []ceremony.Line {
	b.t.Helper()
	p, _, err := b.load()
	if err != nil {
		b.t.Fatal(err)
	}
	data, err := os.ReadFile(ceremony.MinutesFile(p, b.dir))
	if err != nil {
		b.t.Fatal(err)
	}
	lines, err := ceremony.ParseMinutes(data)
	if err != nil {
		b.t.Fatal(err)
	}
	return lines
}

// stored is the real register in the ceremony's words.
type stored struct{ *sqlite.Register }

func (s stored) List(ctx context.Context, issuer string) (ceremony.Snapshot, error) {
	snapshot, err := s.Register.List(ctx, issuer)
	return ceremony.Snapshot(snapshot), err
}

// keyFiles are the real key files; what they sign is noted, durably, before the
// signature is given out.
type keyFiles struct{ *table }

func (k keyFiles) Open(uri string) (crypto.Signer, error) {
	key, err := keys.Open(uri, k.dir)
	if err != nil {
		return nil, err
	}
	return noting{key, k.table}, nil
}

func (k keyFiles) Generate(uri, algorithm string) (crypto.Signer, error) {
	key, err := keys.Generate(uri, k.dir, algorithm)
	if err != nil {
		return nil, err
	}
	return noting{key, k.table}, nil
}

type noting struct {
	crypto.Signer
	table *table
}

func (n noting) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if n.table.signed != "" {
		f, err := os.OpenFile(n.table.signed, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return nil, err
		}
		fmt.Fprintln(f, hex.EncodeToString(digest))
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return nil, err
		}
	}
	signature, err := n.Signer.Sign(random, digest, opts)
	if n.table.reached != nil {
		// Here the signature has left the key and nobody else knows.
		n.table.reached("key has signed")
	}
	return signature, err
}

// handMade makes lists with the standard library: the package that makes the
// real ones is a sibling, and the command's stories run with it.
type handMade struct{}

type handMadeList struct {
	tbs         []byte
	certificate *x509.Certificate
	key         crypto.Signer
}

func (handMade) Prepare(certificate *x509.Certificate, key crypto.Signer, s ceremony.Snapshot, validity time.Duration) (ceremony.List, error) {
	throwAway, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	issuer := *certificate
	issuer.PublicKey = throwAway.Public()
	encoded, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: new(big.Int).SetUint64(s.Number), ThisUpdate: s.At,
		NextUpdate: s.At.Add(validity), RevokedCertificateEntries: s.Entries}, &issuer, throwAway)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseRevocationList(encoded)
	if err != nil {
		return nil, err
	}
	return handMadeList{parsed.RawTBSRevocationList, certificate, key}, lint.CRL(parsed)
}

func (handMade) Resume(certificate *x509.Certificate, key crypto.Signer, tbs []byte) (ceremony.List, error) {
	return handMadeList{tbs, certificate, key}, nil
}

func (l handMadeList) ToBeSigned() []byte { return l.tbs }

func (l handMadeList) Sign(ctx context.Context, audit ceremony.Audit) ([]byte, error) {
	if err := audit(ctx, "crl.sign", slog.String("by", "hand")); err != nil {
		return nil, err
	}
	signature, err := pki.Sign(rand.Reader, l.key, l.tbs)
	if err != nil {
		return nil, err
	}
	algorithm, _, err := pki.SignatureAlgorithm(l.key.Public())
	if err != nil {
		return nil, err
	}
	b := cryptobyte.NewBuilder(nil)
	pki.AddSigned(b, l.tbs, algorithm, signature)
	return b.Bytes()
}

// header of the plans of these tests.
const header = `
ceremony = "test"
title = "A test"
not_before = 2020-01-01T00:00:00Z
not_after = 2099-01-01T00:00:00Z
register = "register.db"
confirmations = "confirmations"
minutes = "minutes"
required = 2
operator = "third"
host = true
`

const people = `
[[officer]]
name = "first"
key = "officers/first.pem"
[[officer]]
name = "second"
key = "officers/second.pem"
[[officer]]
name = "third"
key = "officers/third.pem"
`

// founding makes a root, a policy authority below it, and a list, and seals
// the minutes with a key of its own.
const founding = header + `seal = "seal"
` + people + `
[[key]]
name = "root"
uri = "file:keys/root.key"
algorithm = "p256"
[[key]]
name = "policy"
uri = "file:keys/policy.key"
algorithm = "p256"
[[key]]
name = "seal"
uri = "file:keys/seal.key"
algorithm = "p256"
[[authority]]
id = "root"
key = "root"
certificate = "out/root.pem"
crl = "http://crl.example/root.crl"
ca_issuers = "http://crl.example/root.cer"
ocsp = "http://ocsp.example/"
[[authority]]
id = "policy"
key = "policy"
certificate = "out/policy.pem"
crl = "http://crl.example/policy.crl"
ca_issuers = "http://crl.example/policy.cer"
ocsp = "http://ocsp.example/"
[[step]]
id = "root-key"
do = "generate"
key = "root"
[[step]]
id = "policy-key"
do = "generate"
key = "policy"
[[step]]
id = "seal-key"
do = "generate"
key = "seal"
[[step]]
id = "root"
do = "root"
for = "root"
profile = "root"
subject = { O = "Sınaq", CN = "Sınaq Kök" }
[[step]]
id = "policy"
do = "certify"
by = "root"
for = "policy"
key = "policy"
profile = "policy"
subject = { O = "Sınaq", CN = "Sınaq Siyasət" }
[[step]]
id = "request"
do = "request"
key = "policy"
subject = { C = "AZ", O = "Sınaq", CN = "Sınaq Siyasət" }
output = "out/policy.csr"
[[step]]
id = "list"
do = "crl"
by = "root"
validity = "720h"
output = "out/root.crl"
[[step]]
id = "revoke"
do = "revoke"
by = "root"
certificate = "out/policy.pem"
reason = "cessationOfOperation"
[[step]]
id = "list-2"
do = "crl"
by = "root"
validity = "720h"
output = "out/root-2.crl"
`
