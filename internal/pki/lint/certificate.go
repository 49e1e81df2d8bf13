package lint

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"sync"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// The tags that several structures share.
const sequence = cryptobyte_asn1.SEQUENCE

func context(n uint8) cryptobyte_asn1.Tag { return cryptobyte_asn1.Tag(n).ContextSpecific() }

func contextSequence(n uint8) cryptobyte_asn1.Tag { return context(n).Constructed() }

// certificate is a parsed Certificate (RFC 5280, Section 4.1) with the octets
// that lints judge. Slices alias the input.
type certificate struct {
	raw, tbs            []byte // with their headers
	inner, outer        []byte // AlgorithmIdentifiers with their headers
	signature           pki.Algorithm
	versionThere        bool
	version             int64
	serial              []byte
	issuer, subject     name
	notBefore, notAfter stamp
	key                 publicKey
	uniqueIDs           bool
	extensions          []extension
	usage               keyUsage
	basic               basicConstraints
	purposes            []asn1.ObjectIdentifier
	purposesGood        bool
	statements          []statement
	statementsGood      bool
	access              []access
	accessGood          bool
	points              []point
	pointsGood          bool
	policies            []asn1.ObjectIdentifier
	// types are the QcTypes; natural and legal say whose certificate it is.
	types          []asn1.ObjectIdentifier
	natural, legal bool
	// parent is the issuer's certificate, nil when it is not known.
	parent *x509.Certificate
}

// stamp is a Time as it stands there.
type stamp struct {
	tag cryptobyte_asn1.Tag
	at  time.Time
	ok  bool
}

// extension is one Extension. Unlike [der.ReadExtensions], parsing keeps what is
// repeated or writes out a default, for the lints to find.
type extension struct {
	id           asn1.ObjectIdentifier
	critical     bool
	writtenFalse bool
	value        []byte
}

// publicKey is a SubjectPublicKeyInfo.
type publicKey struct {
	raw       []byte // with its header
	algorithm pki.Algorithm
	bits      []byte
}

// keyUsage is the extension of that name.
type keyUsage struct {
	there, good bool
	critical    bool
	bits        uint16 // bit 0 of RFC 5280, Section 4.2.1.3 is the highest
}

// The bits of RFC 5280, Section 4.2.1.3.
const (
	digitalSignature uint16 = 0x8000 >> iota
	nonRepudiation
	keyEncipherment
	dataEncipherment
	keyAgreement
	keyCertSign
	cRLSign
)

func (u keyUsage) has(bit uint16) bool { return u.bits&bit != 0 }

// basicConstraints is the extension of that name.
type basicConstraints struct {
	there, good, critical bool
	ca, writtenFalse      bool
	pathLength            bool
}

// statement is one QCStatement (RFC 3739, Section 3.2.6).
type statement struct {
	id asn1.ObjectIdentifier
	// info is the statementInfo with its header, empty when absent.
	info cryptobyte.String
}

// idle holds certificates that were judged, for the next ones: an authority has
// every certificate judged that it issues, and most of their memory is lists.
var idle = sync.Pool{New: func() any { return new(certificate) }}

// parse reads a certificate in the place of an earlier one. fault is empty, or
// says why the octets are none.
func (c *certificate) parse(raw []byte) (fault string) {
	*c = certificate{
		raw:    raw,
		issuer: name{attributes: c.issuer.attributes[:0]}, subject: name{attributes: c.subject.attributes[:0]},
		extensions: c.extensions[:0], statements: c.statements[:0], access: c.access[:0],
	}
	whole, ok := der.Whole(raw, sequence)
	var signed cryptobyte.String
	if !ok || !whole.ReadASN1Element((*cryptobyte.String)(&c.tbs), sequence) || !whole.ReadASN1Element((*cryptobyte.String)(&c.outer), sequence) ||
		!whole.ReadASN1(&signed, cryptobyte_asn1.BIT_STRING) || !whole.Empty() {
		return "it is not a Certificate in DER"
	}
	tbs, _ := der.Whole(c.tbs, sequence)
	if fault := c.parseTBS(tbs); fault != "" {
		return fault
	}
	if fault := der.Fault(raw); fault != "" {
		return fault
	}
	c.decode()
	return ""
}

