package crl

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// Order is a list that is made once, by hand, rather than kept fresh by a
// [Publisher]: that of a root whose key is on a machine without a network.
type Order struct {
	// Certificate is the authority's; RFC 5280, Section 5.1.1.3: its key signs.
	Certificate *x509.Certificate
	// Key belongs to Certificate. Until [Single.Sign] only its public half is
	// asked for.
	Key crypto.Signer
	// Snapshot is what the list says. Validity is nextUpdate less thisUpdate.
	Snapshot Snapshot
	Validity time.Duration
	// Lint judges the list, signed with a throw-away key, before the real one
	// signs. Required.
	Lint func(*x509.RevocationList) error
}

// Snapshot is what a list that is made by hand says.
type Snapshot struct {
	// Number is the journal position that the snapshot was taken at.
	Number uint64
	// At is when the snapshot was taken; the list's thisUpdate.
	At time.Time
	// Entries are the revoked and held certificates. An entry's only
	// ExtraExtension is invalidityDate; Extensions and Raw are not used.
	Entries []x509.RevocationListEntry
}

// Single is a list that was found good and is not signed yet.
type Single struct {
	form
	key        crypto.Signer
	entries    int
	toBeSigned []byte
}

// Prepare builds the list, signs it with a throw-away key and lints it.
func Prepare(o Order) (*Single, error) {
	if o.Validity < time.Second {
		return nil, errors.New("preparing list: its validity is missing")
	}
	s, err := prepare(o)
	if err != nil {
		return nil, fmt.Errorf("preparing list: %w", err)
	}
	return s, nil
}

func prepare(o Order) (*Single, error) {
	issuer := Issuer{ID: "single", Certificate: o.Certificate, Key: o.Key, Place: Place{Path: "single.crl"}}
	if err := issuer.validate(); err != nil {
		return nil, err
	}
	if o.Lint == nil {
		return nil, errors.New("there is no lint: nothing is signed unlinted")
	}
	algorithm, _, err := pki.SignatureAlgorithm(o.Key.Public())
	if err != nil {
		return nil, err
	}
	thisUpdate := o.Snapshot.At.UTC().Truncate(time.Second)
	s := &Single{key: o.Key, form: form{
		signer: o.Certificate, algorithm: algorithm, number: o.Snapshot.Number, thisUpdate: thisUpdate, nextUpdate: thisUpdate.Add(o.Validity),
		covered: issuer.covers(),
	}}
	encoded, counted, err := s.encode(o.Snapshot.Entries)
	if err != nil {
		return nil, err
	}
	s.entries = counted.entries
	s.toBeSigned = append(append(s.head(int64(len(encoded))), encoded...), s.tail()...)
	throwAway, err := throwAway(o.Key.Public())
	if err != nil {
		return nil, err
	}
	list, err := s.assemble(throwAway)
	if err != nil {
		return nil, err
	}
	r, err := NewReader(bytes.NewReader(list))
	if err == nil {
		err = s.examine(r, counted, false)
	}
	if err != nil {
		return nil, fmt.Errorf("reading it back: %w", err)
	}
	parsed, err := x509.ParseRevocationList(list)
	if err != nil {
		return nil, fmt.Errorf("reading it back: %w", err)
	}
	if err := o.Lint(parsed); err != nil {
		return nil, fmt.Errorf("linting it: %w", err)
	}
	return s, nil
}

// encode encodes the entries of a list in their order.
func (s *Single) encode(entries []x509.RevocationListEntry) (encoded []byte, counted tally, err error) {
	for i := range entries {
		e, err := entryOf(&entries[i])
		if err == nil {
			err = s.check(&e)
		}
		if err != nil {
			return nil, counted, fmt.Errorf("entry of serial %x: %w", entries[i].SerialNumber, err)
		}
		encoded = appendEntry(encoded, &e, nil)
		counted.add(&e)
	}
	return encoded, counted, nil
}

