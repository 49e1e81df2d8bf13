package crl

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"

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

// Single is a list that was found good and is not signed yet.
type Single struct {
	publisher *Publisher
	list      *list
	rehearsed *rehearsed
}

// Prepare builds the list, signs it with a throw-away key and lints it.
func Prepare(o Order) (*Single, error) {
	s, err := single(o)
	if err != nil {
		return nil, err
	}
	if o.Validity < time.Second {
		return nil, errors.New("preparing list: its validity is missing")
	}
	if s.rehearsed, err = s.publisher.rehearse(s.list, o.Snapshot); err != nil {
		return nil, fmt.Errorf("preparing list: %w", err)
	}
	return s, nil
}

// Resume returns the list whose to-be-signed octets [Prepare] made before, so
// that a list that may have been signed already is signed again as it was and
// its number stands for one list. Snapshot and Validity of the order are read
// from the octets.
func Resume(o Order, toBeSigned []byte) (*Single, error) {
	key, err := throwAway(o.Key.Public())
	if err != nil {
		return nil, fmt.Errorf("resuming list: %w", err)
	}
	algorithm, _, err := pki.SignatureAlgorithm(o.Key.Public())
	if err != nil {
		return nil, fmt.Errorf("resuming list: %w", err)
	}
	encoded, err := signed(toBeSigned, algorithm, key)
	if err != nil {
		return nil, fmt.Errorf("resuming list: %w", err)
	}
	parsed, err := x509.ParseRevocationList(encoded)
	if err != nil {
		return nil, fmt.Errorf("resuming list: %w", err)
	}
	n, err := number(parsed.Number)
	if err != nil {
		return nil, fmt.Errorf("resuming list: %w", err)
	}
	o.Snapshot = Snapshot{Number: n, At: parsed.ThisUpdate}
	o.Validity = parsed.NextUpdate.Sub(parsed.ThisUpdate)
	for _, e := range parsed.RevokedCertificateEntries {
		entry := x509.RevocationListEntry{SerialNumber: e.SerialNumber, RevocationTime: e.RevocationTime, ReasonCode: e.ReasonCode}
		for _, extension := range e.Extensions {
			if extension.Id.Equal(pki.OIDInvalidityDate) {
				entry.ExtraExtensions = append(entry.ExtraExtensions, extension)
			}
		}
		o.Snapshot.Entries = append(o.Snapshot.Entries, entry)
	}
	s, err := Prepare(o)
	if err != nil {
		return nil, err
	}
	if string(s.rehearsed.toBeSigned) != string(toBeSigned) {
		return nil, errors.New("resuming list: the octets are not those that this program made")
	}
	return s, nil
}

func single(o Order) (*Single, error) {
	issuer := Issuer{ID: "single", Certificate: o.Certificate, Key: o.Key, Path: "single.crl"}
	if err := issuer.validate(); err != nil {
		return nil, fmt.Errorf("preparing list: %w", err)
	}
	if o.Lint == nil {
		return nil, errors.New("preparing list: there is no lint: nothing is signed unlinted")
	}
	return &Single{publisher: &Publisher{config: Config{Validity: o.Validity, Lint: o.Lint}}, list: &list{Issuer: issuer}}, nil
}

// ToBeSigned returns the TBSCertList that Sign signs.
func (s *Single) ToBeSigned() []byte { return s.rehearsed.toBeSigned }

// Sign signs the list with the authority's key and returns the CertificateList.
// It calls audit first, whose error prevents the signature.
func (s *Single) Sign(ctx context.Context, audit func(ctx context.Context, action string, attrs ...slog.Attr) error) ([]byte, error) {
	p := &Publisher{config: s.publisher.config}
	p.config.Audit = audit
	signed, err := p.sign(ctx, s.list, s.rehearsed)
	if err != nil {
		return nil, fmt.Errorf("signing list: %w", err)
	}
	return signed, nil
}
