package crl_test

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
	"encoding/pem"
	"log/slog"
	"maps"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/altamga/altamga/crl"
	"github.com/altamga/altamga/internal/lint"
)

// centre is a small certificate centre: an authority, a register and a folder.
type centre struct {
	crl.Config
	*register
	ca  *x509.Certificate
	key crypto.Signer
}

// newCentre returns a centre with one issuing authority, "ehm".
func newCentre(t testing.TB, key crypto.Signer) *centre {
	t.Helper()
	ca := authority(t, "Elektron Hökumət Mərkəzi (nümunə)", key, x509.KeyUsageCertSign|x509.KeyUsageCRLSign)
	if counted, ok := key.(*counting); ok {
		counted.n.Store(0) // the certificate's own signature
	}
	r := &register{}
	return &centre{
		register: r, ca: ca, key: key,
		Config: crl.Config{
			Issuers: []crl.Issuer{{ID: "ehm", Certificate: ca, Key: key, Place: crl.Place{Path: "ehm.crl"}, CertificatePath: "ehm.cer"}},
			Source:  r, Journal: r,
			Lint:  lint.CRL,
			Audit: func(context.Context, string, ...slog.Attr) error { return nil },
			Dir:   t.TempDir(),
		},
	}
}

// publisher returns a publisher of the centre's lists.
func (c *centre) publisher(t testing.TB) *crl.Publisher {
	t.Helper()
	p, err := crl.New(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// publish publishes a list and returns it as a relying party reads it.
func (c *centre) publish(t testing.TB, p *crl.Publisher) *x509.RevocationList {
	t.Helper()
	if err := p.Publish(t.Context(), "ehm"); err != nil {
		t.Fatal(err)
	}
	return c.published(t)
}

// published returns the list in the folder after checking its signature.
func (c *centre) published(t testing.TB) *x509.RevocationList {
	t.Helper()
	encoded, err := os.ReadFile(filepath.Join(c.Dir, "ehm.crl"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := x509.ParseRevocationList(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if err := list.CheckSignatureFrom(c.ca); err != nil {
		t.Fatal(err)
	}
	return list
}

func p256(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// authority returns a self-signed authority's certificate of one year.
func authority(t testing.TB, name string, key crypto.Signer, usage x509.KeyUsage) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Country: []string{"AZ"}, CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: usage,
	}
	return certificate(t, template, template, key.Public(), key)
}

func certificate(t testing.TB, template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	t.Helper()
	encoded, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// register is a small real register: numbers are journal positions, and a list
// is the fold of what stands up to one.
type register struct {
	mu      sync.Mutex
	journal []crl.Change
	// history is what was said of which certificate at which position; Removed
	// for one that was released, or dropped after its end.
	history []event
	at      time.Time // of numbers; zero is now
	err     error     // of all methods
	// last and before are the numbers of the last published lists, which were
	// numbered under the name of series.
	last, before uint64
	series       string
	// spoil may change what Each gives.
	spoil func([]crl.Entry) []crl.Entry
	// limit, when not 0, is how many changes are given at once; none when it is
	// negative.
	limit  int
	tables int // how often Each was called
	grown  chan struct{}
}

type event struct {
	position uint64
	issuer   string
	crl.Entry
	expired bool
}

func (r *register) append(c crl.Change) uint64 {
	last := uint64(0)
	if n := len(r.journal); n > 0 {
		last = r.journal[n-1].Position
	}
	c.Position = last + 1
	r.journal = append(r.journal, c)
	if r.grown != nil {
		close(r.grown)
		r.grown = nil
	}
	return c.Position
}

// put appends a change of status and makes it an entry of the next list.
func (r *register) put(e crl.Entry) { r.putOf("ehm", e) }

// putOf does for another authority.
func (r *register) putOf(issuer string, e crl.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = append(r.history, event{r.append(crl.Change{Issuer: issuer, Status: true}), issuer, e, false})
}

// take lifts the hold of a certificate.
func (r *register) take(serial int64) { r.put(entry(serial, crl.Removed)) }

// expire notes that a certificate has reached its end.
func (r *register) expire(serial int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = append(r.history, event{r.append(crl.Change{Issuer: "ehm"}), "ehm", crl.Entry{Serial: big.NewInt(serial).Bytes()}, true})
}

// issue appends a change that no list tells of.
func (r *register) issue(issuer string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.append(crl.Change{Issuer: issuer})
}

func (r *register) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

func (r *register) Number(_ context.Context, issuer string) (crl.Numbered, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return crl.Numbered{}, r.err
	}
	at := r.at
	if at.IsZero() {
		at = time.Now()
	}
	n := crl.Numbered{Number: r.append(crl.Change{Issuer: issuer}), At: at}
	if r.series == issuer {
		n.Published, n.Before = r.last, r.before
	}
	return n, nil
}

// at folds the history up to a point.
func (r *register) fold(issuer string, at crl.Point) map[string]crl.Entry {
	list := make(map[string]crl.Entry)
	for _, e := range r.history {
		serial := string(e.Serial)
		switch {
		case e.issuer != issuer:
		case e.expired && e.position <= at.Dropped, !e.expired && e.Reason == crl.Removed && e.position <= at.Number:
			delete(list, serial)
		case !e.expired && e.position <= at.Number:
			list[serial] = e.Entry
			if e.Since.After(at.At) {
				// The clock was set back.
				e.Since = at.At
				list[serial] = e.Entry
			}
		}
	}
	return list
}

func (r *register) Each(_ context.Context, issuer string, at crl.Point, do func(crl.Entry) error) error {
	r.mu.Lock()
	r.tables++
	err, entries := r.err, slices.SortedFunc(maps.Values(r.fold(issuer, at)), func(a, b crl.Entry) int { return bytes.Compare(a.Serial, b.Serial) })
	if r.spoil != nil {
		entries = r.spoil(entries)
	}
	r.mu.Unlock()
	for _, e := range entries {
		if err == nil {
			err = do(e)
		}
	}
	return err
}

func (r *register) Changes(_ context.Context, issuer string, from, to crl.Point, limit int) ([]crl.Entry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	touched, list := make(map[string]bool), r.fold(issuer, to)
	for _, e := range r.history {
		if e.issuer != issuer {
			continue
		}
		if e.expired && e.position > from.Dropped && e.position <= to.Dropped || !e.expired && e.position > from.Number && e.position <= to.Number {
			touched[string(e.Serial)] = true
		}
	}
	var changes []crl.Entry
	for _, serial := range slices.Sorted(maps.Keys(touched)) {
		e, listed := list[serial]
		if !listed {
			e = crl.Entry{Serial: []byte(serial), Since: to.At, Reason: crl.Removed}
		}
		changes = append(changes, e)
	}
	if r.limit != 0 {
		limit = min(limit, r.limit)
	}
	if len(changes) > limit {
		return nil, crl.ErrTooMany
	}
	return changes, r.err
}

func (r *register) Told(_ context.Context, issuer string, serial []byte, at crl.Point) (crl.Entry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, listed := r.fold(issuer, at)[string(serial)]; listed {
		return e, r.err
	}
	return crl.Entry{Serial: serial, Reason: crl.Removed}, r.err
}

func (r *register) Published(_ context.Context, issuer string, number uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.series != issuer {
		r.series, r.before, r.last = issuer, 0, 0
	}
	if r.err == nil && number > r.last {
		r.before, r.last = r.last, number
	}
	return r.err
}

func (r *register) Entries(_ context.Context, after uint64, limit int) ([]crl.Change, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return nil, r.err
	}
	i := slices.IndexFunc(r.journal, func(c crl.Change) bool { return c.Position > after })
	if i < 0 {
		return nil, nil
	}
	return slices.Clone(r.journal[i:min(len(r.journal), i+limit)]), nil
}

func (r *register) Wait(ctx context.Context, after uint64) error {
	for {
		r.mu.Lock()
		if n := len(r.journal); n > 0 && r.journal[n-1].Position > after {
			r.mu.Unlock()
			return nil
		}
		if r.grown == nil {
			r.grown = make(chan struct{})
		}
		grown := r.grown
		r.mu.Unlock()
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// entry is an entry of a serial that took effect a minute ago.
func entry(serial int64, reason int, invalid ...time.Time) crl.Entry {
	e := crl.Entry{Serial: big.NewInt(serial).Bytes(), Since: time.Now().Add(-time.Minute), Reason: reason}
	if len(invalid) > 0 {
		e.InvalidityDate = invalid[0]
	}
	return e
}

// openssl runs the command and returns what it printed and whether it
// succeeded.
func openssl(t testing.TB, args ...string) (string, bool) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	out, err := exec.Command("openssl", args...).CombinedOutput()
	return string(out), err == nil
}

func writePEM(t testing.TB, name, kind string, encoded []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: encoded}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// keysOf returns a key of every kind that lists are signed with.
func keysOf(t testing.TB) map[string]crypto.Signer {
	t.Helper()
	keys := map[string]crypto.Signer{"p256": p256(t)}
	for name, curve := range map[string]elliptic.Curve{"p384": elliptic.P384(), "p521": elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys[name] = key
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	keys["rsa"] = key
	_, keys["ed25519"], _ = ed25519.GenerateKey(rand.Reader)
	return keys
}

func decodePEM(t testing.TB, data []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(data)
	if block == nil {
		t.Fatal("no PEM")
	}
	return block.Bytes
}
