package replica

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/altamga/altamga/internal/journal"
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
	key, err := octets(serial)
	if err != nil {
		return Known{}, fmt.Errorf("reading replica: %w", err)
	}
	var known Known
	var row statusRow
	var asOf int64
	var profile sql.NullString
	// One statement is one moment: no status is told of a later position than
	// the one beside it.
	statement, err := r.reading(ctx)
	if err != nil {
		return Known{}, fmt.Errorf("reading replica: %w", err)
	}
	err = statement.QueryRowContext(ctx, key, issuer).Scan(append([]any{&known.Position, &asOf, &profile}, row.dest()...)...)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotBegun
	}
	if err != nil {
		return Known{}, fmt.Errorf("reading replica: %w", err)
	}
	known.Profile = profile.String
	if known.Status, err = row.status(); err != nil {
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
	s, err := r.db.PrepareContext(ctx, "SELECT r.position, r.as_of, s.profile, i.name, "+statusColumns+
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
		changes = append(changes, Change{Position: uint64(version.Int64), Issuer: issuer.String, Serial: serialOf(serial)})
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

// statusColumns are the columns of a status, in the order of statusRow.dest
// behind the issuer's name.
const statusColumns = "s.state, s.holds, s.reason, s.since, s.invalidity_date, s.expired, s.version"

// statusRow receives an issuer's name and statusColumns, all of which may be
// NULL.
type statusRow struct {
	issuer, state                      sql.NullString
	holds                              []byte
	reason, since, invalidity, version sql.NullInt64
	expired                            sql.NullBool
}

func (r *statusRow) dest() []any {
	return []any{&r.issuer, &r.state, &r.holds, &r.reason, &r.since, &r.invalidity, &r.expired, &r.version}
}

func (r *statusRow) status() (journal.Status, error) {
	s := journal.Status{
		State: journal.State(r.state.String), Reason: journal.Reason(r.reason.Int64),
		Since: fromColumn(r.since), InvalidityDate: fromColumn(r.invalidity),
		Expired: r.expired.Bool, Version: uint64(r.version.Int64),
	}
	if r.holds != nil {
		if err := json.Unmarshal(r.holds, &s.Holds); err != nil {
			return s, fmt.Errorf("reading holds: %w", err)
		}
	}
	return s, nil
}

// statusArgs returns the status as values for its columns.
func statusArgs(s journal.Status) ([]any, error) {
	var holds any
	if len(s.Holds) > 0 {
		text, err := json.Marshal(s.Holds)
		if err != nil {
			return nil, fmt.Errorf("encoding holds: %w", err)
		}
		holds = string(text)
	}
	return []any{string(s.State), holds, int64(s.Reason), column(s.Since), column(s.InvalidityDate), s.Expired, int64(s.Version)}, nil
}

// column returns a time's column; that of the zero time is NULL.
func column(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

func fromColumn(v sql.NullInt64) time.Time {
	if !v.Valid {
		return time.Time{}
	}
	return time.UnixMicro(v.Int64).UTC()
}

func serialOf(octets []byte) journal.Serial {
	s := hex.EncodeToString(octets)
	if s != "" && s[0] == '0' {
		s = s[1:]
	}
	return journal.Serial(s)
}
