package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	xocsp "golang.org/x/crypto/ocsp"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/keys"
	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/internal/problem"
)

// TestOCSPSignersRenewThemselves lets a year pass over a responder whose signers
// live for a month: those of ehm keep their key, and there is one more for clients
// that prefer its algorithm; hom's have a new key each time; and policy's are
// renewed by the ca over its API.
func TestOCSPSignersRenewThemselves(t *testing.T) {
	t.Run("OCSP-14 a year with signers of a month, without a gap", func(t *testing.T) { synctest.Test(t, yearOfSigners) })
}

func yearOfSigners(t *testing.T) {
	dir := foundCentre(t)
	ctx, stop := context.WithCancel(t.Context())
	edit(t, dir, `signer_key = "file:keys/ocsp-hom.key"`, "signer_key = \"file:keys/ocsp-hom.key\"\nrenew = \"new-key\"")
	addOther(t, ctx, dir, "ehm")
	p := withSigners(t, ctx, dir)
	defer p.close()
	client, hangUp := clientOverPipes(t, p, "ocsp")
	seen := map[string]map[string]bool{}
	keysSeen := map[string]map[string]bool{}
	for _, r := range p.signers {
		seen[signerName(r)], keysSeen[signerName(r)] = map[string]bool{}, map[string]bool{}
		if r.issuer == "policy" {
			r.issue = issueSignerOverHTTP(client)
		}
		go keepRenewed(ctx, r)
	}
	// The connection's own certificate is renewed too, and so lives for the year.
	for range 51 {
		time.Sleep(7 * 24 * time.Hour)
		synctest.Wait()
		for _, r := range p.signers {
			signer := r.current.Load()
			by := answersBy(t, p, dir, r, signer.Certificate)
			seen[signerName(r)][by.SerialNumber.String()] = true
			keysSeen[signerName(r)][string(by.RawSubjectPublicKeyInfo)] = true
			if age, life := time.Since(by.NotBefore), by.NotAfter.Sub(by.NotBefore); age > life*2/3 {
				t.Errorf("%s: signed with a certificate that is %v of %v old", signerName(r), age, life)
			}
			written, err := readCertificate(config.Path(r.file))
			if err != nil || !bytes.Equal(written.Raw, by.Raw) {
				t.Errorf("%s: the file holds another certificate than signs, %v", signerName(r), err)
			}
			if key, err := keys.Open(r.key, dir); err != nil || pki.CheckKeyPair(written, key) != nil {
				t.Errorf("%s: the file's key is not that of the certificate, %v", signerName(r), err)
			}
			if err := r.ready(ctx); err != nil {
				t.Error(err)
			}
		}
	}
	if len(seen) != 5 || seen["ehm p384"] == nil {
		t.Errorf("the signers that renew themselves are %v", slices.Collect(maps.Keys(seen)))
	}
	for name, serials := range seen {
		if len(serials) < 18 || len(serials) > 22 {
			t.Errorf("%s had %d certificates in a year", name, len(serials))
		}
		if want := map[bool]int{true: len(serials), false: 1}[name == "hom p256"]; len(keysSeen[name]) != want {
			t.Errorf("%s had %d keys with %d certificates", name, len(keysSeen[name]), len(serials))
		}
	}
	// The right to renew signers is no other right.
	refused, err := newSignerRequest(p.signers[0].current.Load().Certificate, "suite", signerProfile, p.signers[0].current.Load().Key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := issueSignerOverHTTP(client)(ctx, refused); err == nil {
		t.Errorf("a signer of %s was issued", refused.issuer)
	}
	if err := p.register.Check(ctx); err != nil {
		t.Error(err)
	}
	stop()
	hangUp()
}

func isForbidden(err error) bool {
	details, ok := errors.AsType[*problem.Details](err)
	return ok && details.Status == http.StatusForbidden
}

func signerName(r *signerRenewal) string { return r.issuer + " " + r.algorithm }

// addOther gives an issuer a second signer, for those who prefer ECDSA with
// SHA-384.
func addOther(t *testing.T, ctx context.Context, dir, issuer string) {
	t.Helper()
	p := withSigners(t, ctx, dir)
	defer p.close()
	key, err := keys.Generate("file:keys/other.key", dir, "p384")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range p.signers {
		if r.issuer != issuer {
			continue
		}
		r.file, r.issue = filepath.Join(dir, "certificates/other.pem"), issueSignerHere(p.authority, "ocsp.signer")
		// Of the same names, and no renewal yet.
		if err := r.obtain(ctx, r.current.Load().Certificate, issuer, signerProfile, func() (crypto.Signer, error) { return key, nil }); err != nil {
			t.Fatal(err)
		}
		if err := r.write(); err != nil {
			t.Fatal(err)
		}
	}
	const own = `signer_key = "file:keys/ocsp-ehm.key"
chain = "certificates/policy.pem"
`
	edit(t, dir, own, own+`
[[ocsp.issuer.other]]
signer = "certificates/other.pem"
signer_key = "file:keys/other.key"
chain = "certificates/policy.pem"
`)
}

// withSigners is a process with ca and responder.
func withSigners(t *testing.T, ctx context.Context, dir string) *process {
	t.Helper()
	p, err := newProcess(ctx, filepath.Join(dir, configFile), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, add := range []func(context.Context) error{p.addCA, p.addRA, p.addOCSP} {
		if err := add(ctx); err != nil {
			p.close()
			t.Fatal(err)
		}
	}
	return p
}

// answersBy asks the responder of a process about a certificate of the signer's
// issuer, in the way that the signer answers, holds the answer to what
// x/crypto/ocsp thinks of it, and returns who signed it.
func answersBy(t *testing.T, p *process, dir string, r *signerRenewal, about *x509.Certificate) *x509.Certificate {
	t.Helper()
	issuer := r.issuer
	above, err := readCertificate(config.Path(filepath.Join(dir, "certificates", issuer+".pem")))
	if err != nil {
		t.Fatal(err)
	}
	in, err := xocsp.CreateRequest(about, above, &xocsp.RequestOptions{Hash: crypto.SHA256})
	if err != nil {
		t.Fatal(err)
	}
	if r.algorithm == "p384" {
		in = preferring384(t, in)
	}
	request := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(in))
	request.Header.Set("Content-Type", "application/ocsp-request")
	w := httptest.NewRecorder()
	p.servers[len(p.servers)-1].Handler.ServeHTTP(w, request)
	answer, err := xocsp.ParseResponse(w.Body.Bytes(), above)
	if err != nil {
		t.Fatalf("%s: at %v: %v", issuer, time.Now(), err)
	}
	if answer.Status != xocsp.Good || answer.NextUpdate.After(answer.Certificate.NotAfter) || !time.Now().Before(answer.NextUpdate) {
		t.Errorf("%s: status %d, nextUpdate %v, the signer ends at %v", issuer, answer.Status, answer.NextUpdate, answer.Certificate.NotAfter)
	}
	return answer.Certificate
}

// preferring384 adds a preference for ECDSA with SHA-384 to a request (RFC 6960,
// Section 4.4.7).
func preferring384(t *testing.T, in []byte) []byte {
	t.Helper()
	var request struct {
		Body struct {
			List       asn1.RawValue
			Extensions []pkix.Extension `asn1:"optional,explicit,tag:2"`
		}
	}
	if rest, err := asn1.Unmarshal(in, &request); err != nil || len(rest) > 0 {
		t.Fatal(err)
	}
	type preference struct{ Signature pkix.AlgorithmIdentifier }
	value, err := asn1.Marshal([]preference{{pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}}}})
	if err != nil {
		t.Fatal(err)
	}
	request.Body.Extensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 8}, Value: value}}
	out, err := asn1.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestSignerWithNewKeyInterrupted interrupts the renewal of a signer with a new
