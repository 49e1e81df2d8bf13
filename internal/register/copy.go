package register

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Copied says how much a copy has copied.
type Copied struct {
	Certificates, Entries, Tickets, Followers, Pending int64
}

// Copy copies a register from a SQLite file into a PostgreSQL database. It
// checks the source, keeps everybody from writing to it meanwhile, copies all
// in one transaction, reads it back, compares it octet by octet, commits, and
// checks the target. progress, if not nil, is told now and then how many rows of
// a table were copied.
//
// It returns [fs.ErrExist] when the target holds anything. After an error the
// target is as it was, except after one that says that the copy itself is there.
func Copy(ctx context.Context, from, to *Register, progress func(table string, rows int64)) (Copied, error) {
	_, ok := from.engine.(*sqlite)
	target, okToo := to.engine.(*postgres)
	if !ok || !okToo {
		return Copied{}, errors.New("copying register: only a SQLite register can be copied, and only into PostgreSQL")
	}
	if progress == nil {
		progress = func(string, int64) {}
	}
	if err := from.Check(ctx); err != nil {
		return Copied{}, fmt.Errorf("copying register: the source: %w", err)
	}
	var copied Copied
	// The writer of the source does the copying: while it does, no other process
	// gets the file's write lock.
	err := from.write(ctx, &write{run: func(*batch) error {
		source, err := from.snapshot(ctx)
		if err != nil {
			return err
		}
		defer source.end()
		copied, err = target.load(ctx, source, progress)
		return err
	}})
	if err != nil {
		return Copied{}, fmt.Errorf("copying register: %w", err)
	}
	if err := to.Check(ctx); err != nil {
		return copied, fmt.Errorf("copying register: the copy is there: %w", err)
	}
	return copied, nil
}

// table is one table as it is copied.
type table struct {
	name    string
	columns string
	// order sorts the rows in SQLite, and orderThere in PostgreSQL in the same
	// way, whatever its collation.
	order, orderThere string
	count             func(*Copied) *int64
}

var tables = []table{
	{"certificate", "id, " + recordColumns, "id", "id", func(c *Copied) *int64 { return &c.Certificates }},
	{"entry", "position, kind, issuer, certificate, reason, owner, received_at, effective_at, invalidity_date, actor", "position", "position",
		func(c *Copied) *int64 { return &c.Entries }},
	{"ticket", "position, actor, key, request", "position", "position", func(c *Copied) *int64 { return &c.Tickets }},
	{"pending", "number, " + pendingColumns, "number", "number", func(c *Copied) *int64 { return &c.Pending }},
	{"follower", "name, position", "name", `name COLLATE "C"`, func(c *Copied) *int64 { return &c.Followers }},
}

