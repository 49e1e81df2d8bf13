package conformance

import (
	"encoding/asn1"
	"errors"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/pki"
)

// Identifiers of CRLs and OCSP that the ground floor has no use for.
var (
	oidDeltaCRLIndicator = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidCertificateIssuer = asn1.ObjectIdentifier{2, 5, 29, 29}
	oidExpiredCertsOnCRL = asn1.ObjectIdentifier{2, 5, 29, 60}
	oidCRLReferences     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 3}
	oidArchiveCutoff     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 6}
)

// list is a CertificateList (RFC 5280, Section 5.1) as it stands there.
type list struct {
	x              *Exchange
	raw, tbs       []byte
	version        int64
	versionThere   bool
	inner, outer   []byte // AlgorithmIdentifiers with their headers
	algorithm      pki.Algorithm
	signature      []byte
	issuer         []byte
	thisUpdate     stamp
	nextUpdate     stamp
	emptyEntries   bool
	entries        []entry
	extensionsHere bool
	extensions     extensions
	number         *big.Int // nil when absent or malformed
	numberOctets   int
}

// entry is one revoked certificate.
type entry struct {
	serial     []byte
	at         stamp
	extensions extensions
	reason     int // -1 when absent, -2 when malformed
}

var errNoList = errors.New("it is not a CertificateList in DER")

// maxEntries bounds what a list may hold; the download is bounded, too.
const maxEntries = 4 << 20

func parseList(raw []byte) (*list, error) {
	l := &list{raw: raw}
	body, ok := whole(raw)
	var tbs, inside, extensionList cryptobyte.String
	if !ok || !body.ReadASN1Element(&tbs, sequence) {
		return nil, errNoList
	}
	l.tbs = tbs
	outer := body
	if !outer.ReadASN1Element((*cryptobyte.String)(&l.outer), sequence) || !pki.ReadAlgorithm(&body, &l.algorithm) || !body.ReadASN1BitStringAsBytes(&l.signature) || !body.Empty() || !tbs.ReadASN1(&inside, sequence) {
		return nil, errNoList
	}
	if inside.PeekASN1Tag(cryptobyte_asn1.INTEGER) {
		l.versionThere = true
		if !inside.ReadASN1Integer(&l.version) {
			return nil, errNoList
		}
	}
	if !inside.ReadASN1Element((*cryptobyte.String)(&l.inner), sequence) || !inside.ReadASN1Element((*cryptobyte.String)(&l.issuer), sequence) || !readStamp(&inside, &l.thisUpdate) {
		return nil, errNoList
	}
	if inside.PeekASN1Tag(cryptobyte_asn1.UTCTime) || inside.PeekASN1Tag(cryptobyte_asn1.GeneralizedTime) {
		if !readStamp(&inside, &l.nextUpdate) {
			return nil, errNoList
		}
	}
	if inside.PeekASN1Tag(sequence) && !l.readEntries(&inside) {
		return nil, errNoList
	}
	if !inside.ReadOptionalASN1(&extensionList, &l.extensionsHere, explicit(0)) || !inside.Empty() || l.extensionsHere && (!readExtensions(&extensionList, &l.extensions) || !extensionList.Empty()) {
		return nil, errNoList
	}
	if e := l.extensions.get(pki.OIDCRLNumber); e != nil {
		value := cryptobyte.String(e.value)
		if octets, ok := readInteger(&value); ok && value.Empty() {
			l.number, l.numberOctets = number(octets), len(octets)
		}
	}
	return l, nil
}

func (l *list) readEntries(s *cryptobyte.String) bool {
	var all cryptobyte.String
	if !s.ReadASN1(&all, sequence) {
		return false
	}
	l.emptyEntries = all.Empty()
	for !all.Empty() {
		var body cryptobyte.String
		e := entry{reason: -1}
		ok := all.ReadASN1(&body, sequence)
		if ok {
			e.serial, ok = readInteger(&body)
		}
		if !ok || !readStamp(&body, &e.at) || !body.Empty() && (!readExtensions(&body, &e.extensions) || !body.Empty()) || len(l.entries) == maxEntries {
			return false
		}
		if x := e.extensions.get(pki.OIDReasonCode); x != nil {
			value := cryptobyte.String(x.value)
			if !value.ReadASN1Enum(&e.reason) || !value.Empty() {
				e.reason = -2
			}
		}
		l.entries = append(l.entries, e)
	}
	return true
}

// entry finds a serial number.
func (l *list) entry(serial []byte) *entry {
	for i := range l.entries {
		if string(l.entries[i].serial) == string(serial) {
			return &l.entries[i]
		}
	}
	return nil
}

// delta reports whether the list says that it is a delta.
func (l *list) delta() bool { return l.extensions.get(oidDeltaCRLIndicator) != nil }

// base is the number in the deltaCRLIndicator, nil when malformed.
func (l *list) base() *big.Int {
	e := l.extensions.get(oidDeltaCRLIndicator)
	if e == nil {
		return nil
	}
	value := cryptobyte.String(e.value)
	octets, ok := readInteger(&value)
	if !ok || !value.Empty() {
		return nil
	}
	return number(octets)
}

// scope is an IssuingDistributionPoint (RFC 5280, Section 5.2.5).
type scope struct {
	place                      []byte // contents of distributionPoint's explicit tag
	userCerts, caCerts         bool
	attributeCerts, indirect   bool
	reasons                    bool
	writtenFalse, empty, valid bool
}

func readScope(value []byte) (s scope) {
	body, ok := whole(value)
	if !ok {
		return s
	}
	s.empty = body.Empty()
	var place, reasons cryptobyte.String
	there := false
	if !body.ReadOptionalASN1(&place, &there, explicit(0)) {
		return s
	}
	s.place = place
	flag := func(tag uint8, out *bool) bool {
		var octets cryptobyte.String
		there := false
		if !body.ReadOptionalASN1(&octets, &there, implicit(tag)) {
			return false
		}
		if there {
			*out = len(octets) == 1 && octets[0] == 0xff
			s.writtenFalse = s.writtenFalse || !*out
		}
		return true
	}
	if !flag(1, &s.userCerts) || !flag(2, &s.caCerts) || !body.ReadOptionalASN1(&reasons, &s.reasons, implicit(3)) || !flag(4, &s.indirect) || !flag(5, &s.attributeCerts) {
		return s
	}
	s.valid = body.Empty()
	return s
}
