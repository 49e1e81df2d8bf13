package conformance_test

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/conformance"
	"github.com/altamga/altamga/internal/pki"
)

// fakeOCSP is a small responder that does everything right, with switches that
// make it do one thing wrong.
type fakeOCSP struct {
	c        *centre
	delegate identity
	plan     func(*ocspQuestion, *ocspReply) // changes what is going to be said
	encoded  func([]byte) []byte             // changes the octets of it
	serve    func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc)
	began    time.Time
}

// ocspQuestion is a request as the responder understands it.
type ocspQuestion struct {
	ids                       []ocspID
	nonce                     []byte // nil: none
	nonceThere, named         bool
	malformed, criticalStatus bool
	preferred                 []byte
	method                    string
}

type ocspID struct {
	raw, hash, name, key, serial []byte
	hashID                       asn1.ObjectIdentifier
}

// ocspReply is what will be said.
type ocspReply struct {
	status      int
	kind        []byte
	version     []byte
	responder   []byte
	producedAt  []byte
	singles     []ocspSingle
	extensions  [][]byte
	algorithm   []byte
	key         crypto.Signer
	sign        func(tbs []byte) []byte // in place of the key
	certs       [][]byte
	certsField  bool
	spoil       func([]byte) []byte // the signature
	maxAge      int
	header      http.Header
	emptyBody   bool
	bodyOnError bool
}

type ocspSingle struct {
	id, status, thisUpdate, nextUpdate []byte
	extensions                         [][]byte
	// what the status was made of, for plans
	state   int
	revoked time.Time
	reason  int
}

func parseOCSP(in []byte) (q ocspQuestion) {
	q.malformed = true
	s := cryptobyte.String(in)
	var outer, tbs, list, skip cryptobyte.String
	there := false
	if !s.ReadASN1(&outer, cryptobyte_asn1.SEQUENCE) || !s.Empty() || !outer.ReadASN1(&tbs, cryptobyte_asn1.SEQUENCE) || !outer.Empty() {
		return q
	}
	if !tbs.ReadOptionalASN1(&skip, &q.named, 0xa1) || !tbs.ReadASN1(&list, cryptobyte_asn1.SEQUENCE) || list.Empty() {
		return q
	}
	critical := func(s cryptobyte.String) bool {
		var extensions cryptobyte.String
		s.ReadASN1(&extensions, cryptobyte_asn1.SEQUENCE)
		for !extensions.Empty() {
			var one, value cryptobyte.String
			var id asn1.ObjectIdentifier
			isCritical := false
			if !extensions.ReadASN1(&one, cryptobyte_asn1.SEQUENCE) || !one.ReadASN1ObjectIdentifier(&id) {
				return true
			}
			if one.PeekASN1Tag(cryptobyte_asn1.BOOLEAN) {
				one.ReadASN1Boolean(&isCritical)
			}
			one.ReadASN1(&value, cryptobyte_asn1.OCTET_STRING)
			switch {
			case id.Equal(pki.OIDOCSPNonce):
				var nonce cryptobyte.String
				if !value.ReadASN1(&nonce, cryptobyte_asn1.OCTET_STRING) {
					return true
				}
				q.nonce, q.nonceThere = append([]byte{}, nonce...), true
			case id.String() == "1.3.6.1.5.5.7.48.1.8":
				q.preferred = append([]byte{}, value...)
			case isCritical:
				return true
			}
		}
		return false
	}
	for !list.Empty() {
		var one, id, body cryptobyte.String
		var i ocspID
		if !list.ReadASN1(&one, cryptobyte_asn1.SEQUENCE) || !one.ReadASN1Element(&id, cryptobyte_asn1.SEQUENCE) {
			return q
		}
		i.raw = append([]byte{}, id...)
		id.ReadASN1(&body, cryptobyte_asn1.SEQUENCE)
		var algorithm cryptobyte.String
		body.ReadASN1Element(&algorithm, cryptobyte_asn1.SEQUENCE)
		i.hash = algorithm
		var inside cryptobyte.String
		algorithm.ReadASN1(&inside, cryptobyte_asn1.SEQUENCE)
		inside.ReadASN1ObjectIdentifier(&i.hashID)
		var name, key, serial cryptobyte.String
		if !body.ReadASN1(&name, cryptobyte_asn1.OCTET_STRING) || !body.ReadASN1(&key, cryptobyte_asn1.OCTET_STRING) || !body.ReadASN1(&serial, cryptobyte_asn1.INTEGER) {
			return q
		}
		i.name, i.key, i.serial = name, key, serial
		if one.ReadOptionalASN1(&skip, &there, 0xa0) && there && critical(skip) {
			q.criticalStatus = true
		}
		q.ids = append(q.ids, i)
	}
	if !tbs.ReadOptionalASN1(&skip, &there, 0xa2) || !tbs.Empty() || there && critical(skip) {
		return q
	}
	q.malformed = q.criticalStatus
	return q
}

