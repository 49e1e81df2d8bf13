package crl

import (
	"bytes"
	"context"
	"crypto/x509"
	"slices"
	"strings"
)

// Other is one more authority that an indirect list is about.
type Other struct {
	// ID is the register's short name of the authority.
	ID          string
	Certificate *x509.Certificate
}

// covered is an authority whose certificates lists are about: its name in the
// register, and the encoded one, which entries of indirect lists have and those
// of direct lists do not.
type covered struct {
	id   string
	name []byte
}

// covers returns the authorities in the order in which their entries come.
func (i *Issuer) covers() []covered {
	if i.Signer == nil {
		return []covered{{id: i.ID}}
	}
	all := []covered{{i.ID, i.Certificate.RawSubject}}
	for _, o := range i.Others {
		all = append(all, covered{o.ID, o.Certificate.RawSubject})
	}
	slices.SortFunc(all, func(a, b covered) int { return bytes.Compare(a.name, b.name) })
	return all
}

// series is what the source numbers the lists under. It is another for other
// authorities: a list that one more has joined is not compared with the one
// before, which had nothing of it.
func (a *authority) series() string {
	var ids []string
	for _, of := range a.covered {
		ids = append(ids, of.id)
	}
	return strings.Join(ids, "+")
}

// each is [Source.Each] for all authorities that the lists are about.
func (a *authority) each(ctx context.Context, source Source, at Point, do func(Entry) error) error {
	for _, of := range a.covered {
		named := do
		if of.name != nil {
			named = func(e Entry) error {
				e.Issuer = of.name
				return do(e)
			}
		}
		if err := source.Each(ctx, of.id, at, named); err != nil {
			return err
		}
	}
	return nil
}

// changes is [Source.Changes] for all of them.
func (a *authority) changes(ctx context.Context, source Source, from, to Point, limit int) ([]Entry, error) {
	var all []Entry
	for _, of := range a.covered {
		changes, err := source.Changes(ctx, of.id, from, to, limit-len(all))
		if err != nil {
			return nil, err
		}
		for i := range changes {
			changes[i].Issuer = of.name
		}
		all = append(all, changes...)
	}
	return all, nil
}

// told is [Source.Told] for the entry's authority.
func (a *authority) told(ctx context.Context, source Source, e Entry, at Point) (Entry, error) {
	for _, of := range a.covered {
		if bytes.Equal(of.name, e.Issuer) {
			return source.Told(ctx, of.id, e.Serial, at)
		}
	}
	return Entry{Serial: e.Serial, Reason: Removed}, nil
}

// order compares entries as they stand in a list: by authority, then by serial.
func order(a, b *Entry) int {
	if len(a.Issuer) > 0 || len(b.Issuer) > 0 {
		if by := bytes.Compare(a.Issuer, b.Issuer); by != 0 {
			return by
		}
	}
	return compare(a.Serial, b.Serial)
}
