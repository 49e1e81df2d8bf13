package conformance_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/asn1"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/conformance"
	"github.com/altamga/altamga/internal/pki"
)

var (
	oidSignedData   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidContentType  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidDigest       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidTSTInfo      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	oidESS          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 12}
	oidESSv2        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	oidProtection   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 52}
	demoPolicy      = asn1.ObjectIdentifier{2, 999, 31, 3}
	sha256Algorithm = seq(oid(pki.OIDSHA256))
)

// fakeTSA is a small time-stamping authority that does everything right, with
// switches that make it do one thing wrong.
type fakeTSA struct {
	c     *centre
	unit  identity
	plan  func(*stampQuestion, *stampReply)
	serve func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc)
	clock func(context.Context) (conformance.Reading, error)
	mu    sync.Mutex
	count int64
}

// stampQuestion is a query as the authority understands it.
type stampQuestion struct {
	malformed, extensions, certReq bool
	version                        int64
	imprint                        []byte
	hash                           asn1.ObjectIdentifier
	digest                         []byte
	policy                         asn1.ObjectIdentifier
	nonce                          []byte
	count                          int64
}

// stampReply is what will be said.
type stampReply struct {
	status     int64
	fail       int // -1: none
	failBits   []byte
	info       stampInfo
	cmsVersion int64
	content    asn1.ObjectIdentifier
	certs      bool
	attributes map[string][]byte
	signers    int
	spoil      bool
	algorithm  []byte
	header     http.Header
	token      bool
}

// stampInfo is a TSTInfo in pieces.
type stampInfo struct {
	version, policy, imprint, serial, genTime, accuracy, ordering, nonce, tsa, extensions []byte
}

func parseStamp(in []byte) (q stampQuestion) {
	q.malformed = true
	s := cryptobyte.String(in)
	var body, imprint, fields, algorithm, nonce, skip cryptobyte.String
	if !s.ReadASN1(&body, cryptobyte_asn1.SEQUENCE) || !s.Empty() || !body.ReadASN1Integer(&q.version) || !body.ReadASN1Element(&imprint, cryptobyte_asn1.SEQUENCE) {
		return q
	}
	q.imprint = append([]byte{}, imprint...)
	if !imprint.ReadASN1(&fields, cryptobyte_asn1.SEQUENCE) || !fields.ReadASN1(&algorithm, cryptobyte_asn1.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&q.hash) || !fields.ReadASN1((*cryptobyte.String)(&q.digest), cryptobyte_asn1.OCTET_STRING) {
		return q
	}
	if body.PeekASN1Tag(cryptobyte_asn1.OBJECT_IDENTIFIER) {
		body.ReadASN1ObjectIdentifier(&q.policy)
	}
	if body.PeekASN1Tag(cryptobyte_asn1.INTEGER) && body.ReadASN1(&nonce, cryptobyte_asn1.INTEGER) {
		q.nonce = append([]byte{}, nonce...)
	}
	if body.PeekASN1Tag(cryptobyte_asn1.BOOLEAN) {
		body.ReadASN1Boolean(&q.certReq)
	}
	body.ReadOptionalASN1(&skip, &q.extensions, 0xa0)
	q.malformed = !body.Empty()
	return q
}

// answer plans a reply as the standards want it.
func (f *fakeTSA) answer(q *stampQuestion) *stampReply {
	sizes := map[string]int{pki.OIDSHA256.String(): 32, pki.OIDSHA384.String(): 48, pki.OIDSHA512.String(): 64}
	r := &stampReply{fail: -1, header: http.Header{"Cache-Control": {"no-store"}}}
	size, known := sizes[q.hash.String()]
	switch {
	case q.malformed:
		r.status, r.fail = 2, 5
	case q.version != 1:
		r.status, r.fail = 2, 2
	case q.extensions:
		r.status, r.fail = 2, 16
	case !known:
		r.status, r.fail = 2, 0
	case len(q.digest) != size:
		r.status, r.fail = 2, 5
	case q.policy != nil && !q.policy.Equal(demoPolicy):
		r.status, r.fail = 2, 15
	}
	if r.status == 0 {
		f.grant(q, r)
	}
	return r
}

