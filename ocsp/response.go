package ocsp

import (
	"errors"
	"fmt"
	"slices"
	"time"

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
	// A GeneralizedTime has four digits for the year.
	case r.nextUpdate.UTC().Year() > 9999:
		return errors.New("nextUpdate is after the year 9999")
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
	// What is signed stays where it is written; what follows it goes behind, and
	// the headers around both before.
	const headers, signatureRoom = 96, 160
	e := newEncoder(headers+256+160*len(r.singles)+len(r.nonce), len(signer.identifier)+signatureRoom+len(signer.certificates))
	r.responseData(e, signer.keyHash)
	// RFC 6979: deterministic, so that no answer depends on the quality of
	// random numbers, and faster.
	signature, err := pki.Sign(nil, signer.Key, e.octets())
	if err != nil {
		return nil, fmt.Errorf("signing response: %w", err)
	}
	e.append(signer.identifier...)
	e.buf = appendHeader(e.buf, tagBitString, 1+len(signature))
	e.append(0) // no unused bits
	e.append(signature...)
	e.append(signer.certificates...)
	const end = 0
	e.header(tagSequence, end)
	e.header(tagOctetString, end)
	e.addText(derOCSPBasic)
	e.header(tagSequence, end)
	e.header(tagExplicit, end)
	e.add(tagEnumerated, 1, byte(Successful))
	e.header(tagSequence, end)
	return e.octets(), nil
}

// responseData encodes ResponseData (RFC 6960, Section 4.2.1), from its last
// field to its first. The version is left out, being the default.
func (r *response) responseData(e *encoder, keyHash []byte) {
	end := e.mark()
	r.addExtensions(e)
	mark := e.mark()
	for i := range slices.Backward(r.singles) {
		r.singles[i].add(e, r.thisUpdate, r.nextUpdate)
	}
	e.header(tagSequence, mark)
	// RFC 9919, Section 3.2.4: GeneralizedTime with seconds and without
	// fractions, nextUpdate always.
	e.time(r.producedAt)
	// RFC 9919, Section 3.2.2: new responders name themselves by key.
	mark = e.mark()
	e.add(keyHash...)
	e.header(tagOctetString, mark)
	e.header(tagExplicit|2, mark)
	e.header(tagSequence, end)
}

func (s *singleResponse) add(e *encoder, thisUpdate, nextUpdate time.Time) {
	end := e.mark()
	if !s.archiveCutoff.IsZero() {
		// RFC 6960, Section 4.4.4: until when signatures may have been made
		// that the answer still helps to prove.
		e.time(s.archiveCutoff)
		e.extension(derArchiveCutoff, end)
		e.header(tagSequence, end)
		e.header(tagExplicit|1, end)
	}
	mark := e.mark()
	e.time(nextUpdate)
	e.header(tagExplicit, mark)
	e.time(thisUpdate)
	s.addStatus(e)
	e.add(s.certID...)
	e.header(tagSequence, end)
}

// addStatus writes the CertStatus.
func (s *singleResponse) addStatus(e *encoder) {
	mark := e.mark()
	switch {
	case s.unknown:
		e.header(tagContext|2, mark)
	case s.revoked:
		// RFC 5280, Section 5.3.1: unspecified is said by saying nothing.
		if s.reason != 0 {
			e.add(tagExplicit, 3, tagEnumerated, 1, byte(s.reason))
		}
		e.time(s.revokedAt)
		e.header(tagExplicit|1, mark)
	default:
		e.header(tagContext, mark)
	}
}

// addExtensions writes the responseExtensions, if there are any.
func (r *response) addExtensions(e *encoder) {
	if r.nonce == nil && !r.extendedRevoke {
		return
	}
	end := e.mark()
	if r.extendedRevoke {
		// RFC 6960, Section 4.4.8: NULL, not critical, and here rather than in
		// singleExtensions.
		e.add(5, 0)
		e.extension(derExtendedRevoke, end)
	}
	if r.nonce != nil {
		// RFC 9654, Section 2.1: the request's nonce is repeated in the
		// response. Lengths that a responder may ignore (1 to 15 and 33 to 128
		// octets) are repeated like the others: whoever sends one wants the
		// answer bound to the request.
		mark := e.mark()
		e.add(r.nonce...)
		e.header(tagOctetString, mark)
		e.extension(derNonce, mark)
	}
	e.header(tagSequence, end)
	e.header(tagExplicit|1, end)
}
