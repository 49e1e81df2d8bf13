package ocsp_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/ocsp"
)

// authority is a certification authority for tests.
type authority struct {
	id          string
	certificate *x509.Certificate
	key         crypto.Signer
	signer      *ocsp.Signer
}

var serials struct {
	sync.Mutex
	last int64
}

func nextSerial() *big.Int {
	serials.Lock()
	defer serials.Unlock()
	serials.last++
	return big.NewInt(0x7000_0000_0000 + serials.last)
}

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newAuthority makes a self-signed authority with an OCSP signer.
func newAuthority(t testing.TB, id string) *authority {
	t.Helper()
	a := &authority{id: id, key: newKey(t)}
	now := time.Now()
	a.certificate = a.issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Demonstration " + id}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, a.key.Public())
	key := newKey(t)
	a.signer = &ocsp.Signer{Key: key, Certificate: a.issue(t, delegate(), key.Public())}
	return a
}

// delegate is a template of an OCSP signer's certificate.
func delegate() *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: "Demonstration OCSP"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 1, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
		ExtraExtensions: []pkix.Extension{{Id: pki.OIDOCSPNoCheck, Value: asn1.NullBytes}},
	}
}

func (a *authority) issue(t testing.TB, template *x509.Certificate, public crypto.PublicKey) *x509.Certificate {
	t.Helper()
	template.SerialNumber = nextSerial()
	parent := a.certificate
	if parent == nil {
		parent = template
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, public, a.key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// leaf issues an end entity's certificate.
func (a *authority) leaf(t testing.TB) *x509.Certificate {
	t.Helper()
	return a.issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Demonstration holder"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(3, 0, 0),
		KeyUsage: x509.KeyUsageContentCommitment,
	}, newKey(t).Public())
}

func (a *authority) issuer() ocsp.Issuer {
	return ocsp.Issuer{ID: a.id, Certificate: a.certificate, Signer: a.signer}
}

// certID names the certificate of the serial by the hash.
func (a *authority) certID(t testing.TB, hash crypto.Hash, serial *big.Int) ocsp.CertID {
	t.Helper()
	key, err := pki.SubjectPublicKey(a.certificate.RawSubjectPublicKeyInfo)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := asn1.Marshal(serial)
	if err != nil {
		t.Fatal(err)
	}
	return ocsp.CertID{Hash: pki.HashAlgorithm(hash), IssuerNameHash: digest(hash, a.certificate.RawSubject), IssuerKeyHash: digest(hash, key), Serial: raw[2:]}
}

func digest(hash crypto.Hash, data []byte) []byte {
	h := hash.New()
	h.Write(data)
	return h.Sum(nil)
}

// request encodes a request about the CertIDs, with a nonce unless it is nil.
func request(t testing.TB, nonce []byte, ids ...ocsp.CertID) []byte {
	t.Helper()
	var r ocsp.Request
	for _, id := range ids {
		r.List = append(r.List, ocsp.Single{CertID: id})
	}
	if nonce != nil {
		r.Extensions = []der.Extension{ocsp.NewNonce(nonce)}
	}
	return marshal(t, &r)
}

func marshal(t testing.TB, r *ocsp.Request) []byte {
	t.Helper()
	out, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// register is a small real register: statuses and a journal under one lock.
type register struct {
	mu      sync.Mutex
	changed chan struct{}
	entries []ocsp.Change
	status  map[string]ocsp.Status
	reads   int
	// delay is called with every read, before and after the status is taken.
	delay func()
	// lost makes every call fail.
	lost bool
}

func newRegister() *register {
	return &register{changed: make(chan struct{}), status: make(map[string]ocsp.Status)}
}

var errLost = errors.New("the register is lost")

// set appends a journal entry about the certificate and returns its position.
func (g *register) set(issuer string, serial *big.Int, s ocsp.Status) uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	position := uint64(len(g.entries) + 1)
	s.Version = position
	if s.State == ocsp.Revoked && s.RevokedAt.IsZero() {
		s.RevokedAt = time.Now()
	}
	g.entries = append(g.entries, ocsp.Change{Position: position, Issuer: issuer, Serial: serial})
	g.status[issuer+"/"+serial.String()] = s
	close(g.changed)
	g.changed = make(chan struct{})
	return position
}

func (g *register) lose(lost bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lost = lost
	close(g.changed)
	g.changed = make(chan struct{})
}

func (g *register) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reads
}

