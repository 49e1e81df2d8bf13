package ocsp

import (
	"bytes"
	encoding_asn1 "encoding/asn1"
	"errors"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// ErrMalformed says that bytes are no OCSPRequest in DER, or hold something
// critical that this package does not understand. It is answered with
// malformedRequest.
var ErrMalformed = errors.New("ocsp: malformed request")

// RFC 9654, Section 2.1: the least and the most octets of a nonce.
const (
	minNonce = 1
	maxNonce = 128
)

// Request is an OCSPRequest (RFC 6960, Section 4.1.1).
type Request struct {
	// RequestorName is the encoded GeneralName, nil when absent. RFC 9919,
	// Section 3.1.2: an unsigned request that has one is handled as if it had
	// none.
	RequestorName []byte
	// List has at least one element.
	List []Single
	// Extensions are the requestExtensions, the nonce among them.
	Extensions []der.Extension
	// Nonce is the value of the nonce extension, nil when there is none.
	Nonce []byte
	// Preferred are the signature algorithms that the client prefers, best first
	// (RFC 6960, Section 4.4.7.1); nil when it does not say.
	Preferred []pki.Algorithm
	// Signature is the encoded Signature, nil when absent. It is not verified.
	Signature []byte
}

// Single is one Request of the requestList.
type Single struct {
	CertID     CertID
	Extensions []der.Extension
}

// CertID names a certificate by its issuer and serial number (RFC 6960,
// Section 4.1.1).
type CertID struct {
	// Hash is the hash algorithm as the client encoded it, with parameters
	// NULL or absent.
	Hash           pki.Algorithm
	IssuerNameHash []byte
	IssuerKeyHash  []byte
	// Serial is the content of the INTEGER: big-endian two's complement.
	Serial []byte
	// Raw is the whole encoded CertID. The answer repeats it, so that a client
	// that compares octets finds its own.
	Raw []byte
}

// SerialNumber returns the serial as a number, and false when no certificate
// can have it: RFC 5280, Section 4.1.2.2 wants it positive and of at most 20
// octets.
func (c CertID) SerialNumber() (*big.Int, bool) {
	if len(c.Serial) == 0 || len(c.Serial) > 20 || c.Serial[0]&0x80 != 0 {
		return nil, false
	}
	n := new(big.Int).SetBytes(c.Serial)
	return n, n.Sign() > 0
}

// ParseRequest reads an OCSPRequest. Its parts alias in. Every error is
// [ErrMalformed].
func ParseRequest(in []byte) (*Request, error) {
	outer, ok := der.Whole(in, asn1.SEQUENCE)
	if !ok {
		return nil, ErrMalformed
	}
	var r Request
	var tbs cryptobyte.String
	if !outer.ReadASN1(&tbs, asn1.SEQUENCE) || !r.readTBS(tbs) || !r.readSignature(&outer) || !outer.Empty() {
		return nil, ErrMalformed
	}
	if !r.readNonce() || !r.readPreferred() {
		return nil, ErrMalformed
	}
	return &r, nil
}

func (r *Request) readTBS(tbs cryptobyte.String) bool {
	// RFC 6960, Section 4.1.1: version is v1 by default, and DER does not
	// encode a default, so no version field can be right.
	if tbs.PeekASN1Tag(asn1.Tag(0).ContextSpecific().Constructed()) {
		return false
	}
	var name, list cryptobyte.String
	var named bool
	if !tbs.ReadOptionalASN1(&name, &named, asn1.Tag(1).ContextSpecific().Constructed()) {
		return false
	}
	if named {
		if !isGeneralName(name) {
			return false
		}
		r.RequestorName = name
	}
	if !tbs.ReadASN1(&list, asn1.SEQUENCE) || list.Empty() {
		return false
	}
	for !list.Empty() {
		var element cryptobyte.String
		var single Single
		if !list.ReadASN1(&element, asn1.SEQUENCE) || !single.CertID.read(&element) ||
			!readExplicitExtensions(&element, 0, &single.Extensions) || !element.Empty() {
			return false
		}
		r.List = append(r.List, single)
	}
	return readExplicitExtensions(&tbs, 2, &r.Extensions) && tbs.Empty()
}

// readSignature takes the optionalSignature without looking further into it
// than its outline.
func (r *Request) readSignature(s *cryptobyte.String) bool {
	if s.Empty() {
		return true
	}
	var explicit, sequence, signature, certs cryptobyte.String
	var algorithm pki.Algorithm
	if !s.ReadASN1(&explicit, asn1.Tag(0).ContextSpecific().Constructed()) {
		return false
	}
	r.Signature = explicit
	var certified bool
	return explicit.ReadASN1(&sequence, asn1.SEQUENCE) && explicit.Empty() &&
		pki.ReadAlgorithm(&sequence, &algorithm) &&
		sequence.ReadASN1(&signature, asn1.BIT_STRING) &&
		sequence.ReadOptionalASN1(&certs, &certified, asn1.Tag(0).ContextSpecific().Constructed()) &&
		sequence.Empty()
}

// readNonce takes the nonce from the extensions and refuses critical ones that
// are not understood.
func (r *Request) readNonce() bool {
	for _, single := range r.List {
		for _, e := range single.Extensions {
			// RFC 6960, Section 4.1.2: unrecognised extensions are ignored
			// unless they are critical.
			if e.Critical {
				return false
			}
		}
	}
	for _, e := range r.Extensions {
		if !e.ID.Equal(pki.OIDOCSPNonce) {
			if e.Critical && !e.ID.Equal(oidPreferred) {
				return false
			}
			continue
		}
		// RFC 9654, Section 2.1: the extension's value is an encoded OCTET
		// STRING of 1 to 128 octets; an empty or longer one must be answered
		// malformedRequest.
		nonce, ok := der.Whole(e.Value, asn1.OCTET_STRING)
		if !ok || len(nonce) < minNonce || len(nonce) > maxNonce {
			return false
		}
		r.Nonce = nonce
	}
	return true
}

// oidPreferred is id-pkix-ocsp-pref-sig-algs (RFC 6960, Section 4.4.7.1).
var oidPreferred = encoding_asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 8}