func (f *fakeTSA) grant(q *stampQuestion, r *stampReply) {
	r.token, r.cmsVersion, r.content, r.certs, r.signers, r.algorithm = true, 3, oidTSTInfo, q.certReq, 1, ecdsaSHA256
	r.info = stampInfo{version: integer(1), policy: oid(demoPolicy), imprint: q.imprint, serial: integer(1000 + q.count), genTime: generalized(time.Now()), accuracy: seq(integer(1)),
		tsa: tlv(0xa0, tlv(0xa4, f.unit.cert.RawSubject))}
	if q.nonce != nil {
		r.info.nonce = tlv(2, q.nonce)
	}
	hash := sha256.Sum256(f.unit.cert.Raw)
	issuerSerial := seq(seq(tlv(0xa4, f.unit.cert.RawIssuer)), tlv(2, f.unit.cert.SerialNumber.Bytes()))
	r.attributes = map[string][]byte{
		oidContentType.String(): nil, oidDigest.String(): nil,
		oidESSv2.String():      attribute(oidESSv2, seq(seq(seq(tlv(4, hash[:]), issuerSerial)))),
		oidProtection.String(): attribute(oidProtection, seq(sha256Algorithm, tlv(0xa1, oid(pki.OIDECDSAWithSHA256)))),
	}
}

func attribute(id asn1.ObjectIdentifier, values ...[]byte) []byte {
	return seq(oid(id), tlv(0x31, values...))
}

// sortedSet is a SET OF in DER.
func sortedSet(tag byte, elements [][]byte) []byte {
	elements = slices.Clone(elements)
	slices.SortFunc(elements, bytes.Compare)
	return tlv(tag, elements...)
}

func (f *fakeTSA) encode(r *stampReply) []byte {
	info := [][]byte{integer(r.status)}
	if r.fail >= 0 || r.failBits != nil {
		value := r.failBits
		if value == nil {
			octets := make([]byte, r.fail/8+1)
			octets[r.fail/8] = 0x80 >> (r.fail % 8)
			value = tlv(3, []byte{byte(7 - r.fail%8)}, octets)
		}
		info = append(info, value)
	}
	if !r.token {
		return seq(seq(info...))
	}
	return seq(seq(info...), f.tokenOf(r))
}

func (f *fakeTSA) tokenOf(r *stampReply) []byte {
	i := r.info
	content := seq(i.version, i.policy, i.imprint, i.serial, i.genTime, i.accuracy, i.ordering, i.nonce, i.tsa, i.extensions)
	digest := sha256.Sum256(content)
	var attributes [][]byte
	for id, value := range r.attributes {
		switch {
		case id == oidContentType.String() && value == nil:
			value = attribute(oidContentType, oid(oidTSTInfo))
		case id == oidDigest.String() && value == nil:
			value = attribute(oidDigest, tlv(4, digest[:]))
		}
		if len(value) > 0 {
			attributes = append(attributes, value)
		}
	}
	signature := signed(crypto.Signer(f.unit.key), r.algorithm, sortedSet(0x31, attributes))
	if r.spoil {
		signature[len(signature)-1] ^= 1
	}
	signer := seq(integer(1), seq(f.unit.cert.RawIssuer, tlv(2, f.unit.cert.SerialNumber.Bytes())), sha256Algorithm, sortedSet(0xa0, attributes), r.algorithm, tlv(4, signature))
	var signers [][]byte
	for range r.signers {
		signers = append(signers, signer)
	}
	certs := []byte(nil)
	if r.certs {
		certs = tlv(0xa0, f.unit.cert.Raw)
	}
	data := seq(integer(r.cmsVersion), tlv(0x31, sha256Algorithm), seq(oid(r.content), tlv(0xa0, tlv(4, content))), certs, tlv(0x31, signers...))
	return seq(oid(oidSignedData), tlv(0xa0, data))
}

func (f *fakeTSA) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.serve != nil {
		f.serve(w, r, f.sound)
		return
	}
	f.sound(w, r)
}

func (f *fakeTSA) sound(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		http.Error(w, "method", http.StatusMethodNotAllowed)
		return
	}
	in, _ := io.ReadAll(io.LimitReader(r.Body, 128<<10))
	if len(in) > 8<<10 {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	q := parseStamp(in)
	f.mu.Lock()
	f.count++
	q.count = f.count
	f.mu.Unlock()
	reply := f.answer(&q)
	if f.plan != nil {
		f.plan(&q, reply)
	}
	body := f.encode(reply)
	h := w.Header()
	h.Set("Content-Type", "application/timestamp-reply")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	for name, values := range reply.header {
		h[name] = values
	}
	w.Write(body)
}

func (f *fakeTSA) judge(t testing.TB) *conformance.Report {
	t.Helper()
	server := httptest.NewServer(f)
	defer server.Close()
	tester, err := conformance.New(conformance.Config{Timeout: 2 * time.Second, Clock: f.clock})
	if err != nil {
		t.Fatal(err)
	}
	if err := tester.Stamps(t.Context(), conformance.StampTarget{URL: server.URL + "/", Policy: demoPolicy.String(), Trust: [][]byte{f.c.issuer.cert.Raw}}); err != nil {
		t.Fatal(err)
	}
	return tester.Report()
}
