package register

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/big"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// Numbered is a number that was taken for an issuer's lists.
type Numbered struct {
	// Number is the position of the Listed entry: every change up to it is in a
	// list of that number, and none after it.
	Number uint64
	// At is the time of that entry, the list's thisUpdate.
	At time.Time
	// Published is the last number that [Register.Published] was called for, and
	// Before the one before that; 0 when there is none.
	Published, Before uint64
}

// Number takes the next number for an issuer's lists. The number is used up
// even if no list is ever signed. Certificates that have reached their end get
// their Expired entry first.
func (r *Register) Number(ctx context.Context, issuer string) (Numbered, error) {
	if issuer == "" {
		return Numbered{}, errors.New("numbering list: no issuer")
	}
	if err := checkTexts("issuer", issuer); err != nil {
		return Numbered{}, fmt.Errorf("numbering list: %w", err)
	}
	if _, err := r.Expire(ctx, time.Now()); err != nil {
		return Numbered{}, fmt.Errorf("numbering list of %s: %w", issuer, err)
	}
	var n Numbered
	err := r.write(ctx, &write{run: func(b *batch) error {
		n = Numbered{}
		for name, position := range map[string]*uint64{publishedList(issuer): &n.Published, listBefore(issuer): &n.Before} {
			if err := b.read("SELECT position FROM follower WHERE name = ?", []any{name},
				func(row scanner) error { return row.Scan(position) }); err != nil {
				return err
			}
		}
		e := journal.Entry{Kind: journal.Listed, Issuer: issuer}
		b.append(&e, 0)
		n.Number, n.At = e.Position, e.EffectiveAt
		return nil
	}})
	if err != nil {
		return Numbered{}, fmt.Errorf("numbering list of %s: %w", issuer, err)
	}
	return n, nil
}

// Published tells the register that the issuer's lists of that number can be
// read by the public. Until then, certificates that expired before it stay on
// the lists that follow. It returns [fs.ErrNotExist] when Number gave the issuer
// no such number.
func (r *Register) Published(ctx context.Context, issuer string, number uint64) error {
	err := checkTexts("issuer", issuer)
	if err == nil {
		err = r.write(ctx, &write{run: func(b *batch) error {
			n, last := 0, uint64(0)
			if err := b.read("SELECT count(*) FROM entry WHERE position = ? AND kind = 'listed' AND issuer = ?",
				[]any{int64(min(number, math.MaxInt64)), issuer}, func(row scanner) error { return row.Scan(&n) }); err != nil {
				return err
			}
			if n == 0 {
				return fs.ErrNotExist
			}
			if err := b.read("SELECT position FROM follower WHERE name = ?", []any{publishedList(issuer)},
				func(row scanner) error { return row.Scan(&last) }); err != nil {
				return err
			}
			if last != 0 && last < number {
				b.setPosition(listBefore(issuer), last)
			}
			b.setPosition(publishedList(issuer), number)
			return nil
		}})
	}
	if err != nil {
		return fmt.Errorf("recording publication of list %d of %s: %w", number, issuer, err)
	}
	return nil
}

// The followers that remember an issuer's last published list and the one
// before it.
func publishedList(issuer string) string { return "published list of " + issuer }
func listBefore(issuer string) string    { return "list before the published one of " + issuer }

// Snapshot is what an issuer's next CRL has to say, all at once.
type Snapshot struct {
	// Number is the CRL's number: the position of its Listed entry.
	Number uint64
	// At is the time of that entry. No entry of the list is later.
	At time.Time
	// Entries are the revoked and held certificates in the order of their
	// serials' octets, with serial, time and reason code, and in ExtraExtensions
	// the invalidity date where it is known.
	Entries []x509.RevocationListEntry
}

// List takes the next number for an issuer's CRL and returns what belongs in
// it, all in memory: for authorities that have revoked little. See
// [Register.Number] and [Register.EachListed] for the others.
func (r *Register) List(ctx context.Context, issuer string) (Snapshot, error) {
	n, err := r.Number(ctx, issuer)
	if err != nil {
		return Snapshot{}, err
	}
	list := Snapshot{Number: n.Number, At: n.At}
	err = r.EachListed(ctx, issuer, Point{Number: n.Number, Dropped: n.Published, At: n.At}, func(l Listed) error {
		e := x509.RevocationListEntry{SerialNumber: new(big.Int).SetBytes(l.Serial), RevocationTime: l.Since, ReasonCode: l.Reason}
		if !l.InvalidityDate.IsZero() {
			// RFC 5280, Section 5.3.2: a GeneralizedTime in UTC; whole seconds as
			// everywhere in a CRL.
			value, err := asn1.MarshalWithParams(l.InvalidityDate.UTC().Truncate(time.Second), "generalized")
			if err != nil {
				return fmt.Errorf("encoding invalidity date: %w", err)
			}
			e.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 24}, Value: value}}
		}
		list.Entries = append(list.Entries, e)
		return nil
	})
	if err != nil {
		return Snapshot{}, err
	}
	return list, nil
}