// issuerHash says whether an id names the centre's authority.
func (f *fakeOCSP) ours(i ocspID) bool {
	hash, ok := pki.Algorithm{ID: i.hashID}.Hash()
	if !ok {
		return false
	}
	h := hash.New()
	h.Write(f.c.issuer.cert.RawSubject)
	return string(h.Sum(nil)) == string(i.name)
}

// answer plans a reply as the standards want it.
func (f *fakeOCSP) answer(q *ocspQuestion) *ocspReply {
	now := f.began.Truncate(time.Second)
	r := &ocspReply{kind: oid(pki.OIDOCSPBasic), producedAt: generalized(now), algorithm: ecdsaSHA256, key: f.delegate.key, header: http.Header{}, maxAge: 60,
		responder: tlv(0xa2, tlv(4, f.delegate.sha1())), certs: [][]byte{f.delegate.cert.Raw}, certsField: true}
	switch {
	case q.malformed, q.nonceThere && (len(q.nonce) == 0 || len(q.nonce) > 128):
		r.status = 1
	}
	for _, id := range q.ids {
		if !f.ours(id) {
			r.status = 6
		}
	}
	if r.status != 0 {
		r.header.Set("Cache-Control", "no-store")
		return r
	}
	for _, id := range q.ids {
		s := ocspSingle{id: id.raw, thisUpdate: generalized(now), nextUpdate: tlv(0xa0, generalized(now.Add(time.Hour))), state: 2, revoked: f.c.revokedAt}
		serial := string(id.serial)
		switch {
		case serial == string(f.c.good.SerialNumber.Bytes()):
			s.state = 0
		case serial == string(f.c.expired.SerialNumber.Bytes()):
			s.state = 0
			s.extensions = append(s.extensions, extensionOf(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 6}, false, generalized(now.Add(-20*24*time.Hour))))
		case serial == string(f.c.revoked.SerialNumber.Bytes()):
			s.state, s.reason = 1, 1
		case serial == string(f.c.held.SerialNumber.Bytes()):
			s.state, s.reason = 1, 6
		}
		s.say()
		r.singles = append(r.singles, s)
	}
	if q.nonceThere {
		r.extensions = append(r.extensions, extensionOf(pki.OIDOCSPNonce, false, tlv(4, q.nonce)))
		r.header.Set("Cache-Control", "private, max-age=0")
	}
	return r
}

// say writes the status of a single response from its parts.
func (s *ocspSingle) say() {
	switch s.state {
	case 0:
		s.status = []byte{0x80, 0}
	case 1:
		reason := []byte(nil)
		if s.reason != 0 {
			reason = tlv(0xa0, tlv(0x0a, []byte{byte(s.reason)}))
		}
		s.status = tlv(0xa1, generalized(s.revoked), reason)
	default:
		s.status = []byte{0x82, 0}
	}
}

