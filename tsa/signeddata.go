package tsa

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// signedData is a ContentInfo with the SignedData of a time-stamp token (RFC
// 5652, Section 5.1): one digest algorithm, an encapsulated TSTInfo, one
// SignerInfo that is named by issuer and serial number and has signed
// attributes, no CRLs, no unsigned attributes.
type signedData struct {
	digest pki.Algorithm
	info   []byte // encoded TSTInfo
	// certificates holds whole encoded certificates in ascending order; nil
	// when the field is absent.
	certificates [][]byte
	issuer       []byte // encoded Name
	serial       []byte // value octets of the INTEGER
	// attributes holds whole encoded attributes in ascending order.
	attributes [][]byte
	algorithm  pki.Algorithm
	signature  []byte
}

var (
	tagContent            = cryptobyte_asn1.Tag(0).ContextSpecific().Constructed()
	tagCertificates       = cryptobyte_asn1.Tag(0).ContextSpecific().Constructed()
	tagSignedAttributes   = cryptobyte_asn1.Tag(0).ContextSpecific().Constructed()
	tagSignatureAlgorithm = cryptobyte_asn1.Tag(1).ContextSpecific().Constructed()
)

// marshal encodes the ContentInfo.
func (d *signedData) marshal() ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, 1024+len(d.info)))
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) { // ContentInfo
		b.AddASN1ObjectIdentifier(oidSignedData)
		b.AddASN1(tagContent, func(b *cryptobyte.Builder) {
			b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) { // SignedData
				// RFC 5652, Section 5.1: version 3, as the content is not
				// id-data.
				b.AddASN1Int64(3)
				b.AddASN1(cryptobyte_asn1.SET, func(b *cryptobyte.Builder) { pki.AddAlgorithm(b, d.digest) })
				b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) { // EncapsulatedContentInfo
					b.AddASN1ObjectIdentifier(oidTSTInfo)
					b.AddASN1(tagContent, func(b *cryptobyte.Builder) { b.AddASN1OctetString(d.info) })
				})
				// RFC 3161, Section 2.4.1: the field is absent unless certReq
				// asked for it.
				if len(d.certificates) > 0 {
					b.AddASN1(tagCertificates, func(b *cryptobyte.Builder) { addAll(b, d.certificates) })
				}
				// RFC 3161, Section 2.4.2: no signature but the authority's.
				b.AddASN1(cryptobyte_asn1.SET, d.addSignerInfo)
			})
		})
	})
	return b.Bytes()
}

// addSignerInfo writes the SignerInfo (RFC 5652, Section 5.3).
func (d *signedData) addSignerInfo(b *cryptobyte.Builder) {
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addSignerHead(b, d.issuer, d.serial, d.digest)
		b.AddASN1(tagSignedAttributes, func(b *cryptobyte.Builder) { addAll(b, d.attributes) })
		pki.AddAlgorithm(b, d.algorithm)
		b.AddASN1OctetString(d.signature)
	})
}

// addSignerHead writes what stands before the signed attributes: version 1 as
// the signer is named by issuer and serial number, that name, and the digest's
// algorithm.
func addSignerHead(b *cryptobyte.Builder, issuer, serial []byte, digest pki.Algorithm) {
	b.AddASN1Int64(1)
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(issuer)
		addInteger(b, serial)
	})
	pki.AddAlgorithm(b, digest)
}

// marshalAttributes encodes the signed attributes as the SET OF that the
// signature is made over (RFC 5652, Section 5.4).
func (d *signedData) marshalAttributes() ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, 512))
	b.AddASN1(cryptobyte_asn1.SET, func(b *cryptobyte.Builder) { addAll(b, d.attributes) })
	return b.Bytes()
}

func addAll(b *cryptobyte.Builder, elements [][]byte) {
	for _, e := range elements {
		b.AddBytes(e)
	}
}

// sorted returns the encoded elements in the order of a SET OF in DER (X.690,
// Section 11.6).
func sorted(elements ...[]byte) [][]byte {
	slices.SortFunc(elements, bytes.Compare)
	return elements
}

