package conformance

import (
	"crypto"
	"crypto/rand"
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

const sha1 = crypto.SHA1 // for CertIDs and key identifiers

// oidPreferredSignatures is id-pkix-ocsp-pref-sig-algs (RFC 6960, Section
// 4.4.7.1).
var oidPreferredSignatures = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 8}

// inquiry is an OCSPRequest to be asked.
type inquiry struct {
	ids        [][]byte // encoded CertIDs
	nonce      []byte   // nil: none
	name       []byte   // requestorName's contents, nil: none
	extensions []der.Extension
	singleExts []der.Extension
}

// idOf writes the CertID of a certificate of the issuer.
func idOf(issuer *certificate, serial []byte, hash crypto.Hash, null bool) []byte {
	h := hash.New()
	h.Write(issuer.subject)
	algorithm := pki.HashAlgorithm(hash)
	if null {
		algorithm.Parameters = []byte{5, 0}
	}
	return built(func(b *cryptobyte.Builder) {
		b.AddASN1(sequence, func(b *cryptobyte.Builder) {
			pki.AddAlgorithm(b, algorithm)
			b.AddASN1OctetString(h.Sum(nil))
			b.AddASN1OctetString(issuer.keyHash(hash))
			b.AddASN1(cryptobyte_asn1.INTEGER, func(b *cryptobyte.Builder) { b.AddBytes(serial) })
		})
	})
}

// marshal writes the request.
func (q inquiry) marshal() []byte {
	list := q.extensions
	if q.nonce != nil {
		value := built(func(b *cryptobyte.Builder) { b.AddASN1OctetString(q.nonce) })
		list = append([]der.Extension{{ID: pki.OIDOCSPNonce, Value: value}}, list...)
	}
	return built(func(b *cryptobyte.Builder) {
		b.AddASN1(sequence, func(b *cryptobyte.Builder) {
			b.AddASN1(sequence, func(b *cryptobyte.Builder) {
				if q.name != nil {
					b.AddASN1(explicit(1), func(b *cryptobyte.Builder) { b.AddBytes(q.name) })
				}
				b.AddASN1(sequence, func(b *cryptobyte.Builder) {
					for _, id := range q.ids {
						b.AddASN1(sequence, func(b *cryptobyte.Builder) {
							b.AddBytes(id)
							addExtensions(b, 0, q.singleExts)
						})
					}
				})
				addExtensions(b, 2, list)
			})
		})
	})
}

func addExtensions(b *cryptobyte.Builder, tag uint8, list []der.Extension) {
	if len(list) == 0 {
		return
	}
	b.AddASN1(explicit(tag), func(b *cryptobyte.Builder) {
		b.AddASN1(sequence, func(b *cryptobyte.Builder) {
			for _, e := range list {
				der.AddExtension(b, e.ID, e.Critical, func(b *cryptobyte.Builder) { b.AddBytes(e.Value) })
			}
		})
	})
}

// random returns n octets that nobody could have known.
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// preferring asks for signature algorithms (RFC 6960, Section 4.4.7.1).
func preferring(algorithms ...pki.Algorithm) der.Extension {
	return der.Extension{ID: oidPreferredSignatures, Value: built(func(b *cryptobyte.Builder) {
		b.AddASN1(sequence, func(b *cryptobyte.Builder) {
			for _, a := range algorithms {
				b.AddASN1(sequence, func(b *cryptobyte.Builder) { pki.AddAlgorithm(b, a) })
			}
		})
	})}
}

// Extensions that no responder knows, from the ITU-T example arc.
var oidUnheardOf = asn1.ObjectIdentifier{2, 999, 9001}

func unheardOf(critical bool) der.Extension {
	return der.Extension{ID: oidUnheardOf, Critical: critical, Value: []byte{5, 0}}
}