func (r *ocspReply) encode() []byte {
	status := tlv(0x0a, []byte{byte(r.status)})
	if r.status != 0 && !r.bodyOnError {
		return seq(status)
	}
	if r.emptyBody {
		return seq(status)
	}
	var singles [][]byte
	for _, s := range r.singles {
		extensions := []byte(nil)
		if len(s.extensions) > 0 {
			extensions = tlv(0xa1, seq(s.extensions...))
		}
		singles = append(singles, seq(s.id, s.status, s.thisUpdate, s.nextUpdate, extensions))
	}
	extensions := []byte(nil)
	if len(r.extensions) > 0 {
		extensions = tlv(0xa1, seq(r.extensions...))
	}
	tbs := seq(r.version, r.responder, r.producedAt, seq(singles...), extensions)
	sign := r.sign
	if sign == nil {
		sign = func(tbs []byte) []byte { return signed(r.key, r.algorithm, tbs) }
	}
	signature := sign(tbs)
	if r.spoil != nil {
		signature = r.spoil(signature)
	}
	certs := []byte(nil)
	if r.certsField {
		certs = tlv(0xa0, seq(r.certs...))
	}
	basic := seq(tbs, r.algorithm, bits(signature), certs)
	return seq(status, tlv(0xa0, seq(r.kind, tlv(4, basic))))
}

func (f *fakeOCSP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.serve != nil {
		f.serve(w, r, f.sound)
		return
	}
	f.sound(w, r)
}

// sound is the transport without a fault.
func (f *fakeOCSP) sound(w http.ResponseWriter, r *http.Request) {
	var in []byte
	switch r.Method {
	case http.MethodPost:
		in, _ = io.ReadAll(io.LimitReader(r.Body, 128<<10))
		if r.Header.Get("Content-Type") != "application/ocsp-request" {
			http.Error(w, "media type", http.StatusUnsupportedMediaType)
			return
		}
		if len(in) > 8<<10 {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
	case http.MethodGet, http.MethodHead:
		text, _ := url.PathUnescape(strings.TrimLeft(r.URL.EscapedPath(), "/"))
		in, _ = base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "method", http.StatusMethodNotAllowed)
		return
	}
	f.reply(w, r, in)
}

func (f *fakeOCSP) reply(w http.ResponseWriter, r *http.Request, in []byte) {
	q := parseOCSP(in)
	q.method = r.Method
	reply := f.answer(&q)
	if f.plan != nil {
		f.plan(&q, reply)
	}
	body := reply.encode()
	if f.encoded != nil {
		body = f.encoded(body)
	}
	h := w.Header()
	now := f.began.Truncate(time.Second)
	if reply.status == 0 && !q.nonceThere {
		h.Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(body)))
		h.Set("Last-Modified", now.UTC().Format(http.TimeFormat))
		h.Set("Expires", now.Add(time.Hour).UTC().Format(http.TimeFormat))
		h.Set("Cache-Control", fmt.Sprintf("max-age=%d, public, no-transform, must-revalidate", reply.maxAge))
	}
	h.Set("Content-Type", "application/ocsp-response")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	for name, values := range reply.header {
		h[name] = values // nil keeps net/http from adding its own
	}
	if tag := r.Header.Get("If-None-Match"); tag != "" && tag == h.Get("ETag") && r.Method != http.MethodPost {
		h.Del("Content-Length")
		h.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}

// judgeOCSP runs the whole of the checks against the responder.
func (f *fakeOCSP) judge(t testing.TB) *conformance.Report {
	t.Helper()
	f.began = time.Now()
	server := httptest.NewServer(f)
	defer server.Close()
	tester, err := conformance.New(conformance.Config{Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := tester.OCSP(t.Context(), f.target(server.URL+"/")); err != nil {
		t.Fatal(err)
	}
	return tester.Report()
}

func (f *fakeOCSP) target(url string) conformance.OCSPTarget {
	raw := func(c *x509.Certificate) []byte { return c.Raw }
	return conformance.OCSPTarget{URL: url, Issuer: f.c.issuer.cert.Raw, Good: raw(f.c.good), Revoked: raw(f.c.revoked), Held: raw(f.c.held), Expired: raw(f.c.expired)}
}
