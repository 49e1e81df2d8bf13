package conformance

import (
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/internal/pki/lint"
)

// request is a certification request on trial.
type request struct {
	x          *Exchange
	raw, info  []byte
	version    int64
	subject    []byte
	spki       []byte
	algorithm  pki.Algorithm
	signature  []byte
	extensions extensions
	err        error
}

var errNoRequest = errors.New("it is not a CertificationRequest in DER")

// What is asked of certification requests: proof of possession, and
// of what goes into the certificate the same as of certificates.
var rfc2986 = slices.Concat([]check[*request]{
	{"CERT-31", "RFC 2986, Section 4.2", Must, "the request is signed by the key in it", "verify the signature", anywhere, func(t *trial, r *request) {
		t.saw(r.x)
		if r.err != nil {
			t.fail("%v", r.err)
			return
		}
		if r.version != 0 {
			t.fail("the request has version %d", r.version)
		}
		asked := &certificate{spki: r.spki}
		t.judge("the request", asked.signed(r.algorithm, r.info, r.signature))
	}},
	{"CERT-28", "X.690, Section 11", Must, "the request is DER", "read every octet", anywhere, func(t *trial, r *request) {
		t.saw(r.x)
		if fault := der.Fault(r.raw); fault != "" {
			t.fail("%s", fault)
		}
	}},
}, requestLints())

// requestLints are the lints that a request can already break: what it asks for
// is put into the frame of a certificate, and the frame left out of the verdict.
func requestLints() (checks []check[*request]) {
	apply := strings.Fields("CERT-04 CERT-10 CERT-14 CERT-15 CERT-17 CERT-18 CERT-19 CERT-20 CERT-22 CERT-29 CERT-32 CERT-33 CERT-34 CERT-35 CERT-36 CERT-41 CERT-44 CERT-47")
	for _, l := range lint.Lints() {
		if slices.Contains(apply, l.ID) {
			checks = append(checks, check[*request]{l.ID, l.Clause, Must, l.Title, "read what the request asks for", anywhere, func(t *trial, r *request) {
				t.saw(r.x)
				if r.err != nil {
					t.couldNot("%v", r.err)
				}
				for _, f := range lint.Certificate(r.framed(), nil) {
					switch {
					case f.ID == "CERT-28" && !strings.HasPrefix(l.ID, "CERT-28"):
						t.couldNot("what it asks for is malformed")
					case f.ID == l.ID && (len(r.extensions) > 0 || !needsExtensions(l.ID)):
						t.find(Level(f.Level), "%s", f.Detail)
					}
				}
			}})
		}
	}
	return checks
}

// needsExtensions: an authority fills in what a request without extensions
// leaves open.
func needsExtensions(id string) bool { return id == "CERT-36" || id == "CERT-19" }

func parseRequest(raw []byte) *request {
	r := &request{raw: raw}
	body, ok := whole(raw)
	var info, inside, attributes cryptobyte.String
	if !ok || !body.ReadASN1Element(&info, sequence) || !pki.ReadAlgorithm(&body, &r.algorithm) || !body.ReadASN1BitStringAsBytes(&r.signature) || !body.Empty() {
		r.err = errNoRequest
		return r
	}
	r.info = info
	there := false
	if !info.ReadASN1(&inside, sequence) || !inside.ReadASN1Integer(&r.version) || !inside.ReadASN1Element((*cryptobyte.String)(&r.subject), sequence) ||
		!inside.ReadASN1Element((*cryptobyte.String)(&r.spki), sequence) || !inside.ReadOptionalASN1(&attributes, &there, explicit(0)) || !inside.Empty() {
		r.err = errNoRequest
		return r
	}
	for !attributes.Empty() {
		var attribute, values cryptobyte.String
		var id = pki.Algorithm{}.ID
		if !attributes.ReadASN1(&attribute, sequence) || !attribute.ReadASN1ObjectIdentifier(&id) || !attribute.ReadASN1(&values, set) || !attribute.Empty() {
			r.err = errNoRequest
			return r
		}
		// RFC 2985, Section 5.4.2: extensionRequest.
		if id.String() == "1.2.840.113549.1.9.14" && (!readExtensions(&values, &r.extensions) || !values.Empty()) {
			r.err = errNoRequest
			return r
		}
	}
	return r
}

// framed is a certificate with what the request asks for, as lints read it. The
// rest is what no lint that is asked here finds fault with.
func (r *request) framed() []byte {
	now := time.Now()
	algorithm := r.algorithm
	return built(func(b *cryptobyte.Builder) {
		b.AddASN1(sequence, func(b *cryptobyte.Builder) {
			b.AddASN1(sequence, func(b *cryptobyte.Builder) {
				b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddASN1Int64(2) })
				b.AddASN1Int64(1 << 62)
				pki.AddAlgorithm(b, algorithm)
				b.AddBytes(frameIssuer)
				b.AddASN1(sequence, func(b *cryptobyte.Builder) {
					der.AddTime(b, now)
					der.AddTime(b, now.Add(time.Hour))
				})
				b.AddBytes(r.subject)
				b.AddBytes(r.spki)
				if len(r.extensions) > 0 {
					b.AddASN1(explicit(3), func(b *cryptobyte.Builder) {
						b.AddASN1(sequence, func(b *cryptobyte.Builder) {
							for _, e := range r.extensions {
								der.AddExtension(b, e.id, e.critical, func(b *cryptobyte.Builder) { b.AddBytes(e.value) })
							}
						})
					})
				}
			})
			pki.AddAlgorithm(b, algorithm)
			b.AddASN1(cryptobyte_asn1.BIT_STRING, func(b *cryptobyte.Builder) { b.AddBytes([]byte{0, 0}) })
		})
	})
}

// frameIssuer is the name of no authority.
var frameIssuer = []byte{0x30, 0x0c, 0x31, 0x0a, 0x30, 0x08, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x01, 'x'}
