// Package linttest has certificates for tests of whatever judges certificates:
// sound ones of each kind, and the same with one fault planted for each
// requirement. Their signatures are not real, and nobody in them exists.
package linttest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"slices"

	"golang.org/x/crypto/cryptobyte"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// template is a certificate in pieces, each of which a test may spoil.
type template struct {
	version, serial     []byte // elements; version may be nil
	inner, outer        []byte
	issuer, subject     []byte
	notBefore, notAfter []byte
	spki, unique        []byte
	extensions          []piece
	parent              *x509.Certificate
}

type piece struct {
	id       asn1.ObjectIdentifier
	critical []byte // the BOOLEAN element, nil when absent
	value    []byte
}

func tlv(tag byte, parts ...[]byte) []byte {
	contents := slices.Concat(parts...)
	b := cryptobyte.NewBuilder(nil)
	b.AddUint8(tag)
	switch n := len(contents); {
	case n < 0x80:
		b.AddUint8(uint8(n))
	case n < 0x100:
		b.AddBytes([]byte{0x81, byte(n)})
	default:
		b.AddBytes([]byte{0x82, byte(n >> 8), byte(n)})
	}
	b.AddBytes(contents)
	return b.BytesOrPanic()
}

func seq(parts ...[]byte) []byte     { return tlv(0x30, parts...) }
func text(tag byte, s string) []byte { return tlv(tag, []byte(s)) }
func integer(n int64) []byte         { return built(func(b *cryptobyte.Builder) { b.AddASN1Int64(n) }) }
func oid(id asn1.ObjectIdentifier) []byte {
	return built(func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(id) })
}
func bitsOf(bits ...int) []byte {
	return built(func(b *cryptobyte.Builder) { der.AddNamedBits(b, bits...) })
}

func built(build func(*cryptobyte.Builder)) []byte {
	b := cryptobyte.NewBuilder(nil)
	build(b)
	return b.BytesOrPanic()
}

const (
	utf8String, printableString, ia5String, bmp = 0x0c, 0x13, 0x16, 0x1e
	uri                                         = 0x86
)

var (
	isTrue = []byte{1, 1, 0xff}
	null   = []byte{5, 0}
)

// dn writes a name from attribute keys and values in turn.
func dn(pairs ...string) []byte {
	var attributes []pki.Attribute
	for i := 0; i < len(pairs); i += 2 {
		id, ok := pki.AttributeType(pairs[i])
		if !ok {
			panic(pairs[i])
		}
		attributes = append(attributes, pki.Attribute{Type: id, Value: pairs[i+1]})
	}
	raw, err := pki.MarshalName(attributes)
	if err != nil {
		panic(err)
	}
	return raw
}

// rdn is one attribute of any string type, for spoilt names.
func rdn(id asn1.ObjectIdentifier, tag byte, value string) []byte {
	return tlv(0x31, seq(oid(id), text(tag, value)))
}

// with puts an extension in place of the one of the same kind, or behind all.
func (t *template) with(id asn1.ObjectIdentifier, critical bool, value []byte) {
	p := piece{id: id, value: value}
	if critical {
		p.critical = isTrue
	}
	for i := range t.extensions {
		if t.extensions[i].id.Equal(id) {
			t.extensions[i] = p
			return
		}
	}
	t.extensions = append(t.extensions, p)
}

func (t *template) without(id asn1.ObjectIdentifier) {
	t.extensions = slices.DeleteFunc(t.extensions, func(p piece) bool { return p.id.Equal(id) })
}

// get returns the extension of that kind.
func (t *template) get(id asn1.ObjectIdentifier) *piece {
	for i := range t.extensions {
		if t.extensions[i].id.Equal(id) {
			return &t.extensions[i]
		}
	}
	panic(id.String())
}

func (t *template) der() []byte {
	var list [][]byte
	for _, p := range t.extensions {
		list = append(list, seq(oid(p.id), p.critical, tlv(4, p.value)))
	}
	var extensions []byte
	if len(list) > 0 {
		extensions = tlv(0xa3, seq(list...))
	}
	tbs := seq(t.version, t.serial, t.inner, t.issuer, seq(t.notBefore, t.notAfter), t.subject, t.spki, t.unique, extensions)
	return seq(tbs, t.outer, tlv(3, []byte{0}, bytes.Repeat([]byte{7}, 70)))
}

var (
	ecdsaWithSHA256 = seq(oid(pki.OIDECDSAWithSHA256))
	issuerKeyID     = bytes.Repeat([]byte{1}, 20)
	centreName      = dn("C", "AZ", "O", "Nümayiş Mərkəzi", "organizationIdentifier", "NTRAZ-1400057421", "CN", "Elektron Hökumət Mərkəzi")
)