func (c *certificate) parseTBS(tbs cryptobyte.String) (fault string) {
	var version, validity, spki, list cryptobyte.String
	if !tbs.ReadOptionalASN1(&version, &c.versionThere, contextSequence(0)) || c.versionThere && (!version.ReadASN1Integer(&c.version) || !version.Empty()) {
		return "its version is malformed"
	}
	var serial cryptobyte.String
	if !tbs.ReadASN1(&serial, cryptobyte_asn1.INTEGER) || len(serial) == 0 {
		return "its serial number is malformed"
	}
	c.serial = serial
	algorithm := tbs
	if !tbs.ReadASN1Element((*cryptobyte.String)(&c.inner), sequence) || !readAlgorithm(&algorithm, &c.signature) {
		return "its signature algorithm is malformed"
	}
	if !readName(&tbs, &c.issuer) {
		return "its issuer is malformed"
	}
	if !tbs.ReadASN1(&validity, sequence) || !readStamp(&validity, &c.notBefore) || !readStamp(&validity, &c.notAfter) || !validity.Empty() {
		return "its validity is malformed"
	}
	if !readName(&tbs, &c.subject) {
		return "its subject is malformed"
	}
	if !tbs.ReadASN1Element((*cryptobyte.String)(&c.key.raw), sequence) {
		return "its subject public key is malformed"
	}
	if spki, _ = der.Whole(c.key.raw, sequence); !readAlgorithm(&spki, &c.key.algorithm) || !spki.ReadASN1BitStringAsBytes(&c.key.bits) || !spki.Empty() {
		return "its subject public key is malformed"
	}
	for _, tag := range []uint8{1, 2} {
		var unique cryptobyte.String
		there := false
		if !tbs.ReadOptionalASN1(&unique, &there, context(tag)) {
			return "its unique identifiers are malformed"
		}
		c.uniqueIDs = c.uniqueIDs || there
	}
	there := false
	if !tbs.ReadOptionalASN1(&list, &there, contextSequence(3)) || !tbs.Empty() || there && !c.readExtensions(list) {
		return "its extensions are malformed"
	}
	return ""
}

// maxExtensions bounds the list: the search for repetitions is quadratic.
const maxExtensions = 64

func (c *certificate) readExtensions(s cryptobyte.String) bool {
	var list cryptobyte.String
	if !s.ReadASN1(&list, sequence) || !s.Empty() || list.Empty() {
		return false
	}
	for !list.Empty() {
		var element, value cryptobyte.String
		var e extension
		if !list.ReadASN1(&element, sequence) || !readID(&element, &e.id) {
			return false
		}
		if element.PeekASN1Tag(cryptobyte_asn1.BOOLEAN) {
			if !element.ReadASN1Boolean(&e.critical) {
				return false
			}
			e.writtenFalse = !e.critical
		}
		if !element.ReadASN1(&value, cryptobyte_asn1.OCTET_STRING) || !element.Empty() || len(c.extensions) == maxExtensions {
			return false
		}
		e.value = value
		c.extensions = append(c.extensions, e)
	}
	return true
}

// readStamp reads a Time. What is no time in it is left to CERT-07.
func readStamp(s *cryptobyte.String, out *stamp) bool {
	var text cryptobyte.String
	if !s.ReadAnyASN1(&text, &out.tag) || out.tag != cryptobyte_asn1.UTCTime && out.tag != cryptobyte_asn1.GeneralizedTime {
		return false
	}
	layout := "20060102150405Z"
	if out.tag == cryptobyte_asn1.UTCTime {
		layout = "060102150405Z"
	}
	at, err := time.Parse(layout, string(text))
	if err == nil && out.tag == cryptobyte_asn1.UTCTime && at.Year() >= 2050 {
		// RFC 5280, Section 4.1.2.5.1: two digits from 50 on are of the 1900s.
		at = at.AddDate(-100, 0, 0)
	}
	// RFC 5280, Section 4.1.2.5: seconds present, no fraction, Z. Go's parser
	// takes a fraction where the layout has none.
	out.at, out.ok = at, err == nil && at.Nanosecond() == 0 && len(text) == len(layout)
	return true
}

// extension returns the first extension of that kind, nil when there is none.
func (c *certificate) extension(id asn1.ObjectIdentifier) *extension {
	for i := range c.extensions {
		if same(c.extensions[i].id, id) {
			return &c.extensions[i]
		}
	}
	return nil
}

// decode reads the extensions that several lints ask about.
func (c *certificate) decode() {
	if e := c.extension(pki.OIDKeyUsage); e != nil {
		c.usage = readKeyUsage(e)
	}
	if e := c.extension(pki.OIDBasicConstraints); e != nil {
		c.basic = readBasicConstraints(e)
	}
	if e := c.extension(pki.OIDExtKeyUsage); e != nil {
		c.purposes, c.purposesGood = readIdentifiers(e.value)
	}
	c.accessGood = c.readAccess()
	if e := c.extension(pki.OIDCRLDistributionPoints); e != nil {
		c.points, c.pointsGood = readPoints(e.value)
	}
	if e := c.extension(pki.OIDQCStatements); e != nil {
		if c.statementsGood = c.readStatements(e.value); !c.statementsGood {
			c.statements = c.statements[:0]
		}
	}
	c.policies, c.types = c.readPolicies(), c.readTypes()
	c.natural = c.isNatural()
	c.legal = c.isLegal()
}

