package replica

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/journal/column"
)

// Known is what the replica knows of a certificate.
type Known struct {
	// Status is NonIssued when the serial is unknown or another issuer's.
	Status journal.Status
	// Profile is the one that the certificate was issued by; empty when the
	// serial is not known.
	Profile string
	// Position is that of the last entry of the journal that was folded.
	Position uint64
	// AsOf is the moment as of which the status is certain. A certificate that is
	// revoked for good is so at every later moment, too.
	AsOf time.Time
}

// ErrNeverCaughtUp says that the journal was not read to its end yet, so that
// the replica cannot tell any status.
var ErrNeverCaughtUp = errors.New("the authority's journal was not read to its end yet")

// Status returns what is known of the issuer's certificate of that serial.
func (r *Replica) Status(ctx context.Context, issuer string, serial journal.Serial) (Known, error) {
	key, err := column.Serial(serial)
	if err != nil {
		return Known{}, fmt.Errorf("reading replica: %w", err)
	}
	var known Known
	var row column.StatusRow
	var asOf int64
	var profile sql.NullString
	// One statement is one moment: no status is told of a later position than
	// the one beside it.
	statement, err := r.reading(ctx)
	if err != nil {
		return Known{}, fmt.Errorf("reading replica: %w", err)
	}
	err = statement.QueryRowContext(ctx, key, issuer).Scan(append([]any{&known.Position, &asOf, &profile}, row.Dest()...)...)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotBegun
	}
	if err != nil {
		return Known{}, fmt.Errorf("reading replica: %w", err)
	}
	known.Profile = profile.String
	if known.Status, err = row.Status(); err != nil {
		return Known{}, fmt.Errorf("reading replica: serial %s: %w", serial, err)
	}
	if known.AsOf, err = certain(asOf); err != nil {
		return Known{}, fmt.Errorf("reading replica: %w", err)
	}
	return known, nil
}

// reading returns the statement that reads a status, prepared once.
func (r *Replica) reading(ctx context.Context) (*sql.Stmt, error) {
	if s := r.read.Load(); s != nil {
		return s, nil
	}
	s, err := r.db.PrepareContext(ctx, "SELECT r.position, r.as_of, s.profile, "+column.Status+
		" FROM replica r LEFT JOIN issuer i ON i.name = ?2 LEFT JOIN status s ON s.serial = ?1 AND s.issuer = i.id")
	if err != nil {
		return nil, err
	}
	if !r.read.CompareAndSwap(nil, s) {
		return r.read.Load(), s.Close()
	}
	return s, nil
}

// certain returns the time of the column as_of, unless it is none that a status
// can be told by.
func certain(column int64) (time.Time, error) {
	asOf, now := fromMicro(column), time.Now()
	switch {
	case asOf.IsZero():
		return asOf, ErrNeverCaughtUp
	case asOf.After(now.Add(time.Second)):
		// The clock was set back, by nobody knows how much: until the journal is
		// read again nothing is certain as of a time that this clock knows.
		return asOf, fmt.Errorf("it is certain as of %s, which is to come by this host's clock", asOf.Format(time.RFC3339))
	case asOf.After(now):
		return now, nil
	}
	return asOf, nil
}

// Change is an entry of the journal: a certificate's, or when it names none
// one that says nothing new.
type Change struct {
	Position uint64
	Issuer   string
	Serial   journal.Serial
}

// Changes returns the changes after a position, oldest first and without gaps;
// at most limit. Of several entries about one certificate only the last one
// names it.
func (r *Replica) Changes(ctx context.Context, after uint64, limit int) ([]Change, error) {
	if after >= math.MaxInt64 || limit <= 0 {
		return nil, nil
	}
	rows, err := r.db.QueryContext(ctx, `SELECT r.position, s.version, i.name, s.serial FROM replica r
		LEFT JOIN (status s JOIN issuer i ON i.id = s.issuer) ON s.version > ? AND s.version <= ? ORDER BY s.version`,
		int64(after), int64(after)+int64(limit))
	if err != nil {
		return nil, fmt.Errorf("reading replica: %w", err)
	}
	defer rows.Close()
	var changes []Change
	until := after
	for rows.Next() {
		var head uint64
		var version sql.NullInt64
		var issuer sql.NullString
		var serial []byte
		if err := rows.Scan(&head, &version, &issuer, &serial); err != nil {
			return nil, fmt.Errorf("reading replica: %w", err)
		}
		until = min(head, after+uint64(limit))
		if !version.Valid {
			break
		}
		for position := after + uint64(len(changes)) + 1; position < uint64(version.Int64); position++ {
			changes = append(changes, Change{Position: position})
		}
		changes = append(changes, Change{Position: uint64(version.Int64), Issuer: issuer.String, Serial: column.SerialOf(serial)})
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading replica: %w", err)
	}
	for position := after + uint64(len(changes)) + 1; position <= until; position++ {
		changes = append(changes, Change{Position: position})
	}
	return changes, nil
}

// Wait returns when the replica has folded beyond a position, or with the
// context's error.
func (r *Replica) Wait(ctx context.Context, after uint64) error {
	for {
		// Taken before the look, so that no commit falls between the two.
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		position, err := r.Position(ctx)
		if err != nil || position > after {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wake wakes whoever waits.
func (r *Replica) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.changed)
	r.changed = make(chan struct{})
}
