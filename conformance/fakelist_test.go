package conformance_test

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/altamga/altamga/conformance"
	"github.com/altamga/altamga/internal/pki"
)

var (
	deltaIndicator    = asn1.ObjectIdentifier{2, 5, 29, 27}
	certificateIssuer = asn1.ObjectIdentifier{2, 5, 29, 29}
	expiredCerts      = asn1.ObjectIdentifier{2, 5, 29, 60}
)

// fakeList is a list in pieces, each of which a fault may spoil.
type fakeList struct {
	version, inner, outer  []byte
	issuer                 []byte
	thisUpdate, nextUpdate []byte
	entries                []fakeEntry
	noEntries              []byte // in place of entries
	extensions             []fakeExtension
	key                    crypto.Signer
	spoil                  bool
}

type fakeEntry struct {
	serial, at []byte
	extensions [][]byte
}

type fakeExtension struct {
	id       asn1.ObjectIdentifier
	critical bool
	value    []byte
}

// fakePoint serves a complete list, a delta and a base.
type fakePoint struct {
	c                 *centre
	full, delta, base *fakeList
	again             *fakeList // in place of full from the second fetch on
	serve             func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc)
	header            http.Header
	pem               bool
	partition         bool // the lists are of the good certificate's place alone
	url               string
	fetched           int
	mu                sync.Mutex
	bodies            map[string][]byte
}

func (c *centre) listed(serial []byte, reason int, at time.Time) fakeEntry {
	e := fakeEntry{serial: tlv(2, serial), at: utc(at)}
	if reason != 0 {
		e.extensions = append(e.extensions, extensionOf(pki.OIDReasonCode, false, tlv(0x0a, []byte{byte(reason)})))
	}
	return e
}

func (c *centre) list(number int64, entries ...fakeEntry) *fakeList {
	now := time.Now().Truncate(time.Second)
	return &fakeList{version: integer(1), inner: ecdsaSHA256, outer: ecdsaSHA256, issuer: c.issuer.cert.RawSubject, thisUpdate: utc(now.Add(-time.Minute)), nextUpdate: utc(now.Add(25 * time.Hour)),
		entries: entries, key: c.issuer.key, extensions: []fakeExtension{
			{pki.OIDAuthorityKeyIdentifier, false, seq(tlv(0x80, c.issuer.cert.SubjectKeyId))},
			{pki.OIDCRLNumber, false, integer(number)},
		}}
}

// newPoint is a distribution point with nothing wrong: on the base, another
// certificate is on hold, which the delta takes off the list again.
func newPoint(c *centre) *fakePoint {
	away := c.listed([]byte{0x11, 0x22}, 6, c.revokedAt)
	revoked, held := c.listed(c.revoked.SerialNumber.Bytes(), 1, c.revokedAt), c.listed(c.held.SerialNumber.Bytes(), 6, c.revokedAt)
	held.extensions = append(held.extensions, extensionOf(pki.OIDInvalidityDate, false, generalized(c.revokedAt)))
	p := &fakePoint{c: c, full: c.list(7, revoked, held), base: c.list(5, revoked, away), header: http.Header{}, bodies: map[string][]byte{}}
	gone := c.listed([]byte{0x11, 0x22}, 8, c.revokedAt)
	p.delta = c.list(7, held, gone)
	p.delta.with(deltaIndicator, true, integer(5))
	return p
}

// with puts an extension in place of the one of the same kind, or behind all.
func (l *fakeList) with(id asn1.ObjectIdentifier, critical bool, value []byte) {
	for i := range l.extensions {
		if l.extensions[i].id.Equal(id) {
			l.extensions[i] = fakeExtension{id, critical, value}
			return
		}
	}
	l.extensions = append(l.extensions, fakeExtension{id, critical, value})
}

func (l *fakeList) without(id asn1.ObjectIdentifier) {
	for i := range l.extensions {
		if l.extensions[i].id.Equal(id) {
			l.extensions = append(l.extensions[:i:i], l.extensions[i+1:]...)
			return
		}
	}
}

func (l *fakeList) encode() []byte {
	var entries, extensions [][]byte
	for _, e := range l.entries {
		own := []byte(nil)
		if len(e.extensions) > 0 {
			own = seq(e.extensions...)
		}
		entries = append(entries, seq(e.serial, e.at, own))
	}
	list := l.noEntries
	if len(entries) > 0 {
		list = seq(entries...)
	}
	for _, e := range l.extensions {
		extensions = append(extensions, extensionOf(e.id, e.critical, e.value))
	}
	wrapped := []byte(nil)
	if len(extensions) > 0 {
		wrapped = tlv(0xa0, seq(extensions...))
	}
	tbs := seq(l.version, l.inner, l.issuer, l.thisUpdate, l.nextUpdate, list, wrapped)
	signature := signed(l.key, l.inner, tbs)
	if l.spoil {
		signature[len(signature)-1] ^= 1
	}
	return seq(tbs, l.outer, bits(signature))
}

func (p *fakePoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.serve != nil {
		p.serve(w, r, p.sound)
		return
	}
	p.sound(w, r)
}

func (p *fakePoint) sound(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	body := p.bodies[r.URL.Path]
	p.mu.Unlock()
	if body == nil {
		http.NotFound(w, r)
		return
	}
	if r.URL.Path == "/list.crl" {
		if p.fetched++; p.fetched > 1 && p.again != nil {
			body = p.again.encode()
		}
	}
	h := w.Header()
	h.Set("Content-Type", "application/pkix-crl")
	h.Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(body)))
	h.Set("Cache-Control", "max-age=60")
	for name, values := range p.header {
		h[name] = values
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

func (p *fakePoint) target(url string) conformance.ListTarget {
	return conformance.ListTarget{URL: url + "/list.crl", Issuer: p.c.issuer.cert.Raw, Leaf: p.c.good.Raw, Revoked: p.c.revoked.Raw, Held: p.c.held.Raw, Delta: url + "/delta.crl", Base: url + "/base.crl"}
}

func (p *fakePoint) judge(t testing.TB) *conformance.Report {
	t.Helper()
	server := httptest.NewServer(p)
	defer server.Close()
	if p.partition {
		scope := seq(tlv(0xa0, tlv(0xa0, tlv(0x86, []byte(server.URL+"/list.crl")))))
		everyList(func(l *fakeList) { l.with(pki.OIDIssuingDistributionPoint, true, scope) })(p)
	}
	for path, l := range map[string]*fakeList{"/list.crl": p.full, "/delta.crl": p.delta, "/base.crl": p.base} {
		p.bodies[path] = l.encode()
		if p.pem {
			p.bodies[path] = pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: p.bodies[path]})
		}
	}
	tester, err := conformance.New(conformance.Config{Follow: conformance.FollowAny})
	if err != nil {
		t.Fatal(err)
	}
	target := p.target(server.URL)
	// The certificate's distribution point is a URL of this server.
	template := *p.c.good
	template.CRLDistributionPoints = []string{server.URL + "/list.crl"}
	if p.url != "" {
		template.CRLDistributionPoints = []string{server.URL + p.url}
	}
	target.Leaf = certify(t, &template, p.c.issuer, p.c.good.PublicKey).Raw
	if err := tester.List(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	return tester.Report()
}
