package tsa

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// Limits of what is parsed at all. The largest honest query, with a nonce and
// a policy, has about 150 octets.
const (
	MaxRequest = 8 << 10 // octets of a TimeStampReq
	MaxNonce   = 4 << 10 // octets of its nonce's value
)

// Imprint is a MessageImprint (RFC 3161, Section 2.4.1): a hash value and the
// function it was made with.
type Imprint struct {
	HashAlgorithm asn1.ObjectIdentifier
	// Parameters is the whole encoded parameters element, nil when absent.
	// Tokens repeat what the query had.
	Parameters    []byte
	HashedMessage []byte
}

// Request is a TimeStampReq (RFC 3161, Section 2.4.1) of version 1.
type Request struct {
	Imprint Imprint
	// Policy is the policy asked for; nil leaves the choice to the authority.
	Policy asn1.ObjectIdentifier
	// Nonce is the value of the nonce INTEGER in two's complement, in the
	// fewest octets; nil when absent. It may be zero or negative.
	Nonce []byte
	// CertReq asks for the authority's certificate in the token.
	CertReq bool
	// Extensions asks for things that this package does not know: the
	// authority refuses every one of them.
	Extensions []Extension

	// imprint is the encoded messageImprint of a query that was parsed.
	imprint []byte
	// certReqFalse tells an encoded FALSE from an absent certReq.
	certReqFalse bool
}

// Extension is an element of a query's extensions (RFC 5280, Section 4.1).
type Extension struct {
	ID       asn1.ObjectIdentifier
	Critical bool
	Value    []byte
}

var tagExtensions = cryptobyte_asn1.Tag(0).ContextSpecific().Constructed()

// ParseRequest reads an encoded TimeStampReq. It accepts DER and nothing else,
// with one exception: RFC 3161, Section 2.4.1 speaks of a certReq that is
// "present and set to false", so an encoded FALSE passes although it is the
// default. The error is always a [*Rejection]. The result aliases the input.
func ParseRequest(in []byte) (*Request, error) {
	if len(in) > MaxRequest {
		return nil, reject(BadDataFormat, "the query is longer than %d octets", MaxRequest)
	}
	s, ok := der.Whole(in, cryptobyte_asn1.SEQUENCE)
	if !ok {
		return nil, reject(BadDataFormat, "the query is not one DER SEQUENCE")
	}
	version, ok := readInteger(&s)
	if !ok {
		return nil, reject(BadDataFormat, "version is not an INTEGER in DER")
	}
	// RFC 3161, Section 2.4.1: version 1. What follows in another version is
	// not known, so it is not looked at.
	if string(version) != "\x01" {
		return nil, reject(BadRequest, "version is not 1")
	}
	r := new(Request)
	rest := s
	if !readImprint(&s, &r.Imprint) {
		return nil, reject(BadDataFormat, "messageImprint is not correctly formatted")
	}
	r.imprint = rest[:len(rest)-len(s)]
	if s.PeekASN1Tag(cryptobyte_asn1.OBJECT_IDENTIFIER) {
		if refused := readPolicy(&s, &r.Policy); refused != nil {
			return nil, refused
		}
	}
	if s.PeekASN1Tag(cryptobyte_asn1.INTEGER) {
		if r.Nonce, ok = readInteger(&s); !ok {
			return nil, reject(BadDataFormat, "nonce is not an INTEGER in DER")
		}
		if len(r.Nonce) > MaxNonce {
			return nil, reject(BadDataFormat, "nonce is longer than %d octets", MaxNonce)
		}
	}
	if s.PeekASN1Tag(cryptobyte_asn1.BOOLEAN) {
		if !s.ReadASN1Boolean(&r.CertReq) {
			return nil, reject(BadDataFormat, "certReq is not a BOOLEAN in DER")
		}
		r.certReqFalse = !r.CertReq
	}
	if s.PeekASN1Tag(tagExtensions) {
		if r.Extensions, ok = readExtensions(&s); !ok {
			return nil, reject(BadDataFormat, "extensions is not correctly formatted")
		}
	}
	if !s.Empty() {
		return nil, reject(BadDataFormat, "something follows the fields of the query")
	}
	return r, nil
}

// Marshal encodes r. What [ParseRequest] read becomes the same octets again.
func (r *Request) Marshal() ([]byte, error) {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		addImprint(b, r.Imprint)
		if r.Policy != nil {
			b.AddASN1ObjectIdentifier(r.Policy)
		}
		if r.Nonce != nil {
			if !minimal(r.Nonce) {
				b.SetError(errors.New("tsa: the nonce is not in the fewest octets"))
				return
			}
			addInteger(b, r.Nonce)
		}
		if r.CertReq || r.certReqFalse {
			b.AddASN1Boolean(r.CertReq)
		}
		if len(r.Extensions) > 0 {
			b.AddASN1(tagExtensions, func(b *cryptobyte.Builder) {
				for _, e := range r.Extensions {
					der.AddExtension(b, e.ID, e.Critical, func(b *cryptobyte.Builder) { b.AddBytes(e.Value) })
				}
			})
		}
	})
	return b.Bytes()
}

