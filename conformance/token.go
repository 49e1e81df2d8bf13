package conformance

import (
	"encoding/asn1"
	"errors"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/pki"
)

// Identifiers of time-stamp tokens.
var (
	oidSignedData           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidContentType          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidTSTInfo              = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	oidSigningCertificate   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 12}
	oidSigningCertificateV2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	oidAlgorithmProtection  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 52}
)

// stampReply is a TimeStampResp (RFC 3161, Section 2.4.2) as it stands there.
type stampReply struct {
	x         *Exchange
	status    int
	failBits  []int // of PKIFailureInfo; nil when absent
	failThere bool  // failInfo is there
	failDER   bool  // and has no zero bits at its end
	token     []byte
	tst       *token
	tokenErr  error
	query     stampQuery
}

var errNoReply = errors.New("it is not a TimeStampResp in DER")

func parseReply(raw []byte) (*stampReply, error) {
	r := &stampReply{failDER: true}
	body, ok := whole(raw)
	var info cryptobyte.String
	var status int64
	if !ok || !body.ReadASN1(&info, sequence) || !info.ReadASN1Integer(&status) || status < 0 || status > 1<<16 {
		return nil, errNoReply
	}
	r.status = int(status)
	if info.PeekASN1Tag(sequence) {
		var text cryptobyte.String
		if !info.ReadASN1(&text, sequence) {
			return nil, errNoReply
		}
	}
	if !info.Empty() {
		var bits asn1.BitString
		if !info.ReadASN1BitString(&bits) || !info.Empty() {
			return nil, errNoReply
		}
		r.failThere = true
		for i := range bits.BitLength {
			if bits.At(i) == 1 {
				r.failBits = append(r.failBits, i)
			}
		}
		r.failDER = bits.BitLength == 0 || bits.At(bits.BitLength-1) == 1
	}
	if !body.Empty() {
		r.token = body
		if r.tst, r.tokenErr = parseToken(body); r.tokenErr != nil {
			return r, nil
		}
	}
	return r, nil
}

// granted reports whether the status is one of the two with a token.
func (r *stampReply) granted() bool { return r.status == 0 || r.status == 1 }

// token is a TimeStampToken: a ContentInfo of SignedData.
type token struct {
	raw          []byte
	version      int64
	digests      []pki.Algorithm
	contentType  asn1.ObjectIdentifier
	content      []byte // the TSTInfo
	certsThere   bool
	certificates []*certificate
	signers      []signerInfo
	info         tstInfo
}

// signerInfo is a SignerInfo (RFC 5652, Section 5.3).
type signerInfo struct {
	version    int64
	issuer     []byte
	serial     []byte
	keyID      []byte
	digest     pki.Algorithm
	attributes []attribute
	rawAttrs   []byte // with the tag of a SET OF, as it is signed
	algorithm  pki.Algorithm
	signature  []byte
}

type attribute struct {
	id     asn1.ObjectIdentifier
	values []cryptobyte.String // whole elements
}

// get returns the value of the attribute that stands there once with one
// value.
func (s *signerInfo) get(id asn1.ObjectIdentifier) (value cryptobyte.String, times int) {
	for _, a := range s.attributes {
		if a.id.Equal(id) {
			times++
			if len(a.values) == 1 {
				value = a.values[0]
			}
		}
	}
	return value, times
}

// tstInfo is a TSTInfo.
type tstInfo struct {
	version         int64
	policy          asn1.ObjectIdentifier
	imprint         []byte // the whole MessageImprint
	hash            pki.Algorithm
	digest          []byte
	serial          []byte
	genTime         string
	at              time.Time
	accuracyThere   bool
	accuracy        time.Duration
	accuracyGood    bool
	ordering        bool
	orderingWritten bool
	nonce           []byte
	tsa             []byte // the GeneralName
	extensions      extensions
}

var (
	errNoToken = errors.New("the token is not a SignedData in DER")
	errNoInfo  = errors.New("the token's content is not a TSTInfo in DER")
)

