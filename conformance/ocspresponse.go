package conformance

import (
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/pki"
)

// The values of OCSPResponseStatus (RFC 6960, Section 4.2.1).
const (
	statusSuccessful   = 0
	statusMalformed    = 1
	statusTryLater     = 3
	statusSigRequired  = 5
	statusUnauthorized = 6
)

var statusNames = map[int]string{0: "successful", 1: "malformedRequest", 2: "internalError", 3: "tryLater", 5: "sigRequired", 6: "unauthorized"}

func statusName(status int) string {
	if name := statusNames[status]; name != "" {
		return name
	}
	if status < 0 { // a refusal at the level of HTTP
		return fmt.Sprintf("HTTP %d", -status)
	}
	return fmt.Sprintf("status %d", status)
}

// answer is an OCSPResponse (RFC 6960, Section 4.2.1) as it stands there, and
// the question it answers.
type answer struct {
	x       *Exchange
	raw     []byte
	status  int
	hasBody bool
	kind    asn1.ObjectIdentifier

	tbs             []byte
	version         int64
	versionWritten  bool
	byName, byKey   []byte
	producedAt      stamp
	singles         []single
	extensions      extensions
	algorithm       pki.Algorithm
	signature       []byte
	certsThere      bool
	certificates    []*certificate
	badCertificates int

	// asked is the CertID that was asked for, nil when the answer is a file.
	asked []byte
}

// single is one SingleResponse.
type single struct {
	id         certID
	status     int // the tag: 0 good, 1 revoked, 2 unknown
	revokedAt  stamp
	hasReason  bool
	reason     int
	thisUpdate stamp
	nextUpdate stamp
	extensions extensions
}

// certID is a CertID.
type certID struct {
	raw       []byte
	hash      pki.Algorithm
	name, key []byte
	serial    []byte
}

const (
	stateGood    = 0
	stateRevoked = 1
	stateUnknown = 2
)

var stateNames = [3]string{"good", "revoked", "unknown"}

var errNoResponse = errors.New("it is not an OCSPResponse in DER")

// maxSingles bounds how many SingleResponses are read.
const maxSingles = 256

// parseAnswer reads an OCSPResponse. Only what cannot be an OCSPResponse is an
// error; the rest is for checks to judge.
func parseAnswer(raw []byte) (*answer, error) {
	a := &answer{raw: raw}
	body, ok := whole(raw)
	var bytes, response, basic cryptobyte.String
	if !ok || !body.ReadASN1Enum(&a.status) {
		return nil, errNoResponse
	}
	if !body.ReadOptionalASN1(&bytes, &a.hasBody, explicit(0)) || !body.Empty() {
		return nil, errNoResponse
	}
	if !a.hasBody {
		return a, nil
	}
	if !bytes.ReadASN1(&response, sequence) || !bytes.Empty() || !response.ReadASN1ObjectIdentifier(&a.kind) || !response.ReadASN1(&basic, cryptobyte_asn1.OCTET_STRING) || !response.Empty() {
		return nil, errNoResponse
	}
	if !a.kind.Equal(pki.OIDOCSPBasic) {
		return a, nil
	}
	if !a.readBasic(basic) {
		return nil, errors.New("its BasicOCSPResponse is not one in DER")
	}
	return a, nil
}

func (a *answer) readBasic(s cryptobyte.String) bool {
	var body, tbs, certs, list cryptobyte.String
	if !s.ReadASN1(&body, sequence) || !s.Empty() || !body.ReadASN1Element(&tbs, sequence) || !pki.ReadAlgorithm(&body, &a.algorithm) || !body.ReadASN1BitStringAsBytes(&a.signature) {
		return false
	}
	a.tbs = tbs
	if !body.ReadOptionalASN1(&certs, &a.certsThere, explicit(0)) || !body.Empty() {
		return false
	}
	if a.certsThere && (!certs.ReadASN1(&list, sequence) || !certs.Empty()) {
		return false
	}
	for !list.Empty() {
		element, _, ok := readAny(&list)
		if !ok || len(a.certificates)+a.badCertificates == maxCertificates {
			return false
		}
		if c, err := parseCertificate(element); err == nil {
			a.certificates = append(a.certificates, c)
		} else {
			a.badCertificates++
		}
	}
	return a.readData(tbs)
}

