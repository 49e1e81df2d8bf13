package tsa

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
)

// Failure is one bit of PKIFailureInfo (RFC 3161, Section 2.4.2).
type Failure int

// The failures that a conforming authority answers; it SHOULD NOT produce any
// other. AddInfoNotAvailable is here because the list is closed, not because
// this package answers it: it belongs to extensions that ask for additional
// information, and every extension is refused with UnacceptedExtension.
const (
	BadAlg              Failure = 0
	BadRequest          Failure = 2
	BadDataFormat       Failure = 5
	TimeNotAvailable    Failure = 14
	UnacceptedPolicy    Failure = 15
	UnacceptedExtension Failure = 16
	AddInfoNotAvailable Failure = 17
	SystemFailure       Failure = 25
)

// String returns the name that RFC 3161, Section 2.4.2 gives the bit.
func (f Failure) String() string {
	switch f {
	case BadAlg:
		return "badAlg"
	case BadRequest:
		return "badRequest"
	case BadDataFormat:
		return "badDataFormat"
	case TimeNotAvailable:
		return "timeNotAvailable"
	case UnacceptedPolicy:
		return "unacceptedPolicy"
	case UnacceptedExtension:
		return "unacceptedExtension"
	case AddInfoNotAvailable:
		return "addInfoNotAvailable"
	case SystemFailure:
		return "systemFailure"
	}
	return fmt.Sprintf("failure %d", int(f))
}

// reason is the failure as a word for metrics.
func (f Failure) reason() string {
	switch f {
	case BadAlg:
		return "bad_alg"
	case BadRequest:
		return "bad_request"
	case BadDataFormat:
		return "bad_data_format"
	case TimeNotAvailable:
		return "time_not_available"
	case UnacceptedPolicy:
		return "unaccepted_policy"
	case UnacceptedExtension:
		return "unaccepted_extension"
	}
	return "system_failure"
}

// The values of PKIStatus (RFC 3161, Section 2.4.2) that this package answers.
const (
	statusGranted   = 0
	statusRejection = 2
)

// Rejection is a refusal to stamp. It is the error of everything in this
// package that a client's query can cause, and the answer that the client gets.
type Rejection struct {
	Failure Failure
	// Text goes into statusString. It names the wrong field and nothing of the
	// server's inside.
	Text string
	// cause is for the log only.
	cause error
}

func (r *Rejection) Error() string {
	s := fmt.Sprintf("tsa: %v: %s", r.Failure, r.Text)
	if r.cause != nil {
		s += ": " + r.cause.Error()
	}
	return s
}

// Unwrap returns what made the authority refuse, nil when the query did.
func (r *Rejection) Unwrap() error { return r.cause }

func reject(f Failure, format string, args ...any) *Rejection {
	return &Rejection{Failure: f, Text: fmt.Sprintf(format, args...)}
}

// Marshal returns the refusal as an encoded TimeStampResp without token.
//
// RFC 3161, Section 2.4.2: the status is rejection, the text a PKIFreeText of
// one UTF8String, and failInfo a named bit list without trailing zeros.
func (r *Rejection) Marshal() []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(statusRejection)
			if r.Text != "" {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(asn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(r.Text)) })
				})
			}
			der.AddNamedBits(b, int(r.Failure))
		})
	})
	return b.BytesOrPanic() // lengths far below any bound of the builder
}

// ParseResponse reads an encoded TimeStampResp in the form that this package
// writes, with the limits of [ParseToken]. A refusal comes back as a
// [*Rejection]. The result aliases the input.
func ParseResponse(in []byte) (*Token, error) {
	malformed := errors.New("tsa: not a time-stamp response in the form of this authority")
	s, ok := der.Whole(in, asn1.SEQUENCE)
	var info cryptobyte.String
	var status int64
	if !ok || !s.ReadASN1(&info, asn1.SEQUENCE) || !info.ReadASN1Integer(&status) {
		return nil, malformed
	}
	// RFC 3161, Section 2.4.2: a token is there if and only if the status is
	// granted (or grantedWithMods, which this package never answers).
	switch status {
	case statusGranted:
		if !info.Empty() {
			return nil, malformed
		}
		return ParseToken(s)
	case statusRejection:
		r, ok := readRejection(&info)
		if !ok || !s.Empty() {
			return nil, malformed
		}
		return nil, r
	}
	return nil, malformed
}

// readRejection reads what follows the status of a refusal.
func readRejection(s *cryptobyte.String) (*Rejection, bool) {
	r := new(Rejection)
	var freeText, text, bits cryptobyte.String
	if s.PeekASN1Tag(asn1.SEQUENCE) {
		if !s.ReadASN1(&freeText, asn1.SEQUENCE) || !freeText.ReadASN1(&text, asn1.UTF8String) || !freeText.Empty() ||
			text.Empty() || !utf8.Valid(text) {
			return nil, false
		}
		r.Text = string(text)
	}
	if !s.ReadASN1(&bits, asn1.BIT_STRING) || !s.Empty() {
		return nil, false
	}
	for _, f := range []Failure{BadAlg, BadRequest, BadDataFormat, TimeNotAvailable, UnacceptedPolicy, UnacceptedExtension, AddInfoNotAvailable, SystemFailure} {
		b := cryptobyte.NewBuilder(nil)
		der.AddNamedBits(b, int(f))
		if want, ok := der.Whole(b.BytesOrPanic(), asn1.BIT_STRING); ok && bytes.Equal(want, bits) {
			r.Failure = f
			return r, true
		}
	}
	return nil, false
}
