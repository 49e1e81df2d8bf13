package ocsp

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// ResponseStatus is an OCSPResponseStatus (RFC 6960, Section 4.2.1).
type ResponseStatus int

const (
	Successful       ResponseStatus = 0
	MalformedRequest ResponseStatus = 1
	InternalError    ResponseStatus = 2
	TryLater         ResponseStatus = 3
	Unauthorized     ResponseStatus = 6
)

// String returns the name that RFC 6960, Section 4.2.1 gives the status.
func (s ResponseStatus) String() string {
	switch s {
	case Successful:
		return "successful"
	case MalformedRequest:
		return "malformedRequest"
	case InternalError:
		return "internalError"
	case TryLater:
		return "tryLater"
	case Unauthorized:
		return "unauthorized"
	}
	return fmt.Sprintf("status(%d)", int(s))
}

// errorResponse encodes an OCSPResponse without responseBytes: SEQUENCE {
// ENUMERATED }.
func errorResponse(s ResponseStatus) []byte {
	return []byte{0x30, 3, 0x0a, 1, byte(s)}
}

// response is the content of a successful answer before it is signed.
type response struct {
	// producedAt is thisUpdate too, unless the source is a copy. RFC 9919 wants
	// Last-Modified to be producedAt in Section 6 and thisUpdate in Section 7.2;
	// with one value both are right.
	producedAt time.Time
	thisUpdate time.Time
	nextUpdate time.Time
	singles    []singleResponse
	// nonce is repeated when not nil.
	nonce []byte
	// extendedRevoke says that a non-issued certificate is called revoked.
	extendedRevoke bool
}

// singleResponse is one SingleResponse.
type singleResponse struct {
	// certID is the encoded CertID of the request.
	certID []byte
	// unknown leaves the other fields unused.
	unknown bool
	revoked bool
	// revokedAt and reason qualify revoked.
	revokedAt time.Time
	reason    int
	// archiveCutoff is left out when zero.
	archiveCutoff time.Time
}

// check refuses what must not be signed: it is the lint before the key.
func (r *response) check(signer *Signer) error {
	switch {
	case len(r.singles) == 0:
		return errors.New("a response answers at least one request")
	case !r.nextUpdate.After(r.producedAt):
		return errors.New("nextUpdate is not after producedAt")
	case r.thisUpdate.After(r.producedAt):
		return errors.New("thisUpdate is after producedAt")
	// Common sense, and OCSP-14: an answer must not outlive the certificate
	// that vouches for it.
	case r.producedAt.Before(signer.Certificate.NotBefore), r.nextUpdate.After(signer.Certificate.NotAfter):
		return errors.New("the signer's certificate is not valid for as long as the response")
	case r.nonce != nil && (len(r.nonce) < minNonce || len(r.nonce) > maxNonce):
		return fmt.Errorf("a nonce of %d octets", len(r.nonce))
	}
	for _, s := range r.singles {
		if !s.revoked {
			continue
		}
		// RFC 6960, Section 2.4: a certificate is revoked since a time that
		// has passed.
		if s.revokedAt.After(r.producedAt) {
			return errors.New("a revocation time in the future")
		}
		// RFC 5280, Section 5.3.1: 7 is not used, 8 only belongs into delta
		// CRLs.
		if s.reason < 0 || s.reason > 10 || s.reason == 7 || s.reason == 8 {
			return fmt.Errorf("reason code %d does not exist", s.reason)
		}
	}
	return nil
}