func readKeyUsage(e *extension) keyUsage {
	u := keyUsage{there: true, critical: e.critical}
	bits, ok := der.Whole(e.value, cryptobyte_asn1.BIT_STRING)
	// X.690, Section 11.2.2: a named bit list ends with a bit that is set.
	if !ok || len(bits) < 2 || len(bits) > 3 || bits[0] > 7 || bits[len(bits)-1]>>bits[0]&1 == 0 || bits[len(bits)-1]&(1<<bits[0]-1) != 0 {
		return u
	}
	u.good = true
	u.bits = uint16(bits[1]) << 8
	if len(bits) == 3 {
		u.bits |= uint16(bits[2])
	}
	return u
}

func readBasicConstraints(e *extension) basicConstraints {
	b := basicConstraints{there: true, critical: e.critical}
	body, ok := der.Whole(e.value, sequence)
	if !ok {
		return b
	}
	if body.PeekASN1Tag(cryptobyte_asn1.BOOLEAN) {
		if !body.ReadASN1Boolean(&b.ca) {
			return b
		}
		b.writtenFalse = !b.ca
	}
	if !body.Empty() {
		var length int64
		if !body.ReadASN1Integer(&length) || length < 0 || !body.Empty() {
			return b
		}
		b.pathLength = true
	}
	b.good = true
	return b
}

// readIdentifiers reads a SEQUENCE OF OBJECT IDENTIFIER that is not empty.
func readIdentifiers(value []byte) ([]asn1.ObjectIdentifier, bool) {
	list, ok := der.Whole(value, sequence)
	if !ok || list.Empty() {
		return nil, false
	}
	var ids []asn1.ObjectIdentifier
	for !list.Empty() {
		var id asn1.ObjectIdentifier
		if !readID(&list, &id) {
			return nil, false
		}
		ids = append(ids, id)
	}
	return ids, true
}

func (c *certificate) readStatements(value []byte) bool {
	list, ok := der.Whole(value, sequence)
	if !ok || list.Empty() {
		return false
	}
	for !list.Empty() {
		var body cryptobyte.String
		var s statement
		if !list.ReadASN1(&body, sequence) || !readID(&body, &s.id) {
			return false
		}
		s.info = body
		if !body.Empty() {
			var info cryptobyte.String
			var tag cryptobyte_asn1.Tag
			if !body.ReadAnyASN1Element(&info, &tag) || !body.Empty() {
				return false
			}
		}
		c.statements = append(c.statements, s)
	}
	return true
}

// statement returns the first statement of that kind, nil when there is none.
func (c *certificate) statement(id asn1.ObjectIdentifier) *statement {
	for i := range c.statements {
		if same(c.statements[i].id, id) {
			return &c.statements[i]
		}
	}
	return nil
}

// purpose reports whether extKeyUsage names the purpose.
func (c *certificate) purpose(id asn1.ObjectIdentifier) bool { return contains(c.purposes, id) }

func contains(ids []asn1.ObjectIdentifier, id asn1.ObjectIdentifier) bool {
	for _, other := range ids {
		if same(other, id) {
			return true
		}
	}
	return false
}

// ca reports whether the certificate says that it is one of an authority.
func (c *certificate) ca() bool { return c.basic.ca }

// selfIssued reports whether issuer and subject are the same name.
func (c *certificate) selfIssued() bool { return bytes.Equal(c.issuer.raw, c.subject.raw) }

// fields are what a caller may ask for.
func (c *certificate) fields() Fields {
	f := Fields{
		ToBeSigned: c.tbs, Issuer: c.issuer.raw, Subject: c.subject.raw, PublicKey: c.key.raw,
		Serial: c.serial, NotBefore: c.notBefore.at, NotAfter: c.notAfter.at,
	}
	if e := c.extension(pki.OIDSubjectKeyIdentifier); e != nil {
		f.KeyID, _ = der.Whole(e.value, cryptobyte_asn1.OCTET_STRING)
	}
	return f
}

// lifetime is how long the certificate is valid, both ends included.
func (c *certificate) lifetime() time.Duration {
	return c.notAfter.at.Sub(c.notBefore.at) + time.Second
}
