package truststore

import (
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
)

var (
	oidData       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
)

// explicit is a [0] around something.
var explicit = cryptobyte_asn1.Tag(0).Constructed().ContextSpecific()

// PKCS7 is a SignedData without signers (RFC 5652, Section 5), the form in which
// certificates are handed on.
func PKCS7(anchors []Anchor) ([]byte, error) {
	var all [][]byte
	for _, a := range certificates(anchors) {
		all = append(all, a.Certificate.Raw)
	}
	var b cryptobyte.Builder
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidSignedData)
		b.AddASN1(explicit, func(b *cryptobyte.Builder) {
			b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(1)
				b.AddASN1(cryptobyte_asn1.SET, func(*cryptobyte.Builder) {})
				b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidData) })
				// An implicit SET OF, in DER's order.
				set := cryptobyte.NewBuilder(nil)
				der.AddSetOf(set, all)
				whole := cryptobyte.String(set.BytesOrPanic())
				var inside cryptobyte.String
				whole.ReadASN1(&inside, cryptobyte_asn1.SET)
				b.AddASN1(explicit, func(b *cryptobyte.Builder) { b.AddBytes(inside) })
				b.AddASN1(cryptobyte_asn1.SET, func(*cryptobyte.Builder) {})
			})
		})
	})
	return b.Bytes()
}