func parseToken(raw []byte) (*token, error) {
	t := &token{raw: raw}
	body, ok := whole(raw)
	var kind asn1.ObjectIdentifier
	var inner, signed, digests, encapsulated, certs, crls, signers cryptobyte.String
	if !ok || !body.ReadASN1ObjectIdentifier(&kind) || !kind.Equal(oidSignedData) || !body.ReadASN1(&inner, explicit(0)) || !body.Empty() ||
		!inner.ReadASN1(&signed, sequence) || !inner.Empty() || !signed.ReadASN1Integer(&t.version) || !signed.ReadASN1(&digests, set) || !signed.ReadASN1(&encapsulated, sequence) {
		return nil, errNoToken
	}
	for !digests.Empty() {
		var a pki.Algorithm
		if !pki.ReadAlgorithm(&digests, &a) || len(t.digests) == 8 {
			return nil, errNoToken
		}
		t.digests = append(t.digests, a)
	}
	var content cryptobyte.String
	there := false
	if !encapsulated.ReadASN1ObjectIdentifier(&t.contentType) || !encapsulated.ReadASN1(&content, explicit(0)) || !encapsulated.Empty() ||
		!content.ReadASN1((*cryptobyte.String)(&t.content), cryptobyte_asn1.OCTET_STRING) || !content.Empty() ||
		!signed.ReadOptionalASN1(&certs, &t.certsThere, explicit(0)) || !signed.ReadOptionalASN1(&crls, &there, explicit(1)) || !signed.ReadASN1(&signers, set) || !signed.Empty() {
		return nil, errNoToken
	}
	for !certs.Empty() {
		element, _, ok := readAny(&certs)
		if !ok || len(t.certificates) == maxCertificates {
			return nil, errNoToken
		}
		if c, err := parseCertificate(element); err == nil {
			t.certificates = append(t.certificates, c)
		}
	}
	for !signers.Empty() {
		var s signerInfo
		if !s.read(&signers) || len(t.signers) == 8 {
			return nil, errNoToken
		}
		t.signers = append(t.signers, s)
	}
	if !t.info.read(t.content) {
		return nil, errNoInfo
	}
	return t, nil
}

func (s *signerInfo) read(from *cryptobyte.String) bool {
	var body, sid, attributes, unsigned cryptobyte.String
	if !from.ReadASN1(&body, sequence) || !body.ReadASN1Integer(&s.version) {
		return false
	}
	switch {
	case body.PeekASN1Tag(sequence):
		if !body.ReadASN1(&sid, sequence) || !sid.ReadASN1Element((*cryptobyte.String)(&s.issuer), sequence) {
			return false
		}
		var ok bool
		if s.serial, ok = readInteger(&sid); !ok || !sid.Empty() {
			return false
		}
	default:
		if !body.ReadASN1((*cryptobyte.String)(&s.keyID), implicit(0)) {
			return false
		}
	}
	if !pki.ReadAlgorithm(&body, &s.digest) {
		return false
	}
	if body.PeekASN1Tag(explicit(0)) {
		if !body.ReadASN1Element(&attributes, explicit(0)) {
			return false
		}
		// RFC 5652, Section 5.4: what is signed has the tag of a SET OF.
		s.rawAttrs = append([]byte{byte(set)}, attributes[1:]...)
		var list cryptobyte.String
		if !attributes.ReadASN1(&list, explicit(0)) || !s.readAttributes(list) {
			return false
		}
	}
	there := false
	return pki.ReadAlgorithm(&body, &s.algorithm) && body.ReadASN1((*cryptobyte.String)(&s.signature), cryptobyte_asn1.OCTET_STRING) &&
		body.ReadOptionalASN1(&unsigned, &there, explicit(1)) && body.Empty()
}