// sign returns the encoded OCSPResponse.
func (r *response) sign(signer *Signer) ([]byte, error) {
	if err := r.check(signer); err != nil {
		return nil, fmt.Errorf("checking response: %w", err)
	}
	toBeSigned, err := r.responseData(signer.keyHash)
	if err != nil {
		return nil, fmt.Errorf("encoding response: %w", err)
	}
	// RFC 6979: deterministic, so that no answer depends on the quality of
	// random numbers, and faster.
	signature, err := pki.Sign(nil, signer.Key, toBeSigned)
	if err != nil {
		return nil, fmt.Errorf("signing response: %w", err)
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, len(toBeSigned)+len(signature)+len(signer.Certificate.Raw)+96))
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Enum(int64(Successful))
		b.AddASN1(asn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(pki.OIDOCSPBasic)
				b.AddASN1(asn1.OCTET_STRING, func(b *cryptobyte.Builder) {
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddBytes(toBeSigned)
						pki.AddAlgorithm(b, signer.algorithm)
						b.AddASN1BitString(signature)
						// RFC 9919, Section 3.2.2: the delegate's certificate
						// must come along.
						b.AddASN1(asn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
							b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
								b.AddBytes(signer.Certificate.Raw)
								for _, c := range signer.Chain {
									b.AddBytes(c.Raw)
								}
							})
						})
					})
				})
			})
		})
	})
	return b.Bytes()
}

// responseData encodes ResponseData (RFC 6960, Section 4.2.1). The version is
// left out, being the default.
func (r *response) responseData(keyHash []byte) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, 160+128*len(r.singles)+len(r.nonce)))
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		// RFC 9919, Section 3.2.2: new responders name themselves by key.
		b.AddASN1(asn1.Tag(2).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1OctetString(keyHash)
		})
		// RFC 9919, Section 3.2.4: GeneralizedTime with seconds and without
		// fractions, nextUpdate always.
		der.AddGeneralizedTime(b, r.producedAt)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for i := range r.singles {
				r.singles[i].add(b, r.thisUpdate, r.nextUpdate)
			}
		})
		r.addExtensions(b)
	})
	return b.Bytes()
}

func (s *singleResponse) add(b *cryptobyte.Builder, thisUpdate, nextUpdate time.Time) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(s.certID)
		switch {
		case s.unknown:
			b.AddASN1(asn1.Tag(2).ContextSpecific(), func(*cryptobyte.Builder) {})
		case s.revoked:
			b.AddASN1(asn1.Tag(1).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
				der.AddGeneralizedTime(b, s.revokedAt)
				// RFC 5280, Section 5.3.1: unspecified is said by saying
				// nothing.
				if s.reason != 0 {
					b.AddASN1(asn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
						b.AddASN1Enum(int64(s.reason))
					})
				}
			})
		default:
			b.AddASN1(asn1.Tag(0).ContextSpecific(), func(*cryptobyte.Builder) {})
		}
		der.AddGeneralizedTime(b, thisUpdate)
		b.AddASN1(asn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			der.AddGeneralizedTime(b, nextUpdate)
		})
		if !s.archiveCutoff.IsZero() {
			// RFC 6960, Section 4.4.4: until when signatures may have been
			// made that the answer still helps to prove.
			b.AddASN1(asn1.Tag(1).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					der.AddExtension(b, oidArchiveCutoff, false, func(b *cryptobyte.Builder) {
						der.AddGeneralizedTime(b, s.archiveCutoff)
					})
				})
			})
		}
	})
}

// addExtensions writes the responseExtensions, if there are any.
func (r *response) addExtensions(b *cryptobyte.Builder) {
	if r.nonce == nil && !r.extendedRevoke {
		return
	}
	b.AddASN1(asn1.Tag(1).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			if r.nonce != nil {
				// RFC 9654, Section 2.1: the request's nonce is repeated in
				// the response. Lengths that a responder may ignore (1 to 15
				// and 33 to 128 octets) are repeated like the others: whoever
				// sends one wants the answer bound to the request.
				der.AddExtension(b, pki.OIDOCSPNonce, false, func(b *cryptobyte.Builder) {
					b.AddASN1OctetString(r.nonce)
				})
			}
			if r.extendedRevoke {
				// RFC 6960, Section 4.4.8: NULL, not critical, and here rather
				// than in singleExtensions.
				der.AddExtension(b, pki.OIDOCSPExtendedRevoke, false, der.AddNull)
			}
		})
	})
}