// key is the SubjectPublicKeyInfo of a key of P-256, the same in every run.
func key() []byte {
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{1}, 32))
	if err != nil {
		panic(err)
	}
	raw, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		panic(err)
	}
	return raw
}

// rsaKey is the SubjectPublicKeyInfo of a number of so many bits, and e.
func rsaKey(bits uint, e *big.Int) []byte {
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	n.SetBit(n, 0, 1)
	number := func(i *big.Int) []byte { return built(func(b *cryptobyte.Builder) { b.AddASN1BigInt(i) }) }
	return seq(seq(oid(pki.OIDRSAEncryption), null), tlv(3, []byte{0}, seq(number(n), number(e))))
}

// base is what all good certificates have in common.
func base(subject []byte, usage ...int) *template {
	t := &template{
		version: []byte{0xa0, 3, 2, 1, 2}, serial: tlv(2, bytes.Repeat([]byte{0x5a}, 16)),
		inner: ecdsaWithSHA256, outer: ecdsaWithSHA256, issuer: centreName, subject: subject,
		notBefore: text(0x17, "261122100000Z"), notAfter: text(0x17, "291122095959Z"), spki: key(),
		parent: &x509.Certificate{RawSubject: centreName, SubjectKeyId: issuerKeyID},
	}
	t.with(pki.OIDAuthorityKeyIdentifier, false, seq(tlv(0x80, issuerKeyID)))
	t.with(pki.OIDSubjectKeyIdentifier, false, tlv(4, bytes.Repeat([]byte{2}, 20)))
	t.with(pki.OIDKeyUsage, true, bitsOf(usage...))
	return t
}

func policiesOf(ids ...asn1.ObjectIdentifier) []byte {
	var list [][]byte
	for _, id := range ids {
		list = append(list, seq(oid(id)))
	}
	return seq(list...)
}

func pointAt(uris ...string) []byte {
	var names [][]byte
	for _, u := range uris {
		names = append(names, text(uri, u))
	}
	return seq(seq(tlv(0xa0, tlv(0xa0, names...))))
}

func accessOf(pairs ...any) []byte {
	var list [][]byte
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, seq(oid(pairs[i].(asn1.ObjectIdentifier)), text(uri, pairs[i+1].(string))))
	}
	return seq(list...)
}

// status gives a certificate the places that a person's has.
func (t *template) status() *template {
	t.with(pki.OIDCRLDistributionPoints, false, pointAt("http://crl.example/cdp/AZ%20Root%20Authority%20(RCA).crl"))
	t.with(pki.OIDFreshestCRL, false, pointAt("http://crl.example/ehm-delta.crl"))
	t.with(pki.OIDAuthorityInfoAccess, false, accessOf(pki.OIDAccessOCSP, "http://ocsp.example/", pki.OIDAccessCAIssuers, "http://crl.example/ehm.cer"))
	return t
}

func statementOf(id asn1.ObjectIdentifier, info ...[]byte) []byte {
	return seq(append([][]byte{oid(id)}, info...)...)
}

var policy = asn1.ObjectIdentifier{2, 999, 31, 1, 1}

// qualified gives a certificate the statements of a qualified one.
func (t *template) qualified(kind, semantics asn1.ObjectIdentifier, more ...[]byte) *template {
	t.with(pki.OIDCertificatePolicies, false, policiesOf(policy))
	t.with(pki.OIDQCStatements, false, seq(append([][]byte{
		statementOf(pki.OIDQCSyntaxV2, seq(oid(semantics))),
		statementOf(pki.OIDQCCompliance),
		statementOf(pki.OIDQCType, seq(oid(kind))),
		statementOf(pki.OIDQCCLegislation, seq(text(printableString, "AZ"))),
		statementOf(pki.OIDQCPDS, seq(seq(text(ia5String, "https://pds.example/az"), text(printableString, "az")), seq(text(ia5String, "https://pds.example/en"), text(printableString, "en")))),
	}, more...)...))
	return t
}

// restate replaces, adds (nil old) or removes (nil new) a statement.
func (t *template) restate(old asn1.ObjectIdentifier, fresh []byte) {
	value := t.get(pki.OIDQCStatements)
	list := cryptobyte.String(value.value)
	var body cryptobyte.String
	list.ReadASN1(&body, 0x30)
	var kept [][]byte
	for !body.Empty() {
		var element, inside cryptobyte.String
		var id asn1.ObjectIdentifier
		body.ReadASN1Element(&element, 0x30)
		inside = element
		inside.ReadASN1(&inside, 0x30)
		inside.ReadASN1ObjectIdentifier(&id)
		if !id.Equal(old) {
			kept = append(kept, element)
		}
	}
	if fresh != nil {
		kept = append(kept, fresh)
	}
	value.value = seq(kept...)
}