// load fills the empty database from a snapshot of another.
func (p *postgres) load(ctx context.Context, source *snapshot, progress func(string, int64)) (copied Copied, err error) {
	conn, err := pgx.ConnectConfig(ctx, p.config)
	if err != nil {
		return copied, explainPostgres(ctx, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return copied, explainPostgres(ctx, err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	if _, err := tx.Exec(ctx, "SELECT one FROM turn FOR UPDATE"); err != nil {
		return copied, explainPostgres(ctx, err)
	}
	// All of them before the first row: a table is only read back when all it
	// refers to is there.
	for _, t := range tables {
		var some bool
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM "+t.name+")").Scan(&some); err != nil {
			return copied, explainPostgres(ctx, err)
		}
		if some {
			return copied, fmt.Errorf("the target holds a register already: %w", fs.ErrExist)
		}
	}
	sums := make([][]byte, len(tables))
	for i, t := range tables {
		if *t.count(&copied), sums[i], err = t.copy(ctx, source, tx, progress); err != nil {
			return Copied{}, fmt.Errorf("table %s: %w", t.name, explainPostgres(ctx, err))
		}
	}
	for i, t := range tables {
		sum, err := t.sum(ctx, tx)
		if err == nil && !slices.Equal(sum, sums[i]) {
			err = errors.New("what was read back is not what was written")
		}
		if err != nil {
			return Copied{}, fmt.Errorf("table %s: %w", t.name, err)
		}
	}
	if _, err := tx.Exec(ctx, "NOTIFY "+channel); err != nil {
		return Copied{}, explainPostgres(ctx, err)
	}
	if err := tx.Commit(ctx); err != nil {
		return Copied{}, explainPostgres(ctx, err)
	}
	// Without statistics the first queries would read whole tables.
	for _, t := range tables {
		if _, err := conn.Exec(ctx, "ANALYZE "+t.name); err != nil {
			return copied, fmt.Errorf("the copy is there: %w", explainPostgres(ctx, err))
		}
	}
	return copied, nil
}

// copy copies the table and returns the number of its rows and their hash.
func (t table) copy(ctx context.Context, source *snapshot, target pgx.Tx, progress func(string, int64)) (int64, []byte, error) {
	rows, err := source.query("SELECT " + t.columns + " FROM " + t.name + " ORDER BY " + t.order)
	if err != nil {
		return 0, nil, err
	}
	defer rows.Close()
	columns := strings.Split(t.columns, ", ")
	stream := &rowStream{rows: rows, values: make([]any, len(columns)), hash: sha256.New(), told: func(n int64) { progress(t.name, n) }}
	n, err := target.CopyFrom(ctx, pgx.Identifier{t.name}, columns, stream)
	if err == nil {
		progress(t.name, n)
	}
	return n, stream.hash.Sum(nil), err
}

// sum returns the hash of the table's rows in PostgreSQL.
func (t table) sum(ctx context.Context, tx pgx.Tx) ([]byte, error) {
	rows, err := tx.Query(ctx, "SELECT "+t.columns+" FROM "+t.name+" ORDER BY "+t.orderThere)
	if err != nil {
		return nil, explainPostgres(ctx, err)
	}
	defer rows.Close()
	sum := sha256.New()
	for rows.Next() {
		values, err := rows.Values()
		if err == nil {
			err = hashRow(sum, values)
		}
		if err != nil {
			return nil, err
		}
	}
	return sum.Sum(nil), explainPostgres(ctx, rows.Err())
}

// rowStream hands the rows of a SQLite query to PostgreSQL's COPY and hashes
// them on the way.
type rowStream struct {
	rows   *sql.Rows
	values []any
	hash   hash.Hash
	n      int64
	told   func(int64)
	err    error
}

// Next reads a row.
func (s *rowStream) Next() bool {
	if s.err != nil || !s.rows.Next() {
		return false
	}
	dest := make([]any, len(s.values))
	for i := range dest {
		dest[i] = &s.values[i]
	}
	if s.err = s.rows.Scan(dest...); s.err == nil {
		s.err = hashRow(s.hash, s.values)
	}
	const often = 10000
	if s.n++; s.n%often == 0 {
		s.told(s.n)
	}
	return s.err == nil
}

// Values returns the row.
func (s *rowStream) Values() ([]any, error) { return s.values, s.err }

// Err returns what ended the rows early.
func (s *rowStream) Err() error { return errors.Join(s.err, s.rows.Err()) }

// hashRow adds a row to a hash, in a form that tells any two rows apart.
func hashRow(to hash.Hash, values []any) error {
	for _, value := range values {
		kind, octets := byte(0), []byte(nil)
		switch v := value.(type) {
		case nil:
		case int64:
			kind, octets = 1, binary.BigEndian.AppendUint64(nil, uint64(v))
		case string:
			kind, octets = 2, []byte(v)
		case []byte:
			kind, octets = 3, v
		default:
			return fmt.Errorf("a value is a %T", value)
		}
		to.Write(binary.BigEndian.AppendUint64([]byte{kind}, uint64(len(octets))))
		to.Write(octets)
	}
	return nil
}