var errNotToken = errors.New("tsa: not a time-stamp token in the form of this authority")

// parseSignedData reads what marshal writes, and nothing else: the same octets
// come out of marshal again. The result aliases the input.
func parseSignedData(in []byte) (*signedData, error) {
	var id asn1.ObjectIdentifier
	var version int64
	d := new(signedData)
	contentInfo, ok := der.Whole(in, cryptobyte_asn1.SEQUENCE)
	if !ok || !contentInfo.ReadASN1ObjectIdentifier(&id) || !id.Equal(oidSignedData) {
		return nil, errNotToken
	}
	content, ok := der.Whole(contentInfo, tagContent)
	if !ok {
		return nil, errNotToken
	}
	s, ok := der.Whole(content, cryptobyte_asn1.SEQUENCE)
	if !ok || !s.ReadASN1Integer(&version) || version != 3 {
		return nil, errNotToken
	}
	var digests, encapsulated, explicit, info, signerInfos cryptobyte.String
	if !s.ReadASN1(&digests, cryptobyte_asn1.SET) || !pki.ReadAlgorithm(&digests, &d.digest) || !digests.Empty() {
		return nil, errNotToken
	}
	if !s.ReadASN1(&encapsulated, cryptobyte_asn1.SEQUENCE) ||
		!encapsulated.ReadASN1ObjectIdentifier(&id) || !id.Equal(oidTSTInfo) ||
		!encapsulated.ReadASN1(&explicit, tagContent) || !encapsulated.Empty() ||
		!explicit.ReadASN1(&info, cryptobyte_asn1.OCTET_STRING) || !explicit.Empty() {
		return nil, errNotToken
	}
	d.info = info
	if s.PeekASN1Tag(tagCertificates) {
		if d.certificates, ok = readSet(&s, tagCertificates); !ok {
			return nil, errNotToken
		}
	}
	if !s.ReadASN1(&signerInfos, cryptobyte_asn1.SET) || !s.Empty() || !d.readSignerInfo(&signerInfos) || !signerInfos.Empty() {
		return nil, errNotToken
	}
	return d, nil
}

func (d *signedData) readSignerInfo(s *cryptobyte.String) bool {
	var info, sid, issuer, signature cryptobyte.String
	var version int64
	var digest pki.Algorithm
	if !s.ReadASN1(&info, cryptobyte_asn1.SEQUENCE) || !info.ReadASN1Integer(&version) || version != 1 ||
		!info.ReadASN1(&sid, cryptobyte_asn1.SEQUENCE) || !sid.ReadASN1Element(&issuer, cryptobyte_asn1.SEQUENCE) {
		return false
	}
	d.issuer = issuer
	var ok bool
	if d.serial, ok = readInteger(&sid); !ok || !sid.Empty() {
		return false
	}
	if !pki.ReadAlgorithm(&info, &digest) || !digest.ID.Equal(d.digest.ID) || !bytes.Equal(digest.Parameters, d.digest.Parameters) {
		return false
	}
	if d.attributes, ok = readSet(&info, tagSignedAttributes); !ok {
		return false
	}
	if !pki.ReadAlgorithm(&info, &d.algorithm) || !info.ReadASN1(&signature, cryptobyte_asn1.OCTET_STRING) || !info.Empty() {
		return false
	}
	d.signature = signature
	return true
}

// readSet reads an IMPLICIT SET OF SEQUENCE with at least one element, in
// ascending order and without repetition.
func readSet(s *cryptobyte.String, tag cryptobyte_asn1.Tag) ([][]byte, bool) {
	var set cryptobyte.String
	if !s.ReadASN1(&set, tag) || set.Empty() {
		return nil, false
	}
	var out [][]byte
	for !set.Empty() {
		var element cryptobyte.String
		if !set.ReadASN1Element(&element, cryptobyte_asn1.SEQUENCE) {
			return nil, false
		}
		if len(out) > 0 && bytes.Compare(out[len(out)-1], element) >= 0 {
			return nil, false
		}
		out = append(out, element)
	}
	return out, true
}
