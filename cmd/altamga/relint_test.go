package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/journal"
	zlint "github.com/altamga/altamga/internal/lint"
	"github.com/altamga/altamga/internal/register"
)

// manyIssued is how many certificates TestRelint issues. The race detector has
// seen all there is with fewer; make test runs it once more without.
func manyIssued() int {
	if raced || testing.Short() {
		return 400
	}
	return 10_000
}

// press issues certificates of every profile, in process, into a register.
type press struct {
	*ca.Authority
	register *register.Register
	other    *x509.Certificate // of another country's authority
	rsaKey   crypto.Signer
	// self are the certificates that issuers gave themselves.
	self map[string]int
}

func newPress(t *testing.T, dir string) *press {
	t.Helper()
	ctx := t.Context()
	opened, err := register.Open(ctx, filepath.Join(dir, "register.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { opened.Close() })
	profiles, err := ca.BuiltinProfiles()
	if err != nil {
		t.Fatal(err)
	}
	config := ca.Config{Profiles: profiles, Register: opened, Lint: zlint.Certificate, Shape: zlint.Shape,
		Audit: func(context.Context, string, ...slog.Attr) error { return nil }}
	p := &press{register: opened, self: map[string]int{}, rsaKey: newKey(t, "rsa")}
	once := func(issuer ca.Issuer, request ca.Request) *x509.Certificate {
		t.Helper()
		config.Issuers = []ca.Issuer{issuer}
		authority, err := ca.New(config)
		if err != nil {
			t.Fatal(err)
		}
		p.self[request.Profile]++
		return issueNow(t, authority, request)
	}
	found := func(id, profile, key, name string, more ...string) ca.Issuer {
		t.Helper()
		issuer := ca.Issuer{ID: id, Key: newKey(t, key), Profiles: []string{profile}, PSS: key == "rsa"}
		issuer.Certificate = once(issuer, ca.Request{Issuer: id, Profile: profile, Subject: map[string]string{"O": "Mərkəz", "CN": name}})
		return addressed(issuer, more...)
	}
	below := func(parent ca.Issuer, id, profile, key, name string, more ...string) ca.Issuer {
		t.Helper()
		// What was issued is verified when it is judged.
		issuer := ca.Issuer{ID: id, Key: newKey(t, key), PSS: key == "rsa", Unverified: true}
		issuer.Certificate = once(parent, ca.Request{Issuer: parent.ID, Profile: profile, PublicKey: issuer.Key.Public(), Subject: map[string]string{"O": "Mərkəz", "CN": name, "voen": "1400057421"}})
		issuer.Chain = append([]*x509.Certificate{parent.Certificate}, parent.Chain...)
		return addressed(issuer, more...)
	}
	root := found("root", "root", "p384", "Kök", "policy", "cross", "link")
	policy := below(root, "policy", "policy", "rsa", "Siyasət", "issuing", "tsa-signer", "trust-list-signer", "package-signer", "crl-signer")
	var persons []string
	for _, name := range profiles.Names() {
		if profile, _ := profiles.Lookup(name); !profile.CA && !strings.HasPrefix(name, "suite-") {
			persons = append(persons, name)
		}
	}
	ehm := below(policy, "ehm", "issuing", "p256", "EHM", persons...)
	hom := below(policy, "hom", "issuing", "p384", "HOM", persons...)
	suite := found("suite", "suite-root", "ed25519", "Suite", "suite-server", "suite-client")
	config.Issuers = []ca.Issuer{root, policy, ehm, hom, suite}
	if p.Authority, err = ca.New(config); err != nil {
		t.Fatal(err)
	}
	p.other = otherRoot(t)
	return p
}

// addressed gives an issuer its profiles and the addresses that go into what it
// issues: one like the Azerbaijani root's, with spaces and parentheses.
func addressed(issuer ca.Issuer, profiles ...string) ca.Issuer {
	base := "http://crl.example/cdp/AZ%20" + issuer.ID + "%20(RCA)"
	issuer.Profiles, issuer.OCSP, issuer.CRL, issuer.FreshestCRL, issuer.CAIssuers = profiles, "http://ocsp.example/", base+".crl", base+"+.crl", base+".cer"
	return issuer
}

func issueNow(t testing.TB, authority *ca.Authority, request ca.Request) *x509.Certificate {
	t.Helper()
	prepared, err := authority.Prepare(t.Context(), request)
	if err != nil {
		t.Fatalf("%s: %v", request.Profile, err)
	}
	issued, err := authority.Issue(t.Context(), prepared)
	if err != nil {
		t.Fatalf("%s: %v", request.Profile, err)
	}
	certificate, err := issued.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func newKey(t testing.TB, kind string) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch kind {
	case "p256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "p384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "p521":
		key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, 3072)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// otherRoot is the self-signed authority of another country.
func otherRoot(t *testing.T) *x509.Certificate {
	t.Helper()
	key := newKey(t, "p384")
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Country: []string{"KZ"}, Organization: []string{"Tanıtım"}, CommonName: "KZ Root"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
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

// request is the n-th request for a profile.
func (p *press) request(t testing.TB, profile string, n int) ca.Request {
	kinds := []string{"p256", "p256", "p256", "p384", "p521"}
	r := ca.Request{Issuer: []string{"ehm", "hom"}[n%2], Profile: profile, Actor: "press", Subject: map[string]string{
		"givenName": "Gülşən", "surname": fmt.Sprintf("Çıraqlı %d", n), "fin": fmt.Sprintf("A%06d", n)}}
	organisation := func() { r.Subject["O"], r.Subject["voen"] = "Nümunə MMC", "1400057421" }
	switch profile {
	case "policy", "cross", "link":
		r.Issuer = "root"
	case "issuing":
		r.Issuer = "policy"
	case "tsa-signer", "trust-list-signer", "package-signer", "crl-signer":
		r.Issuer = "policy"
	case "suite-server", "suite-client":
		r.Issuer = "suite"
	}
	switch profile {
	case "entrepreneur-signature", "entrepreneur-authentication":
		r.Subject["voen"] = "1400057422"
	case "legal-person-signature", "legal-person-authentication", "government-signature", "government-authentication":
		organisation()
	case "seal-right":
		organisation()
		r.Subject["title"] = "Direktor"
	case "non-resident-signature", "non-resident-authentication":
		delete(r.Subject, "fin")
		r.Subject["passport"], r.Subject["passport_country"] = fmt.Sprintf("U%08d", n), "TR"
	case "virtual-pin-signature", "virtual-pin-authentication":
		delete(r.Subject, "fin")
		r.Subject["virtual_pin"] = fmt.Sprintf("V%07d", n)
	case "organisation-seal", "policy", "issuing", "ocsp-signer", "ocsp-signer-offline", "tsa-signer", "trust-list-signer", "package-signer":
		r.Subject = map[string]string{"CN": fmt.Sprintf("Xidmət %d", n)}
		organisation()
	case "crl-signer":
		r.Subject = map[string]string{"O": "Nümunə MMC", "CN": fmt.Sprintf("Siyahılar %d", n)}
	case "suite-server":
		r.Subject = nil
		r.DNSNames, r.IPAddresses = []string{fmt.Sprintf("s%d.example", n)}, []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	case "suite-client":
		r.Subject = map[string]string{"CN": fmt.Sprintf("client %d", n)}
	case "cross", "link":
		r.Subject, r.Authority = nil, p.other
		return r
	case "mobile-authentication":
		kinds = []string{"p256", "p384"}
	default:
		kinds = append(kinds, "ed25519")
	}
	r.PublicKey = newKey(t, kinds[n%len(kinds)]).Public()
	if profile == "citizen-authentication" && n < 20 {
		// Making RSA keys takes long; one may be certified again for the same
		// person and purpose.
		r.PublicKey = p.rsaKey.Public()
		r.Subject["surname"], r.Subject["fin"] = "Çıraqlı", "A000000"
		if n%2 == 0 {
			raw, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, newKey(t, "p256"))
			if err != nil {
				t.Fatal(err)
			}
			r.PublicKey, r.CSR = nil, raw
		}
	}
	return r
}

// issueMany issues n certificates or a few more, over all profiles in turn, and
// counts them.
func (p *press) issueMany(t *testing.T, n int) (profiles map[string]int) {
	t.Helper()
	builtin, err := ca.BuiltinProfiles()
	if err != nil {
		t.Fatal(err)
	}
	// The authorities gave themselves what only they can.
	names := slices.DeleteFunc(builtin.Names(), func(name string) bool { return name == "root" || name == "suite-root" })
	profiles = map[string]int{}
	for name, times := range p.self {
		profiles[name] = times
	}
	var mu sync.Mutex
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 32 {
		workers.Go(func() {
			for !t.Failed() {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				name := names[i%len(names)]
				request := p.request(t, name, i/len(names))
				prepared, err := p.Prepare(t.Context(), request)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				if _, err := p.Issue(t.Context(), prepared); err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				mu.Lock()
				profiles[name]++
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	return profiles
}

// TestRelint issues certificates of every profile, ten thousand of them, and
// finds nothing wrong with any. They were issued with zlint by shape, and are
// judged one by one.
func TestRelint(t *testing.T) {
	dir := t.TempDir()
	p := newPress(t, dir)
	began := time.Now()
	want := manyIssued()
	profiles := p.issueMany(t, want)
	if t.Failed() {
		return
	}
	total := 0
	builtin, err := ca.BuiltinProfiles()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range builtin.Names() {
		if profiles[name] == 0 {
			t.Errorf("nothing of profile %s was issued", name)
		}
		total += profiles[name]
	}
	if total < want {
		t.Errorf("%d certificates were issued, fewer than %d", total, want)
	}
	t.Logf("%d certificates of %d profiles in %v", total, len(profiles), time.Since(began).Round(time.Millisecond))

	began = time.Now()
	code, out, errs := relint(t, dir)
	t.Logf("judged in %v", time.Since(began).Round(time.Millisecond))
	if code != 0 || out != fmt.Sprintf("%d certificates, 0 findings\n", total) || errs != "" {
		t.Fatalf("exit %d\n%.2000s%.2000s", code, out, errs)
	}
}

// relint judges what is in the register of a folder.
func relint(t *testing.T, dir string) (code int, out, errs string) {
	t.Helper()
	file := filepath.Join(dir, "relint.toml")
	if err := os.WriteFile(file, []byte("[register]\npath = \"register.db\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var o, e bytes.Buffer
	code = run(t.Context(), []string{"ca", "relint", "-c", file}, streams{out: &o, err: &e})
	return code, o.String(), e.String()
}

// TestRelintFinds plants a certificate that is wrong among others.
func TestRelintFinds(t *testing.T) {
	dir := t.TempDir()
	p := newPress(t, dir)
	total := 0
	for _, n := range p.issueMany(t, 30) {
		total += n
	}
	t.Run("a certificate that is wrong is found, by serial, profile, id and clause", func(t *testing.T) {
		serial := p.plant(t)
		code, out, errs := relint(t, dir)
		if code != 1 || strings.Count(out, string(serial)+" ehm citizen-signature: ") < 2 ||
			!strings.Contains(out, "CERT-34: serialNumber is not a FİN in capitals (ETSI EN 319 412-1, Section 5.1)") ||
			!strings.Contains(out, "signature: its issuer's key did not make it") {
			t.Errorf("exit %d\n%s", code, out)
		}
		if !strings.Contains(out, fmt.Sprintf("%d certificates, ", total+2)) || !strings.Contains(errs, "1 of ") || !strings.Contains(errs, "hint: ") {
			t.Errorf("got %s%s", out, errs)
		}
	})
	t.Run("a configuration without a register", func(t *testing.T) {
		file := filepath.Join(dir, "empty.toml")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		var o, e bytes.Buffer
		if code := run(t.Context(), []string{"ca", "relint", "-c", file}, streams{out: &o, err: &e}); code != 1 || !strings.Contains(e.String(), "no section [register]") {
			t.Errorf("exit %d: %s", code, &e)
		}
	})
}

// plant puts a certificate into the register that no authority of today would
// issue: the FİN of a good one has a letter that no FİN has.
func (p *press) plant(t *testing.T) journal.Serial {
	t.Helper()
	certificate := issueNow(t, p.Authority, ca.Request{Issuer: "ehm", Profile: "citizen-signature", PublicKey: newKey(t, "p256").Public(),
		Subject: map[string]string{"givenName": "a", "surname": "b", "fin": "1ABC2D3"}})
	serial := certificate.SerialNumber.FillBytes(make([]byte, 16))
	fresh := slices.Clone(serial)
	fresh[15] ^= 1
	raw := bytes.Replace(certificate.Raw, []byte("PNOAZ-1ABC2D3"), []byte("PNOAZ-1ABCO23"), 1)
	raw = bytes.Replace(raw, serial, fresh, 1)
	wrong, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	intent := journal.Intent{Serial: journal.SerialOf(wrong.SerialNumber), Issuer: "ehm", Profile: "citizen-signature",
		ToBeSigned: wrong.RawTBSCertificate, NotAfter: wrong.NotAfter, Actor: "press"}
	if err := p.register.Reserve(t.Context(), intent); err != nil {
		t.Fatal(err)
	}
	if _, err := p.register.Complete(t.Context(), intent.Serial, raw, nil); err != nil {
		t.Fatal(err)
	}
	return intent.Serial
}
