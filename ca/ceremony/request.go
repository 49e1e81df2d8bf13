package ceremony

import (
	"crypto/x509"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/pki"
)

// requestOrder is the order of a request's attributes; the profile of whoever
// certifies it has its own.
var requestOrder = []string{"C", "O", "organizationIdentifier", "OU", "L", "CN", "serialNumber"}

// request writes a certification request (RFC 2986, Section 4) for a key of
// this machine, to be carried to where it is certified.
func (c *Ceremony) request(s *Step) error {
	key, err := c.key(s.Key)
	if err != nil {
		return err
	}
	var attributes []pki.Attribute
	for _, name := range requestOrder {
		if value, ok := s.Subject[name]; ok {
			id, _ := pki.AttributeType(name)
			attributes = append(attributes, pki.Attribute{Type: id, Value: value})
		}
	}
	if len(attributes) != len(s.Subject) {
		return refuse("the profile of the authority sets the other attributes", "a request has no attributes other than %v, not %v", requestOrder, slices.Sorted(maps.Keys(s.Subject)))
	}
	name, err := pki.MarshalName(attributes)
	if err != nil {
		return err
	}
	public, err := spki(key.Public())
	if err != nil {
		return err
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		b.AddBytes(name)
		b.AddBytes(public)
		b.AddASN1(asn1.Tag(0).ContextSpecific().Constructed(), func(*cryptobyte.Builder) {})
	})
	tbs, err := b.Bytes()
	if err != nil {
		return err
	}
	if err := c.intent(Line{Step: s.ID, Text: "to sign a certification request with the key " + s.Key,
		Facts: []Fact{{"to-be-signed sha256", hash(tbs)}}, Data: tbs}); err != nil {
		return err
	}
	if c.dry {
		if key, err = pki.KeyLike(key.Public()); err != nil {
			return err
		}
	}
	algorithm, _, err := pki.SignatureAlgorithm(key.Public())
	if err != nil {
		return err
	}
	signature, err := signStatement(key, tbs)
	if err != nil {
		return err
	}
	b = cryptobyte.NewBuilder(nil)
	pki.AddSigned(b, tbs, algorithm, signature)
	encoded, err := b.Bytes()
	if err != nil {
		return err
	}
	parsed, err := x509.ParseCertificateRequest(encoded)
	if err != nil {
		return err
	}
	if err := parsed.CheckSignature(); err != nil && !c.dry {
		return fmt.Errorf("verifying own signature: %w", err)
	}
	c.show(s, tbs, requestText(parsed), nil)
	return c.line(Line{Event: eventDone, Step: s.ID, Text: "certification request for " + parsed.Subject.String(),
		Outputs: []File{{s.Output, hash(encodeOutput(s.Output, s.Do, encoded))}}, Data: encoded})
}
