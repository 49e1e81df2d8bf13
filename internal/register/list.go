package register

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/asn1"
	"errors"
	"fmt"
	"io/fs"
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
// it, both in one transaction. The number is used up even if the CRL is never
// signed.
//
// RFC 5280, Section 3.3: an entry must not be removed until it has been on one
// regularly scheduled CRL issued after the certificate's validity. A CRL
// counts once [SQLite.Published] was called for it: one whose publisher died before it could
// publish it has shown nobody anything.
func (s *SQLite) List(ctx context.Context, issuer string) (Snapshot, error) {
	if issuer == "" {
		return Snapshot{}, errors.New("listing revocations: no issuer")
	}
	var list Snapshot
	err := s.write(ctx, func(b *batch) error {
		e := journal.Entry{Kind: journal.Listed, Issuer: issuer}
		if err := b.append(&e, 0); err != nil {
			return err
		}
		entries, err := b.listed(issuer, e.EffectiveAt)
		list = Snapshot{Number: e.Position, At: e.EffectiveAt, Entries: entries}
		return err
	})
	if err != nil {
		return Snapshot{}, fmt.Errorf("listing revocations of %s: %w", issuer, err)
	}
	return list, nil
}

// listed reads the entries of an issuer's list that is issued at the given time.
func (b *batch) listed(issuer string, at time.Time) ([]x509.RevocationListEntry, error) {
	var published, publishedAt sql.NullInt64
	err := b.row(`SELECT e.position, e.effective_at FROM follower f JOIN entry e ON e.position = f.position WHERE f.name = ?`,
		[]any{listFollower(issuer)}, &published, &publishedAt)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	// A list's thisUpdate is its time in whole seconds.
	publishedAt.Int64 -= publishedAt.Int64 % int64(time.Second/time.Microsecond)
	// Left out is what had expired before the last published list and was
	// already on it, which is so when nothing has happened to it since.
	var entries []x509.RevocationListEntry
	err = b.each("SELECT serial, "+statusColumns+` FROM certificate
		WHERE issuer = ? AND state IN ('held', 'revoked') AND NOT (not_after < ? AND version < ?) ORDER BY id`,
		[]any{issuer, publishedAt.Int64, published.Int64},
		func(rows *sql.Rows) error {
			var serial []byte
			var row statusRow
			if err := rows.Scan(append([]any{&serial}, row.dest()...)...); err != nil {
				return err
			}
			status, err := row.status()
			if err != nil {
				return err
			}
			e, err := listEntry(serialOf(serial), status, at)
			entries = append(entries, e)
			return err
		})
	return entries, err
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
func (s *SQLite) Published(ctx context.Context, issuer string, number uint64) error {
	err := s.write(ctx, func(b *batch) error {
		var n int
		if err := b.row("SELECT count(*) FROM entry WHERE position = ? AND kind = 'listed' AND issuer = ?",
			[]any{int64(number), issuer}, &n); err != nil {
			return err
		}
		if n == 0 {
			return fs.ErrNotExist
		}
		return b.setPosition(listFollower(issuer), number)
	})
	if err != nil {
		return fmt.Errorf("recording publication of list %d of %s: %w", number, issuer, err)
	}
	return nil
}

// listFollower is under what name the last published list is remembered.
func listFollower(issuer string) string { return "published list of " + issuer }