// key between any two of its steps: whatever is left starts, with a key and the
// certificate that belongs to it.
func TestSignerWithNewKeyInterrupted(t *testing.T) {
	dir := foundCentre(t)
	edit(t, dir, `signer_key = "file:keys/ocsp-hom.key"`, "signer_key = \"file:keys/ocsp-hom.key\"\nrenew = \"new-key\"")
	at := func(name string) string { return filepath.Join(dir, name) }
	const certificate, key = "certificates/ocsp-hom.pem", "keys/ocsp-hom.key"
	start := func() *signerRenewal {
		t.Helper()
		p := withSigners(t, t.Context(), dir)
		t.Cleanup(func() { p.close() })
		for _, r := range p.signers {
			if r.issuer == "hom" {
				answersBy(t, p, dir, r, r.current.Load().Certificate)
				if err := p.close(); err != nil {
					t.Fatal(err)
				}
				return r
			}
		}
		t.Fatal("hom's signer is not renewed")
		return nil
	}
	first := start().current.Load().Certificate
	// A whole renewal, whose files are then put back to how they were after each
	// step.
	p := withSigners(t, t.Context(), dir)
	oldKey, oldCertificate := read(t, at(key)), read(t, at(certificate))
	for _, r := range p.signers {
		if r.issuer == "hom" {
			if err := r.renew(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := p.close(); err != nil {
		t.Fatal(err)
	}
	newKey, newCertificate := read(t, at(key)), read(t, at(certificate))
	for name, files := range map[string]struct {
		files map[string][]byte
		next  bool
	}{
		"the key made":                {map[string][]byte{key: oldKey, certificate: oldCertificate, key + ".next": newKey}, false},
		"the certificate written":     {map[string][]byte{key: oldKey, certificate: oldCertificate, key + ".next": newKey, certificate + ".next": newCertificate}, true},
		"the key renamed":             {map[string][]byte{key: newKey, certificate: oldCertificate, certificate + ".next": newCertificate}, true},
		"the certificate renamed too": {map[string][]byte{key: newKey, certificate: newCertificate}, true},
	} {
		for _, name := range []string{key, certificate, key + ".next", certificate + ".next"} {
			if err := os.Remove(at(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			if text, ok := files.files[name]; ok {
				if err := os.WriteFile(at(name), text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		r := start()
		if got := !r.current.Load().Certificate.Equal(first); got != files.next {
			t.Errorf("%s: the next signer signs: %v", name, got)
		}
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