func citizen() *template {
	return base(dn("C", "AZ", "surname", "Məmmədzadə", "givenName", "Gülşən", "serialNumber", "PNOAZ-1ABC2D3", "CN", "Gülşən Məmmədzadə"), 1).
		status().qualified(pki.OIDQCTypeESign, pki.OIDSemanticsNatural, statementOf(pki.OIDQCSSCD))
}

func seal() *template {
	return base(dn("C", "AZ", "O", "Nümunə MMC", "organizationIdentifier", "VATAZ-1400057421", "CN", "Nümunə MMC möhürü"), 1).status().
		qualified(pki.OIDQCTypeESeal, pki.OIDSemanticsLegal,
			statementOf(pki.OIDQCLimitValue, seq(text(printableString, "AZN"), integer(5), integer(3))), statementOf(pki.OIDQCRetention, integer(10)))
}

func authority() *template {
	t := base(dn("C", "AZ", "O", "Mərkəz", "CN", "Mərkəz"), 5, 6).status()
	t.with(pki.OIDBasicConstraints, true, seq(isTrue, integer(0)))
	t.with(pki.OIDCertificatePolicies, false, policiesOf(pki.OIDAnyPolicy))
	return t
}

func cross() *template {
	t := authority()
	t.with(pki.OIDCertificatePolicies, false, policiesOf(policy))
	t.with(pki.OIDPolicyMappings, true, seq(seq(oid(policy), oid(asn1.ObjectIdentifier{2, 999, 398}))))
	t.with(pki.OIDPolicyConstraints, true, seq(tlv(0x80, []byte{0}), tlv(0x81, []byte{0})))
	t.with(pki.OIDInhibitAnyPolicy, true, integer(0))
	t.with(pki.OIDNameConstraints, true, seq(tlv(0xa0, seq(tlv(0xa4, dn("C", "KZ"))), seq(text(0x81, ".kz.example"))), tlv(0xa1, seq(text(0x82, "az.kz.example")))))
	return t
}

func server() *template {
	t := base(dn(), 0).status()
	t.with(pki.OIDExtKeyUsage, false, seq(oid(pki.OIDServerAuth)))
	t.with(pki.OIDSubjectAltName, true, seq(text(0x82, "ocsp.example"), text(0x82, "xn--glen-0ra.example"), tlv(0x87, []byte{127, 0, 0, 1}),
		text(0x81, "a@b.example"), text(uri, "https://a.example/x"), smtpUTF8("gülşən@b.example")))
	t.with(pki.OIDTLSFeature, false, seq(integer(5)))
	return t
}

func smtpUTF8(mailbox string) []byte {
	return tlv(0xa0, oid(pki.OIDSmtpUTF8Mailbox), tlv(0xa0, text(utf8String, mailbox)))
}

func unit() *template {
	t := base(dn("C", "AZ", "O", "Mərkəz", "organizationIdentifier", "NTRAZ-1400057421", "CN", "Vaxt möhürü"), 0).status()
	t.with(pki.OIDCertificatePolicies, false, policiesOf(policy))
	t.with(pki.OIDExtKeyUsage, true, seq(oid(pki.OIDTimeStamping)))
	t.with(pki.OIDPrivateKeyUsagePeriod, false, seq(text(0x80, "20261122100000Z"), text(0x81, "20271122095959Z")))
	return t
}

func responder() *template {
	t := base(dn("C", "AZ", "O", "Mərkəz", "organizationIdentifier", "NTRAZ-1400057421", "CN", "OCSP"), 0)
	t.with(pki.OIDExtKeyUsage, false, seq(oid(pki.OIDOCSPSigning)))
	t.with(pki.OIDOCSPNoCheck, false, null)
	return t
}

func shortLived() *template {
	t := citizen()
	t.notAfter = text(0x17, "261123095959Z")
	t.without(pki.OIDCRLDistributionPoints)
	t.without(pki.OIDFreshestCRL)
	t.with(pki.OIDAuthorityInfoAccess, false, accessOf(pki.OIDAccessCAIssuers, "http://crl.example/ehm.cer"))
	t.with(pki.OIDNoRevAvail, false, null)
	t.with(pki.OIDValidityAssured, false, null)
	return t
}

// good are certificates that no lint finds anything in.
var good = map[string]func() *template{
	"citizen": citizen, "seal": seal, "authority": authority, "cross-certificate": cross, "server": server,
	"time-stamping unit": unit, "responder": responder, "short-lived": shortLived,
}
