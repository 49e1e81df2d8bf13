package replica

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/journal/column"
)

// ErrContradiction says that the journal is not the one that the replica has
// followed, or contradicts itself. Nothing of it was folded.
var ErrContradiction = errors.New("the journal contradicts what was followed")

// contradiction is an ErrContradiction that says which.
func contradiction(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrContradiction, fmt.Errorf(format, args...))
}

// HashEntry returns what a replica remembers of the last entry that it folded:
// the SHA-256 hash of its JSON.
func HashEntry(e journal.Entry) ([]byte, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encoding entry %d: %w", e.Position, err)
	}
	hash := sha256.Sum256(text)
	return hash[:], nil
}

// continues checks that a page goes on from the state: it begins with the entry
// of its position, and counts on from there. It returns what is new.
func (s state) continues(page []journal.Entry) ([]journal.Entry, error) {
	if s.position > 0 {
		if len(page) == 0 {
			return nil, contradiction("it ends before position %d; was the authority restored from a backup?", s.position)
		}
		hash, err := HashEntry(page[0])
		if err != nil {
			return nil, err
		}
		if page[0].Position != s.position || !bytes.Equal(hash, s.anchor) {
			return nil, contradiction("the entry at position %d is another one than was followed; is it another authority, or one that was restored from a backup?", s.position)
		}
		page = page[1:]
	}
	for i, e := range page {
		if want := s.position + uint64(i) + 1; e.Position != want {
			return nil, contradiction("position %d came where %d belongs", e.Position, want)
		}
	}
	return page, nil
}

// fold folds what is new of a page that was asked for from a position, in one
// commit. asOf is when the journal was asked, if the page reaches its end, and
// zero if not.
func (r *Replica) fold(ctx context.Context, from uint64, page []journal.Entry, asOf time.Time) (news bool, err error) {
	err = r.inTransaction(ctx, func(tx *sql.Tx) error {
		s, err := r.state(ctx, tx)
		if err != nil {
			return err
		}
		if s.position != from {
			return fmt.Errorf("another process writes the replica: it was at position %d, and is at %d", from, s.position)
		}
		entries, err := s.continues(page)
		if err != nil {
			return err
		}
		f := folder{ctx: ctx, tx: tx, issuers: map[string]int64{}}
		for _, e := range entries {
			if err := f.add(e); err != nil {
				return err
			}
		}
		if n := len(entries); n > 0 {
			news = true
			s.position = entries[n-1].Position
			if s.anchor, err = HashEntry(entries[n-1]); err != nil {
				return err
			}
		}
		if asOf.After(s.asOf) {
			s.asOf = asOf
		} else if !news {
			return nil
		}
		return s.write(ctx, tx)
	})
	return news && err == nil, err
}

func (s state) write(ctx context.Context, tx *sql.Tx) error {
	asOf := int64(0)
	if !s.asOf.IsZero() {
		asOf = s.asOf.UnixMicro()
	}
	if s.anchor == nil {
		s.anchor = []byte{}
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO replica (only, position, anchor, as_of) VALUES (1, ?, ?, ?) ON CONFLICT (only) DO UPDATE SET (position, anchor, as_of) = (excluded.position, excluded.anchor, excluded.as_of)",
		int64(s.position), s.anchor, asOf)
	return err
}

// folder writes statuses in a transaction.
type folder struct {
	ctx     context.Context
	tx      *sql.Tx
	issuers map[string]int64
	insert  *sql.Stmt
}

// add folds one entry into the status of its certificate.
func (f *folder) add(e journal.Entry) error {
	if (e.Serial == "") != (e.Kind == journal.Listed) {
		return contradiction("entry %d is %s of serial %q", e.Position, e.Kind, e.Serial)
	}
	if e.Issuer == "" || e.EffectiveAt.IsZero() || !journal.Tellable(e.EffectiveAt) {
		return contradiction("entry %d lacks its issuer or its time", e.Position)
	}
	if e.Kind == journal.Listed {
		return nil
	}
	key, err := column.Serial(e.Serial)
	if err != nil {
		return contradiction("entry %d: %w", e.Position, err)
	}
	var issuer string
	var row column.StatusRow
	err = f.tx.QueryRowContext(f.ctx, "SELECT i.name, "+column.Status+" FROM status s JOIN issuer i ON i.id = s.issuer WHERE s.serial = ?", key).
		Scan(append([]any{&issuer}, row.Dest()...)...)
	known := !errors.Is(err, sql.ErrNoRows)
	if err != nil && known {
		return err
	}
	status, err := row.Status()
	if err != nil {
		return err
	}
	if known && issuer != e.Issuer {
		return contradiction("entry %d gives serial %s to issuer %s, and it is one of %s", e.Position, e.Serial, e.Issuer, issuer)
	}
	next, err := status.Apply(e)
	if err != nil {
		return contradiction("entry %d of serial %s: %w", e.Position, e.Serial, err)
	}
	if !known {
		return f.put(key, journal.Standing{Issuer: e.Issuer, Serial: e.Serial, Profile: e.Profile, Status: next})
	}
	args, err := column.StatusArgs(next)
	if err != nil {
		return err
	}
	_, err = f.tx.ExecContext(f.ctx, "UPDATE status SET ("+column.Status+") = (?, ?, ?, ?, ?, ?, ?) WHERE serial = ?", append(args, key)...)
	return err
}

// put writes the status of a serial that has none.
func (f *folder) put(key []byte, s journal.Standing) (err error) {
	id, ok := f.issuers[s.Issuer]
	if !ok {
		err = f.tx.QueryRowContext(f.ctx, "INSERT INTO issuer (name) VALUES (?) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id", s.Issuer).Scan(&id)
		if err != nil {
			return err
		}
		f.issuers[s.Issuer] = id
	}
	if f.insert == nil {
		f.insert, err = f.tx.PrepareContext(f.ctx, "INSERT INTO status (serial, issuer, profile, "+column.Status+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
		if err != nil {
			return err
		}
	}
	args, err := column.StatusArgs(s.Status)
	if err != nil {
		return err
	}
	_, err = f.insert.ExecContext(f.ctx, append([]any{key, id, s.Profile}, args...)...)
	return err
}
