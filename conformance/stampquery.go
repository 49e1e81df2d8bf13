package conformance

import (
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// stampQuery is a TimeStampReq (RFC 3161, Section 2.4.1) to be asked.
type stampQuery struct {
	version    int64
	hash       pki.Algorithm
	digest     []byte
	policy     asn1.ObjectIdentifier
	nonce      []byte // the octets of the INTEGER; nil: none
	certReq    bool
	extensions []der.Extension
}

func (q stampQuery) imprint() []byte {
	return built(func(b *cryptobyte.Builder) {
		b.AddASN1(sequence, func(b *cryptobyte.Builder) {
			pki.AddAlgorithm(b, q.hash)
			b.AddASN1OctetString(q.digest)
		})
	})
}

func (q stampQuery) marshal() []byte {
	return built(func(b *cryptobyte.Builder) {
		b.AddASN1(sequence, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(q.version)
			b.AddBytes(q.imprint())
			if q.policy != nil {
				b.AddASN1ObjectIdentifier(q.policy)
			}
			if q.nonce != nil {
				b.AddASN1(cryptobyte_asn1.INTEGER, func(b *cryptobyte.Builder) { b.AddBytes(q.nonce) })
			}
			if q.certReq {
				b.AddASN1Boolean(true)
			}
			if len(q.extensions) > 0 {
				b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
					for _, e := range q.extensions {
						der.AddExtension(b, e.ID, e.Critical, func(b *cryptobyte.Builder) { b.AddBytes(e.Value) })
					}
				})
			}
		})
	})
}