// maxPreferred bounds the preferences that are read.
const maxPreferred = 32

// readPreferred takes the preferred signature algorithms from the extensions:
// SEQUENCE OF SEQUENCE { sigIdentifier, pubKeyAlgIdentifier OPTIONAL }.
func (r *Request) readPreferred() bool {
	for _, e := range r.Extensions {
		if !e.ID.Equal(oidPreferred) {
			continue
		}
		list, ok := der.Whole(e.Value, asn1.SEQUENCE)
		if !ok || r.Preferred != nil {
			return false
		}
		for !list.Empty() {
			var one, key cryptobyte.String
			var algorithm pki.Algorithm
			if !list.ReadASN1(&one, asn1.SEQUENCE) || !pki.ReadAlgorithm(&one, &algorithm) ||
				!one.Empty() && !one.ReadASN1(&key, asn1.SEQUENCE) || !one.Empty() || len(r.Preferred) == maxPreferred {
				return false
			}
			r.Preferred = append(r.Preferred, algorithm)
		}
	}
	return true
}

func (c *CertID) read(s *cryptobyte.String) bool {
	var raw, fields, name, key, serial cryptobyte.String
	if !s.ReadASN1Element(&raw, asn1.SEQUENCE) {
		return false
	}
	c.Raw = raw
	if !raw.ReadASN1(&fields, asn1.SEQUENCE) || !pki.ReadAlgorithm(&fields, &c.Hash) ||
		!fields.ReadASN1(&name, asn1.OCTET_STRING) || !fields.ReadASN1(&key, asn1.OCTET_STRING) {
		return false
	}
	if !fields.ReadASN1(&serial, asn1.INTEGER) || !fields.Empty() || !minimal(serial) {
		return false
	}
	c.IssuerNameHash, c.IssuerKeyHash, c.Serial = name, key, serial
	return true
}

// minimal reports whether the content of an INTEGER is not longer than it needs
// to be (ITU-T X.690, 8.3.2): its first nine bits are not all the same.
func minimal(content []byte) bool {
	switch {
	case len(content) == 0:
		return false
	case len(content) == 1:
		return true
	case content[0] == 0:
		return content[1]&0x80 != 0
	case content[0] == 0xff:
		return content[1]&0x80 == 0
	}
	return true
}

// readCertID reads a CertID that stands alone, and keeps a copy of it.
func readCertID(in []byte) (Single, error) {
	s := cryptobyte.String(bytes.Clone(in))
	var single Single
	if !single.CertID.read(&s) || !s.Empty() {
		return Single{}, ErrMalformed
	}
	return single, nil
}

// readExplicitExtensions reads Extensions under the explicit context tag, if
// they are there.
func readExplicitExtensions(s *cryptobyte.String, tag uint8, out *[]der.Extension) bool {
	var explicit cryptobyte.String
	var present bool
	if !s.ReadOptionalASN1(&explicit, &present, asn1.Tag(tag).ContextSpecific().Constructed()) {
		return false
	}
	if !present {
		return true
	}
	list, ok := der.ReadExtensions(&explicit)
	*out = list
	return ok && explicit.Empty()
}

// isGeneralName reports whether s is one element with a tag of the GeneralName
// choice (RFC 5280, Section 4.2.1.6). What the name says does not matter here.
func isGeneralName(s cryptobyte.String) bool {
	var element cryptobyte.String
	var tag asn1.Tag
	return s.ReadAnyASN1(&element, &tag) && s.Empty() && tag&0xc0 == 0x80 && tag&0x1f <= 8
}

// Marshal encodes the request. What [ParseRequest] accepted comes out as the
// same octets. A request made by hand leaves CertID.Raw nil; its Nonce, when
// set, must be among the Extensions too (see [NewNonce]).
func (r *Request) Marshal() ([]byte, error) {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			if r.RequestorName != nil {
				b.AddASN1(asn1.Tag(1).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
					b.AddBytes(r.RequestorName)
				})
			}
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, single := range r.List {
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						single.CertID.add(b)
						addExplicitExtensions(b, 0, single.Extensions)
					})
				}
			})
			addExplicitExtensions(b, 2, r.Extensions)
		})
		if r.Signature != nil {
			b.AddASN1(asn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
				b.AddBytes(r.Signature)
			})
		}
	})
	return b.Bytes()
}

func (c CertID) add(b *cryptobyte.Builder) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		pki.AddAlgorithm(b, c.Hash)
		b.AddASN1OctetString(c.IssuerNameHash)
		b.AddASN1OctetString(c.IssuerKeyHash)
		b.AddASN1(asn1.INTEGER, func(b *cryptobyte.Builder) { b.AddBytes(c.Serial) })
	})
}

func addExplicitExtensions(b *cryptobyte.Builder, tag uint8, list []der.Extension) {
	if len(list) == 0 {
		return
	}
	b.AddASN1(asn1.Tag(tag).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, e := range list {
				der.AddExtension(b, e.ID, e.Critical, func(b *cryptobyte.Builder) { b.AddBytes(e.Value) })
			}
		})
	})
}

// NewNonce returns the nonce extension that asks for value to be repeated. RFC
// 9654, Section 2.1 wants requesters to use at least 32 octets.
func NewNonce(value []byte) der.Extension {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1OctetString(value)
	return der.Extension{ID: pki.OIDOCSPNonce, Value: b.BytesOrPanic()}
}
