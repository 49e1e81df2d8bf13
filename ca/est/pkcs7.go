package est

import (
	"bytes"
	"encoding/asn1"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// RFC 5652, Sections 4 and 5.1.
var (
	oidData       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
)

// certsOnly puts certificates into a CMS message without contents and signers,
// the Simple PKI Response of RFC 5272, Section 4.1.
//
// RFC 5652, Section 5.1: version 1, since there are nothing but X.509
// certificates. The certificates are a SET, in DER in the order of their
// encodings (X.690, Section 11.6), and a client finds its way by their names.
func certsOnly(certificates ...[]byte) ([]byte, error) {
	certificates = slices.Clone(certificates)
	slices.SortFunc(certificates, bytes.Compare)
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidSignedData)
		b.AddASN1(cryptobyte_asn1.Tag(0).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) {
			b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(1)
				b.AddASN1(cryptobyte_asn1.SET, func(*cryptobyte.Builder) {})
				b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidData) })
				b.AddASN1(cryptobyte_asn1.Tag(0).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) {
					for _, certificate := range certificates {
						b.AddBytes(certificate)
					}
				})
				b.AddASN1(cryptobyte_asn1.SET, func(*cryptobyte.Builder) {})
			})
		})
	})
	return b.Bytes()
}