func (g *register) Status(ctx context.Context, issuer string, serial *big.Int) (ocsp.Status, error) {
	if g.delay != nil {
		g.delay()
		defer g.delay()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reads++
	if g.lost {
		return ocsp.Status{}, errLost
	}
	s := g.status[issuer+"/"+serial.String()]
	s.Position = uint64(len(g.entries))
	return s, ctx.Err()
}

func (g *register) Entries(ctx context.Context, after uint64, limit int) ([]ocsp.Change, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lost {
		return nil, errLost
	}
	if after >= uint64(len(g.entries)) {
		return nil, nil
	}
	out := g.entries[after:]
	return out[:min(len(out), limit)], nil
}

func (g *register) Wait(ctx context.Context, after uint64) error {
	g.mu.Lock()
	changed, head, lost := g.changed, uint64(len(g.entries)), g.lost
	g.mu.Unlock()
	if lost {
		return errLost
	}
	if head > after {
		return nil
	}
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// newResponder returns a responder for the authority on a new register.
func newResponder(t testing.TB, a *authority, change func(*ocsp.Config)) (*ocsp.Responder, *register) {
	t.Helper()
	g := newRegister()
	config := ocsp.Config{Issuers: []ocsp.Issuer{a.issuer()}, Source: g}
	if change != nil {
		change(&config)
	}
	r, err := ocsp.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return r, g
}

// post sends the encoded request and returns the HTTP answer.
func post(t testing.TB, h http.Handler, in []byte) *http.Response {
	t.Helper()
	req := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(in))
	req.Header.Set("Content-Type", "application/ocsp-request")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w.Result()
}

// answer is a successful response, taken apart by encoding/asn1.
type answer struct {
	status ocsp.ResponseStatus
	raw    []byte
	basic  basicResponse
}

type basicResponse struct {
	Data      responseData
	Algorithm pkix.AlgorithmIdentifier
	Signature asn1.BitString
	Certs     []asn1.RawValue `asn1:"explicit,tag:0,optional"`
}

type responseData struct {
	Raw        asn1.RawContent
	Version    int `asn1:"explicit,tag:0,default:0,optional"`
	Responder  asn1.RawValue
	ProducedAt time.Time `asn1:"generalized"`
	Responses  []singleResponse
	Extensions []pkix.Extension `asn1:"explicit,tag:1,optional"`
}

type singleResponse struct {
	CertID     asn1.RawValue
	Status     asn1.RawValue
	ThisUpdate time.Time        `asn1:"generalized"`
	NextUpdate time.Time        `asn1:"generalized,explicit,tag:0,optional"`
	Extensions []pkix.Extension `asn1:"explicit,tag:1,optional"`
}

// Tags of CertStatus.
const (
	good    = 0
	revoked = 1
	unknown = 2
)

// body reads the answer of an HTTP response and verifies its signature when it
// is successful.
func body(t testing.TB, response *http.Response, a *authority) answer {
	t.Helper()
	var b bytes.Buffer
	if _, err := b.ReadFrom(response.Body); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Fatalf("got HTTP status %d: %s", response.StatusCode, b.Bytes())
	}
	return parse(t, b.Bytes(), a)
}

func parse(t testing.TB, raw []byte, a *authority) answer {
	t.Helper()
	var outer struct {
		Status asn1.Enumerated
		Bytes  struct {
			Type     asn1.ObjectIdentifier
			Response []byte
		} `asn1:"explicit,tag:0,optional"`
	}
	if rest, err := asn1.Unmarshal(raw, &outer); err != nil || len(rest) > 0 {
		t.Fatalf("answer % x is no OCSPResponse: %v", raw, err)
	}
	out := answer{status: ocsp.ResponseStatus(outer.Status), raw: raw}
	if out.status != ocsp.Successful {
		if len(raw) != 5 {
			t.Errorf("an error answer has %d octets", len(raw))
		}
		return out
	}
	if !outer.Bytes.Type.Equal(pki.OIDOCSPBasic) {
		t.Fatalf("got response type %v", outer.Bytes.Type)
	}
	if rest, err := asn1.Unmarshal(outer.Bytes.Response, &out.basic); err != nil || len(rest) > 0 {
		t.Fatalf("response % x is no BasicOCSPResponse: %v", outer.Bytes.Response, err)
	}
	if err := a.signer.Certificate.CheckSignature(x509.ECDSAWithSHA256, out.basic.Data.Raw, out.basic.Signature.Bytes); err != nil {
		t.Fatalf("signature of the answer: %v", err)
	}
	return out
}

// ask posts the request and returns the parsed answer.
func ask(t testing.TB, h http.Handler, a *authority, in []byte) answer {
	t.Helper()
	return body(t, post(t, h, in), a)
}

func (a answer) extension(id asn1.ObjectIdentifier) ([]byte, bool) {
	for _, e := range a.basic.Data.Extensions {
		if e.Id.Equal(id) {
			return e.Value, true
		}
	}
	return nil, false
}

// revocation returns the time and reason of a revoked status.
func (s singleResponse) revocation(t testing.TB) (time.Time, int) {
	t.Helper()
	var info struct {
		At     time.Time       `asn1:"generalized"`
		Reason asn1.Enumerated `asn1:"explicit,tag:0,optional"`
	}
	if _, err := asn1.UnmarshalWithParams(s.Status.FullBytes, &info, "tag:1"); err != nil {
		t.Fatal(err)
	}
	return info.At, int(info.Reason)
}