func (s *signerInfo) readAttributes(list cryptobyte.String) bool {
	for !list.Empty() {
		var body, values cryptobyte.String
		var a attribute
		if !list.ReadASN1(&body, sequence) || !body.ReadASN1ObjectIdentifier(&a.id) || !body.ReadASN1(&values, set) || !body.Empty() || len(s.attributes) == maxExtension {
			return false
		}
		for !values.Empty() {
			element, _, ok := readAny(&values)
			if !ok {
				return false
			}
			a.values = append(a.values, element)
		}
		s.attributes = append(s.attributes, a)
	}
	return true
}

func (i *tstInfo) read(raw []byte) bool {
	s, ok := whole(raw)
	var imprint, fields, genTime cryptobyte.String
	if !ok || !s.ReadASN1Integer(&i.version) || !s.ReadASN1ObjectIdentifier(&i.policy) || !s.ReadASN1Element(&imprint, sequence) {
		return false
	}
	i.imprint = imprint
	if !imprint.ReadASN1(&fields, sequence) || !pki.ReadAlgorithm(&fields, &i.hash) || !fields.ReadASN1((*cryptobyte.String)(&i.digest), cryptobyte_asn1.OCTET_STRING) || !fields.Empty() {
		return false
	}
	if i.serial, ok = readInteger(&s); !ok || !s.ReadASN1(&genTime, cryptobyte_asn1.GeneralizedTime) {
		return false
	}
	i.genTime = string(genTime)
	if at, err := time.Parse("20060102150405Z", i.genTime); err == nil {
		i.at = at
	}
	if s.PeekASN1Tag(sequence) {
		i.accuracyThere = true
		var accuracy cryptobyte.String
		if !s.ReadASN1(&accuracy, sequence) {
			return false
		}
		i.accuracy, i.accuracyGood = readAccuracy(accuracy)
	}
	if s.PeekASN1Tag(cryptobyte_asn1.BOOLEAN) {
		i.orderingWritten = true
		if !s.ReadASN1Boolean(&i.ordering) {
			return false
		}
	}
	if s.PeekASN1Tag(cryptobyte_asn1.INTEGER) {
		if i.nonce, ok = readInteger(&s); !ok {
			return false
		}
	}
	var tsa, list cryptobyte.String
	there := false
	if !s.ReadOptionalASN1(&tsa, &there, explicit(0)) {
		return false
	}
	i.tsa = tsa
	if !s.ReadOptionalASN1(&list, &there, explicit(1)) || there && !readExtensionList(list, &i.extensions) {
		return false
	}
	return s.Empty()
}

func readAccuracy(s cryptobyte.String) (total time.Duration, good bool) {
	for _, part := range []struct {
		tag  cryptobyte_asn1.Tag
		unit time.Duration
		most int64
	}{{cryptobyte_asn1.INTEGER, time.Second, 1 << 31}, {implicit(0), time.Millisecond, 999}, {implicit(1), time.Microsecond, 999}} {
		if !s.PeekASN1Tag(part.tag) {
			continue
		}
		var n int64
		if !s.ReadASN1Int64WithTag(&n, part.tag) || n < 0 || n > part.most || part.unit != time.Second && n == 0 {
			return 0, false
		}
		total += time.Duration(n) * part.unit
	}
	return total, s.Empty()
}

func (i *tstInfo) serialNumber() *big.Int { return number(i.serial) }

// signer finds the certificate that the SignerInfo names.
func (t *token) signer(others ...*certificate) *certificate {
	if len(t.signers) == 0 {
		return nil
	}
	s := &t.signers[0]
	for _, c := range append(append([]*certificate{}, t.certificates...), others...) {
		if c == nil {
			continue
		}
		if s.keyID != nil {
			if e := c.extensions.get(pki.OIDSubjectKeyIdentifier); e != nil {
				value := cryptobyte.String(e.value)
				var id cryptobyte.String
				if value.ReadASN1(&id, cryptobyte_asn1.OCTET_STRING) && string(id) == string(s.keyID) {
					return c
				}
			}
		} else if string(c.issuer) == string(s.issuer) && string(c.serial) == string(s.serial) {
			return c
		}
	}
	return nil
}
