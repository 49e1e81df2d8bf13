// Package catest makes small centres for the tests of what stands in front of
// the issuing core: a root, an issuing centre, and profiles for servers and
// devices. It refuses nothing by itself and is for tests alone.
package catest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/altamga/altamga/ca"
)

// Organisation is O of every certificate of the centre.
const Organisation = "Altamqa nümayiş mərkəzi"

const authority = `
keys = ["p256"]
ca = true
key_usage = ["keyCertSign", "cRLSign"]
subject = [{ attribute = "C", value = "AZ" }, { attribute = "O", required = true }, { attribute = "CN", required = true }]
`

const leaf = `
keys = ["p256", "p384", "rsa"]
key_usage = ["digitalSignature"]
san = ["dns", "ip", "email"]
subject = [{ attribute = "C", value = "AZ" }, { attribute = "O" }, { attribute = "OU" }, { attribute = "CN" }]
`

// Profiles returns the profiles of the centre: root, issuing, server, device
// and identity, the last with a national number in it.
func Profiles(t testing.TB) *ca.Profiles {
	t.Helper()
	profiles, err := ca.LoadProfiles(fstest.MapFS{
		"root.toml":    {Data: []byte("validity = \"25y\"\nself_signed = true" + authority)},
		"issuing.toml": {Data: []byte("validity = \"10y\"\npath_length = 0" + authority)},
		"server.toml":  {Data: []byte("validity = \"90d\"\next_key_usage = [\"serverAuth\"]" + leaf)},
		"device.toml":  {Data: []byte("validity = \"1y\"\next_key_usage = [\"clientAuth\"]" + leaf)},
		"identity.toml": {Data: []byte(`
validity = "3y"
keys = ["p256"]
key_usage = ["digitalSignature"]
ext_key_usage = ["clientAuth"]
subject = [{ attribute = "C", value = "AZ" }, { attribute = "serialNumber", identifier = "PNO", required = true }, { attribute = "CN", required = true }]
`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return profiles
}

// Centre is an authority with one issuer for servers and devices, "devices".
type Centre struct {
	// Authority does what the test asks for itself.
	*ca.Authority
	// Doors is the same authority for the doors that clients come in by: it
	// wants them admitted. Persons, named by the header Actor, confirm at its own
	// HTTP interface.
	Doors *ca.Authority
	// Rate bounds the requests of each client: in a minute, and at once, so that
	// slow machines are refused as soon. Default 10,000 both.
	Rate          atomic.Int32
	Root, Issuing *x509.Certificate
	audit         *lines
}

type lines struct {
	mu   sync.Mutex
	text []string
}

func (l *lines) write(_ context.Context, action string, attrs ...slog.Attr) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, fmt.Sprint(action, " ", attrs))
	return nil
}

// Audit returns the audit lines written so far.
func (c *Centre) Audit() string {
	c.audit.mu.Lock()
	defer c.audit.mu.Unlock()
	return strings.Join(c.audit.text, "\n")
}

// New builds a centre on an empty register. Every certificate passes lint.
func New(t testing.TB, register ca.Register, lint func(*x509.Certificate) error) *Centre {
	t.Helper()
	c := &Centre{audit: new(lines)}
	c.Rate.Store(10_000)
	config := ca.Config{Profiles: Profiles(t), Register: register, Lint: lint, Audit: c.audit.write}
	root := ca.Issuer{ID: "root", Key: Key(t), Profiles: []string{"root", "issuing"}}
	devices := ca.Issuer{ID: "devices", Key: Key(t), Profiles: []string{"server", "device", "identity"}}
	open := func(issuers ...ca.Issuer) *ca.Authority {
		config.Issuers = issuers
		a, err := ca.New(config)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	subject := func(name string) map[string]string { return map[string]string{"O": Organisation, "CN": name} }
	root.Certificate = Issue(t, open(root), ca.Request{Issuer: "root", Profile: "root", Subject: subject("Root")})
	devices.Certificate = Issue(t, open(root), ca.Request{Issuer: "root", Profile: "issuing", PublicKey: devices.Key.Public(), Subject: subject("Devices")})
	devices.Chain = []*x509.Certificate{root.Certificate}
	c.Root, c.Issuing, c.Authority = root.Certificate, devices.Certificate, open(root, devices)
	config.Access.Rate = func(string) (float64, int) { return float64(c.Rate.Load()) / 60, int(c.Rate.Load()) }
	config.Access.Pending, _ = register.(ca.PendingStore)
	config.Actor = func(r *http.Request) string { return r.Header.Get("Actor") }
	c.Doors = open(root, devices)
	return c
}

// Issue takes a request through the authority.
func Issue(t testing.TB, authority *ca.Authority, request ca.Request) *x509.Certificate {
	t.Helper()
	if request.Actor == "" {
		request.Actor = "test"
	}
	prepared, err := authority.Prepare(t.Context(), request)
	if err != nil {
		t.Fatalf("Prepare: %v", err)
	}
	issued, err := authority.Issue(t.Context(), prepared)
	if err != nil {
		t.Fatalf("Issue: %v", err)
	}
	certificate, err := issued.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// Server returns what a TLS server on loopback shows.
func (c *Centre) Server(t testing.TB) tls.Certificate {
	key := Key(t)
	return c.pair(Issue(t, c.Authority, ca.Request{Issuer: "devices", Profile: "server", PublicKey: key.Public(),
		Subject: map[string]string{"O": Organisation}, DNSNames: []string{"localhost"}, IPAddresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}), key)
}

// Client returns what a TLS client of that common name shows.
func (c *Centre) Client(t testing.TB, name string) tls.Certificate {
	key := Key(t)
	return c.pair(Issue(t, c.Authority, ca.Request{Issuer: "devices", Profile: "device", PublicKey: key.Public(),
		Subject: map[string]string{"O": Organisation, "CN": name}}), key)
}

func (c *Centre) pair(certificate *x509.Certificate, key crypto.Signer) tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{certificate.Raw, c.Issuing.Raw}, PrivateKey: key, Leaf: certificate}
}

// TLS returns the configuration of a listener that verifies the certificates
// of clients that have one.
func (c *Centre) TLS(t testing.TB) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.Server(t)}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: c.Pool(), MinVersion: tls.VersionTLS12}
}

// Pool holds the root.
func (c *Centre) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.Root)
	return pool
}

// Key makes a P-256 key.
func Key(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// CSR makes a certification request in DER.
func CSR(t testing.TB, key crypto.Signer, template x509.CertificateRequest) []byte {
	t.Helper()
	raw, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// PEM writes blocks of one kind.
func PEM(kind string, blocks ...[]byte) []byte {
	var text []byte
	for _, block := range blocks {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: block})...)
	}
	return text
}

// Files writes a TLS certificate with its chain, and its key, to files of a
// folder, for tools that read them from there.
func Files(t testing.TB, dir, name string, pair tls.Certificate) (certificate, key string) {
	t.Helper()
	pkcs8, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	for path, text := range map[string][]byte{certificate: PEM("CERTIFICATE", pair.Certificate...), key: PEM("PRIVATE KEY", pkcs8)} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}

// Hex writes octets in lower-case hexadecimal.
func Hex(octets []byte) string { return fmt.Sprintf("%x", octets) }