// readData reads ResponseData.
func (a *answer) readData(tbs cryptobyte.String) bool {
	var body, version, id, list cryptobyte.String
	if !tbs.ReadASN1(&body, sequence) || !body.ReadOptionalASN1(&version, &a.versionWritten, explicit(0)) || a.versionWritten && !version.ReadASN1Integer(&a.version) {
		return false
	}
	switch {
	case body.PeekASN1Tag(explicit(1)):
		if !body.ReadASN1(&id, explicit(1)) || !id.ReadASN1Element((*cryptobyte.String)(&a.byName), sequence) || !id.Empty() {
			return false
		}
	case body.PeekASN1Tag(explicit(2)):
		if !body.ReadASN1(&id, explicit(2)) || !id.ReadASN1((*cryptobyte.String)(&a.byKey), cryptobyte_asn1.OCTET_STRING) || !id.Empty() {
			return false
		}
	default:
		return false
	}
	if !readStamp(&body, &a.producedAt) || !body.ReadASN1(&list, sequence) {
		return false
	}
	for !list.Empty() {
		var element cryptobyte.String
		var one single
		if !list.ReadASN1(&element, sequence) || !one.read(element) || len(a.singles) == maxSingles {
			return false
		}
		a.singles = append(a.singles, one)
	}
	return readExplicitExtensions(&body, 1, &a.extensions) && body.Empty()
}

func (s *single) read(body cryptobyte.String) bool {
	var element, next cryptobyte.String
	if !body.ReadASN1Element(&element, sequence) || !s.id.read(element) {
		return false
	}
	var status cryptobyte.String
	var tag cryptobyte_asn1.Tag
	if !body.ReadAnyASN1(&status, &tag) {
		return false
	}
	switch tag {
	case implicit(0), implicit(2):
		s.status = int(tag & 0x1f)
	case explicit(1):
		s.status = stateRevoked
		var reason cryptobyte.String
		if !readStamp(&status, &s.revokedAt) || !status.ReadOptionalASN1(&reason, &s.hasReason, explicit(0)) || s.hasReason && !reason.ReadASN1Enum(&s.reason) || !status.Empty() {
			return false
		}
	default:
		return false
	}
	there := false
	if !readStamp(&body, &s.thisUpdate) || !body.ReadOptionalASN1(&next, &there, explicit(0)) || there && !readStamp(&next, &s.nextUpdate) {
		return false
	}
	return readExplicitExtensions(&body, 1, &s.extensions) && body.Empty()
}

func (c *certID) read(element cryptobyte.String) bool {
	c.raw = element
	var body cryptobyte.String
	ok := element.ReadASN1(&body, sequence) && pki.ReadAlgorithm(&body, &c.hash) &&
		body.ReadASN1((*cryptobyte.String)(&c.name), cryptobyte_asn1.OCTET_STRING) && body.ReadASN1((*cryptobyte.String)(&c.key), cryptobyte_asn1.OCTET_STRING)
	if !ok {
		return false
	}
	c.serial, ok = readInteger(&body)
	return ok && body.Empty()
}

// nonce returns the nonce in the answer; there is false when it has none.
func (a *answer) nonce() (value []byte, there, good bool) {
	e := a.extensions.get(pki.OIDOCSPNonce)
	if e == nil {
		return nil, false, false
	}
	s := cryptobyte.String(e.value)
	good = s.ReadASN1((*cryptobyte.String)(&value), cryptobyte_asn1.OCTET_STRING) && s.Empty()
	return value, true, good
}

// signer finds the certificate whose key the response names: one that came
// along, or the issuer itself.
func (a *answer) signer(issuer *certificate) *certificate {
	candidates := a.certificates
	if issuer != nil {
		candidates = append([]*certificate{issuer}, candidates...)
	}
	for _, c := range candidates {
		if a.names(c) {
			return c
		}
	}
	return nil
}

// names reports whether the responder's identifier is that of a certificate.
func (a *answer) names(c *certificate) bool {
	if a.byKey != nil {
		return string(a.byKey) == string(c.keyHash(sha1))
	}
	return string(a.byName) == string(c.subject)
}

// has reports whether a SingleResponse is about what was asked for.
func (a *answer) has(id []byte) bool { return a.single(id) != nil }

// single returns the SingleResponse of a CertID: the one with the same octets,
// or, where the responder wrote it in another way, of the same issuer and serial
// number.
func (a *answer) single(id []byte) *single {
	var wanted certID
	if !wanted.read(id) {
		return nil
	}
	for i := range a.singles {
		if string(a.singles[i].id.raw) == string(id) {
			return &a.singles[i]
		}
	}
	for i := range a.singles {
		if got := &a.singles[i].id; string(got.serial) == string(wanted.serial) && string(got.name) == string(wanted.name) {
			return &a.singles[i]
		}
	}
	return nil
}