// entryOf reads an entry in the standard library's form.
func entryOf(given *x509.RevocationListEntry) (Entry, error) {
	e := Entry{Since: given.RevocationTime, Reason: given.ReasonCode}
	if given.SerialNumber == nil || given.SerialNumber.Sign() <= 0 {
		return e, errors.New("the serial number is missing or not positive")
	}
	e.Serial = given.SerialNumber.Bytes()
	if len(given.Extensions) > 0 {
		return e, errors.New("extensions belong into ExtraExtensions")
	}
	for i, extra := range given.ExtraExtensions {
		// RFC 5280, Section 5.3.2: not critical. RFC 5280, Section 5.3.3:
		// certificateIssuer belongs to indirect lists, which are not made by hand.
		value := cryptobyte.String(extra.Value)
		switch {
		case i > 0:
			return e, errors.New("it has more than one extra extension")
		case !extra.Id.Equal(pki.OIDInvalidityDate):
			return e, fmt.Errorf("extension %v does not belong on a complete list", extra.Id)
		case extra.Critical || !der.ReadTime(&value, &e.InvalidityDate) || !value.Empty():
			return e, errors.New("invalidityDate is malformed or critical")
		}
	}
	return e, nil
}

// Resume returns the list whose to-be-signed octets [Prepare] made before, so
// that a list that may have been signed already is signed again as it was and
// its number stands for one list. Snapshot and Validity of the order are read
// from the octets.
func Resume(o Order, toBeSigned []byte) (*Single, error) {
	s, err := resume(o, toBeSigned)
	if err != nil {
		return nil, fmt.Errorf("resuming list: %w", err)
	}
	return s, nil
}

func resume(o Order, toBeSigned []byte) (*Single, error) {
	algorithm, _, err := pki.SignatureAlgorithm(o.Key.Public())
	if err != nil {
		return nil, err
	}
	unsigned := &Single{form: form{algorithm: algorithm}, toBeSigned: toBeSigned}
	r, err := NewReader(bytes.NewReader(unsigned.with([]byte{0})))
	if err != nil {
		return nil, err
	}
	o.Snapshot, o.Validity = Snapshot{At: r.ThisUpdate}, r.NextUpdate.Sub(r.ThisUpdate)
	for {
		e, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		entry := x509.RevocationListEntry{SerialNumber: e.Number(), RevocationTime: e.Since, ReasonCode: e.Reason}
		if !e.InvalidityDate.IsZero() {
			entry.ExtraExtensions = []pkix.Extension{InvalidityDate(e.InvalidityDate)}
		}
		o.Snapshot.Entries = append(o.Snapshot.Entries, entry)
	}
	if r.CRLNumber == nil || !r.CRLNumber.IsUint64() {
		return nil, errors.New("the list's number is missing or has more than 64 bits")
	}
	o.Snapshot.Number = r.CRLNumber.Uint64()
	s, err := Prepare(o)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(s.toBeSigned, toBeSigned) {
		return nil, errors.New("the octets are not those that this program made")
	}
	return s, nil
}

// InvalidityDate returns the entry extension of RFC 5280, Section 5.3.2, for
// the ExtraExtensions of an entry.
func InvalidityDate(t time.Time) pkix.Extension {
	b := cryptobyte.NewBuilder(nil)
	der.AddGeneralizedTime(b, t)
	return pkix.Extension{Id: pki.OIDInvalidityDate, Value: b.BytesOrPanic()}
}

// ToBeSigned returns the TBSCertList that Sign signs.
func (s *Single) ToBeSigned() []byte { return s.toBeSigned }

// Sign signs the list with the authority's key and returns the CertificateList.
// It calls audit first, whose error prevents the signature.
func (s *Single) Sign(ctx context.Context, audit func(ctx context.Context, action string, attrs ...slog.Attr) error) ([]byte, error) {
	err := audit(ctx, "crl.sign", slog.String("issuer", "single"), slog.Uint64("number", s.number), slog.Int("entries", s.entries),
		slog.Time("this_update", s.thisUpdate), slog.Time("next_update", s.nextUpdate))
	if err != nil {
		return nil, fmt.Errorf("signing list: %w", err)
	}
	signed, err := s.assemble(s.key)
	if err == nil {
		var r *Reader
		if r, err = NewReader(bytes.NewReader(signed)); err == nil {
			if err = r.Skip(); err == nil {
				err = r.Verify(s.signer)
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("signing list: %w", err)
	}
	return signed, nil
}

func (s *Single) assemble(key crypto.Signer) ([]byte, error) {
	signature, err := pki.Sign(nil, key, s.toBeSigned)
	if err != nil {
		return nil, err
	}
	return s.with(signature), nil
}

// with returns the list with a signature.
func (s *Single) with(signature []byte) []byte {
	behind := s.signatureFields(signature)
	list := appendHeader(nil, tagSequence, int64(len(s.toBeSigned)+len(behind)))
	return append(append(list, s.toBeSigned...), behind...)
}
