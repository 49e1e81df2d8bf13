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
	"slices"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// Snapshot is what an issuer's next CRL has to say.
type Snapshot struct {
	// Number is the CRL's number: the position of its Listed entry.
	Number uint64
	// At is the time of that entry. No entry of the list is later.
	At time.Time
	// Entries are the revoked and held certificates in the order of their
	// reservation, with serial, time and reason code, and in ExtraExtensions the
	// invalidity date where it is known.
	Entries []x509.RevocationListEntry
}

// List takes the next number for an issuer's CRL and returns what belongs in
// it: the state of the register at that number's position. The number is used
// up even if the CRL is never signed.
//
// Only the number is a write. The certificates are read afterwards, from a
// snapshot that holds nobody up however many they are; what has happened between
// the two is undone by the journal.
//
// RFC 5280, Section 3.3: an entry must not be removed until it has been on one
// regularly scheduled CRL issued after the certificate's validity. A CRL
// counts once [Register.Published] was called for it: one whose publisher died before it could
// publish it has shown nobody anything.
func (r *Register) List(ctx context.Context, issuer string) (Snapshot, error) {
	if issuer == "" {
		return Snapshot{}, errors.New("listing revocations: no issuer")
	}
	if err := checkTexts("issuer", issuer); err != nil {
		return Snapshot{}, fmt.Errorf("listing revocations: %w", err)
	}
	var list Snapshot
	var last publication
	err := r.write(ctx, &write{run: func(b *batch) (err error) {
		if last, err = b.published(issuer); err != nil {
			return err
		}
		e := journal.Entry{Kind: journal.Listed, Issuer: issuer}
		b.append(&e, 0)
		list = Snapshot{Number: e.Position, At: e.EffectiveAt}
		return nil
	}})
	if err == nil {
		list.Entries, err = r.listed(ctx, issuer, list, last)
	}
	if err != nil {
		return Snapshot{}, fmt.Errorf("listing revocations of %s: %w", issuer, err)
	}
	return list, nil
}

// publication is the last published list of an issuer; zero when there is none.
type publication struct {
	position int64
	at       int64 // as a column
}

func (b *batch) published(issuer string) (publication, error) {
	var last publication
	err := b.read(`SELECT e.position, e.effective_at FROM follower f JOIN entry e ON e.position = f.position WHERE f.name = ?`,
		[]any{listFollower(issuer)}, func(row scanner) error { return row.Scan(&last.position, &last.at) })
	// A list's thisUpdate is its time in whole seconds.
	last.at -= last.at % int64(time.Second/time.Microsecond)
	return last, err
}

// listed reads the entries of an issuer's list as of the list's position.
func (r *Register) listed(ctx context.Context, issuer string, list Snapshot, last publication) ([]x509.RevocationListEntry, error) {
	tx, err := r.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.end()
	// Left out is what had expired before the last published list and was
	// already on it, which is so when nothing has happened to it since.
	var entries []x509.RevocationListEntry
	var ids []int64
	err = tx.each("SELECT id, serial, "+statusColumns+` FROM certificate
		WHERE issuer = ? AND state IN ('held', 'revoked') AND version <= ? AND NOT (not_after < ? AND version < ?) ORDER BY id`,
		[]any{issuer, int64(list.Number), last.at, last.position},
		func(row scanner) error {
			var id int64
			var serial []byte
			var columns statusRow
			if err := row.Scan(append([]any{&id, &serial}, columns.dest()...)...); err != nil {
				return err
			}
			status, err := columns.status()
			if err != nil {
				return err
			}
			e, err := listEntry(serialOf(serial), status, list.At)
			entries, ids = append(entries, e), append(ids, id)
			return err
		})
	if err != nil {
		return nil, err
	}
	later, err := changedSince(tx, issuer, list.Number)
	for _, c := range later {
		listed := c.status.State == journal.OnHold || c.status.State == journal.Gone
		if err != nil || !listed || c.notAfter < last.at && int64(c.status.Version) < last.position {
			continue
		}
		var e x509.RevocationListEntry
		e, err = listEntry(c.serial, c.status, list.At)
		at, _ := slices.BinarySearch(ids, c.id)
		entries, ids = slices.Insert(entries, at, e), slices.Insert(ids, at, c.id)
	}
	return entries, err
}

// changed is a certificate as it was before its latest entries.
type changed struct {
	id       int64
	serial   journal.Serial
	notAfter int64 // as a column
	status   journal.Status
}

// changedSince returns the issuer's certificates that have entries both up to
// the position and after it, as they were at it.
func changedSince(tx *snapshot, issuer string, position uint64) ([]changed, error) {
	var certificates []changed
	err := tx.each("SELECT c.id, c.not_after, "+entryColumns+" FROM "+entryTables+` WHERE e.position <= ?
		AND e.certificate IN (SELECT certificate FROM entry WHERE position > ? AND issuer = ? AND certificate IS NOT NULL)
		ORDER BY e.certificate, e.position`, []any{int64(position), int64(position), issuer},
		func(row scanner) error {
			var c changed
			var columns entryRow
			if err := row.Scan(append([]any{&c.id, &c.notAfter}, columns.dest()...)...); err != nil {
				return err
			}
			e := columns.entry()
			if n := len(certificates); n == 0 || certificates[n-1].id != c.id {
				c.serial = e.Serial
				certificates = append(certificates, c)
			}
			last := &certificates[len(certificates)-1]
			status, err := last.status.Apply(e)
			last.status = status
			return err
		})
	return certificates, err
}

// listEntry makes the list entry of a held or revoked certificate.
func listEntry(serial journal.Serial, status journal.Status, at time.Time) (x509.RevocationListEntry, error) {
	e := x509.RevocationListEntry{
		SerialNumber:   serial.Int(),
		RevocationTime: status.Since,
		ReasonCode:     int(status.Reason),
	}
	if e.RevocationTime.After(at) {
		// The clock was set back meanwhile. No list names a time after its own.
		e.RevocationTime = at
	}
	if !status.InvalidityDate.IsZero() {
		// RFC 5280, Section 5.3.2: a GeneralizedTime in UTC; whole seconds as
		// everywhere in a CRL.
		value, err := asn1.MarshalWithParams(status.InvalidityDate.UTC().Truncate(time.Second), "generalized")
		if err != nil {
			return e, fmt.Errorf("encoding invalidity date: %w", err)
		}
		e.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 24}, Value: value}}
	}
	return e, nil
}

// Published tells the register that the issuer's CRL of that number can be
// read by the public. Until then, certificates that expired before it stay on
// the lists that follow. It returns [fs.ErrNotExist] when List gave the issuer
// no such number.
func (r *Register) Published(ctx context.Context, issuer string, number uint64) error {
	err := checkTexts("issuer", issuer)
	if err == nil {
		err = r.write(ctx, &write{run: func(b *batch) error {
			n := 0
			if err := b.read("SELECT count(*) FROM entry WHERE position = ? AND kind = 'listed' AND issuer = ?",
				[]any{int64(min(number, math.MaxInt64)), issuer}, func(row scanner) error { return row.Scan(&n) }); err != nil {
				return err
			}
			if n == 0 {
				return fs.ErrNotExist
			}
			b.setPosition(listFollower(issuer), number)
			return nil
		}})
	}
	if err != nil {
		return fmt.Errorf("recording publication of list %d of %s: %w", number, issuer, err)
	}
	return nil
}

// listFollower is under what name the last published list is remembered.
func listFollower(issuer string) string { return "published list of " + issuer }
