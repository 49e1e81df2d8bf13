package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/audit"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/register"
	"github.com/altamga/altamga/internal/register/registertest"
)

// TestRegisterTampered alters every octet of every column of every journal
// entry and certificate, by SQL as somebody with the file could, and wants
// `altamga audit verify --journal` to find each (design rule G5).
func TestRegisterTampered(t *testing.T) {
	ctx := within(t, 5*time.Minute)
	dir := t.TempDir()
	path := filepath.Join(dir, "register.db")
	opened, seals := smallRegister(t, ctx, dir, path)
	verify := func() error {
		_, err := holdRegister(ctx, path, opened, seals)
		return err
	}
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	execute := func(query string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(ctx, query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	for _, trigger := range []string{"entry_is_never_changed", "entry_is_never_removed", "certificate_is_never_removed"} {
		execute("DROP TRIGGER " + trigger)
	}
	// One connection, and no checks that the file itself does not make.
	db.SetMaxOpenConns(1)
	execute("PRAGMA synchronous = OFF")
	execute("PRAGMA foreign_keys = OFF")
	execute("PRAGMA ignore_check_constraints = ON")

	altered := 0
	for _, table := range []string{"entry", "certificate"} {
		for _, cell := range cells(t, ctx, db, table) {
			update := fmt.Sprintf("UPDATE %s SET %s = ? WHERE rowid = ?", table, cell.column)
			row := cell.row
			for _, value := range cell.alterations() {
				if _, err := db.ExecContext(ctx, update, value, cell.row); err != nil {
					continue // such as a serial or a position that is taken
				}
				altered++
				if verify() == nil {
					t.Errorf("%s %d: %s changed from %v to %v was not found", table, cell.row, cell.column, cell.value, value)
				}
				if n, ok := value.(int64); ok && cell.key {
					row = n
				}
				execute(update, cell.value, row)
				row = cell.row
			}
		}
	}
	if altered < 1000 {
		t.Errorf("only %d alterations were tried", altered)
	}
	if err := verify(); err != nil {
		t.Fatalf("the test left something altered: %v", err)
	}
	execute("DELETE FROM entry WHERE position = (SELECT max(position) FROM entry)")
	if err := verify(); err == nil || !strings.Contains(err.Error(), "entries were removed") {
		t.Errorf("removing the last entry: %v", err)
	}
}

// smallRegister returns a register with two certificates and every kind of
// entry, and what the audit log beside it says of its journal.
func smallRegister(t *testing.T, ctx context.Context, dir, path string) (*register.Register, *audit.Seals) {
	t.Helper()
	opened, err := register.Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { opened.Close() })
	issuer := registertest.NewIssuer(t, "ehm")
	var serials []journal.Serial
	for range 2 {
		intent, certificate := issuer.Certificate(t, time.Now().AddDate(1, 0, 0), nil)
		if err := opened.Reserve(ctx, intent); err != nil {
			t.Fatal(err)
		}
		if _, err := opened.Complete(ctx, intent.Serial, certificate, nil); err != nil {
			t.Fatal(err)
		}
		serials = append(serials, intent.Serial)
	}
	for _, e := range []journal.Entry{
		{Kind: journal.Held, Serial: serials[0], Owner: journal.Holder, ReceivedAt: time.Now(), Actor: "ra"},
		{Kind: journal.Revoked, Serial: serials[1], Reason: journal.KeyCompromise, InvalidityDate: time.Now().Add(-time.Hour), Actor: "ra"},
	} {
		if _, _, err := opened.Change(ctx, e, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := opened.List(ctx, "ehm"); err != nil {
		t.Fatal(err)
	}
	signer, err := audit.NewSigner("log.example/audit", ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	c := audit.Config{Path: filepath.Join(dir, "audit.log"), Key: signer}
	log, err := audit.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := (&audit.Follower{Log: log, Journal: opened}).CatchUp(ctx); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	_, seals, err := auditVerify{Log: c.Path}.walk(signer, nil)
	if err != nil || seals.Entries() != 5 {
		t.Fatalf("the log knows %d journal entries, %v", seals.Entries(), err)
	}
	return opened, seals
}

// cell is one value of a table; key says that it is the row's own number.
type cell struct {
	column string
	row    int64
	value  any
	key    bool
}

func cells(t *testing.T, ctx context.Context, db *sql.DB, table string) []cell {
	t.Helper()
	rows, err := db.QueryContext(ctx, "SELECT rowid, * FROM "+table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var all []cell
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range into {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for i := 1; i < len(columns); i++ {
			if values[i] != nil {
				all = append(all, cell{columns[i], values[0].(int64), values[i], i == 1})
			}
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// alterations returns the value with each of its octets changed.
func (c cell) alterations() []any {
	var values []any
	switch v := c.value.(type) {
	case int64:
		for shift := 0; shift < 64; shift += 8 {
			values = append(values, v^(1<<shift))
		}
	case string:
		for i := range len(v) {
			altered := []byte(v)
			altered[i] ^= 1
			values = append(values, string(altered))
		}
	case []byte:
		for i := range v {
			altered := bytes.Clone(v)
			altered[i] ^= 1
			values = append(values, altered)
		}
	}
	return values
}