// readPolicy reads a TSAPolicyId. One with an arc above 31 bits, such as those
// below 2.25, is none that an authority of this package can have.
func readPolicy(s *cryptobyte.String, out *asn1.ObjectIdentifier) *Rejection {
	rest := *s
	if s.ReadASN1ObjectIdentifier(out) {
		return nil
	}
	var value cryptobyte.String
	var large x509.OID
	if rest.ReadASN1(&value, cryptobyte_asn1.OBJECT_IDENTIFIER) && large.UnmarshalBinary(value) == nil {
		return reject(UnacceptedPolicy, "reqPolicy is not supported")
	}
	return reject(BadDataFormat, "reqPolicy is not correctly formatted")
}

// readImprint reads a MessageImprint.
func readImprint(s *cryptobyte.String, out *Imprint) bool {
	var sequence, hashed cryptobyte.String
	var algorithm pki.Algorithm
	if !s.ReadASN1(&sequence, cryptobyte_asn1.SEQUENCE) || !pki.ReadAlgorithm(&sequence, &algorithm) ||
		!sequence.ReadASN1(&hashed, cryptobyte_asn1.OCTET_STRING) || !sequence.Empty() {
		return false
	}
	*out = Imprint{HashAlgorithm: algorithm.ID, Parameters: algorithm.Parameters, HashedMessage: hashed}
	return true
}

// addImprint writes a MessageImprint.
func addImprint(b *cryptobyte.Builder, i Imprint) {
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		pki.AddAlgorithm(b, pki.Algorithm{ID: i.HashAlgorithm, Parameters: i.Parameters})
		b.AddASN1OctetString(i.HashedMessage)
	})
}

// encodeImprint returns a MessageImprint's encoding.
func encodeImprint(i Imprint) ([]byte, error) {
	b := cryptobyte.NewBuilder(nil)
	addImprint(b, i)
	return b.Bytes()
}

// readExtensions reads [0] IMPLICIT Extensions. The ground floor's reader takes
// the universal tag, which replaces the implicit one here.
func readExtensions(s *cryptobyte.String) ([]Extension, bool) {
	var element cryptobyte.String
	if !s.ReadASN1Element(&element, tagExtensions) {
		return nil, false
	}
	universal := append([]byte{byte(cryptobyte_asn1.SEQUENCE)}, element[1:]...)
	u := cryptobyte.String(universal)
	list, ok := der.ReadExtensions(&u)
	if !ok {
		return nil, false
	}
	out := make([]Extension, len(list))
	for i, e := range list {
		out[i] = Extension{e.ID, e.Critical, e.Value}
	}
	return out, true
}

// readInteger reads an INTEGER of any size and sign as its value octets, which
// must be the fewest possible (X.690, Section 8.3.2). It makes no big.Int,
// whose conversion costs more than linear time.
func readInteger(s *cryptobyte.String) ([]byte, bool) {
	var value cryptobyte.String
	if !s.ReadASN1(&value, cryptobyte_asn1.INTEGER) || !minimal(value) {
		return nil, false
	}
	return value, true
}

// minimal reports whether value is a two's complement number in the fewest
// octets.
func minimal(value []byte) bool {
	switch {
	case len(value) == 0:
		return false
	case len(value) == 1:
		return true
	}
	return !(value[0] == 0 && value[1] < 0x80) && !(value[0] == 0xff && value[1] >= 0x80)
}

// addInteger writes an INTEGER from its value octets.
func addInteger(b *cryptobyte.Builder, value []byte) {
	b.AddASN1(cryptobyte_asn1.INTEGER, func(b *cryptobyte.Builder) { b.AddBytes(value) })
}

// judge decides whether the authority stamps what r asks, and under which of
// its policies.
func (a *Authority) judge(r *Request) (policy int, hash imprintHash, refused *Rejection) {
	// RFC 3161, Section 2.4.1: an extension that is not recognised, critical
	// or not, is refused with unacceptedExtension. None is recognised.
	if len(r.Extensions) > 0 {
		return 0, hash, reject(UnacceptedExtension, "extension %v is not supported", r.Extensions[0].ID)
	}
	hash, ok := findHash(r.Imprint)
	if !ok {
		return 0, hash, reject(BadAlg, "hash algorithm %v is not supported", r.Imprint.HashAlgorithm)
	}
	// RFC 3161, Section 2.4.1: the length MUST match the hash function.
	if len(r.Imprint.HashedMessage) != hash.size {
		return 0, hash, reject(BadDataFormat, "hashedMessage has %d octets where %s has %d", len(r.Imprint.HashedMessage), hash.name, hash.size)
	}
	// RFC 3161, Section 2.4.2: a policy that was asked for is the token's, or
	// the answer is unacceptedPolicy.
	if r.Policy != nil {
		policy = slices.IndexFunc(a.config.Policies, func(p Policy) bool { return p.ID.Equal(r.Policy) })
		if policy < 0 {
			return 0, hash, reject(UnacceptedPolicy, "policy %v is not supported", r.Policy)
		}
	}
	if hash.size == imprintSHA1.size && !a.config.Policies[policy].SHA1 {
		return 0, hash, reject(BadAlg, "policy %v does not accept SHA-1", a.config.Policies[policy].ID)
	}
	return policy, hash, nil
}

// findHash finds the function that i names. RFC 5754, Section 2: parameters
// are absent, or NULL from older clients.
func findHash(i Imprint) (imprintHash, bool) {
	if i.Parameters != nil && string(i.Parameters) != "\x05\x00" {
		return imprintHash{}, false
	}
	at := slices.IndexFunc(imprintHashes, func(h imprintHash) bool { return h.id.Equal(i.HashAlgorithm) })
	if at < 0 {
		return imprintHash{}, false
	}
	return imprintHashes[at], true
}
