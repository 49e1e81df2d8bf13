package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/audit"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/register"
	"github.com/altamga/altamga/internal/register/postgrestest"
	"github.com/altamga/altamga/internal/register/registertest"
)

// tamperer opens a store's tables for whoever wants to alter them.
type tamperer struct {
	address func(*testing.T) string
	driver  string
	// unlock takes away what the database itself has against it.
	unlock []string
	// first and second are the placeholders of a statement.
	first, second string
	// every tries each octet of a value, and not one of them alone.
	every bool
}

var tamperedTables = []string{"entry", "certificate", "ticket"}

// TestRegisterTampered alters every column of every journal entry, certificate,
// reserved serial and ticket, octet by octet, by SQL as somebody with the
// database could, and wants `altamga audit verify --journal` to find each
// (design rule G5).
func TestRegisterTampered(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		testTampered(t, tamperer{
			address: func(t *testing.T) string { return filepath.Join(t.TempDir(), "register.db") }, driver: "sqlite",
			unlock: []string{
				"DROP TRIGGER entry_is_never_changed", "DROP TRIGGER entry_is_never_removed", "DROP TRIGGER certificate_is_never_removed",
				// No checks that the file itself does not make.
				"PRAGMA synchronous = OFF", "PRAGMA foreign_keys = OFF", "PRAGMA ignore_check_constraints = ON",
			},
			first: "?", second: "?", every: true,
		})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		server := postgrestest.Start(t)
		unlock := []string{`DO $$ DECLARE c record; BEGIN
			FOR c IN SELECT conrelid::regclass AS name, conname FROM pg_constraint WHERE contype = 'c' AND connamespace = current_schema()::regnamespace LOOP
				EXECUTE 'ALTER TABLE ' || c.name || ' DROP CONSTRAINT ' || c.conname;
			END LOOP; END $$`}
		for _, table := range tamperedTables {
			unlock = append(unlock, "ALTER TABLE "+table+" DISABLE TRIGGER ALL")
		}
		testTampered(t, tamperer{
			address: func(t *testing.T) string { return server.Address(t) }, driver: "pgx", unlock: unlock,
			first: "$1", second: "$2",
		})
	})
}

func testTampered(t *testing.T, with tamperer) {
	ctx := within(t, 5*time.Minute)
	address := with.address(t)
	opened, seals := smallRegister(t, ctx, t.TempDir(), address)
	verify := func() error {
		_, err := holdRegister(ctx, register.Redacted(address), opened, seals, false)
		return err
	}
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open(with.driver, address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	execute := func(query string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(ctx, query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	for _, statement := range with.unlock {
		execute(statement)
	}
	altered := 0
	for _, table := range tamperedTables {
		key := map[string]string{"entry": "position", "certificate": "id", "ticket": "position"}[table]
		for _, cell := range cells(t, ctx, db, table, key) {
			update := fmt.Sprintf("UPDATE %s SET %s = %s WHERE %s = %s", table, cell.column, with.first, key, with.second)
			for _, value := range cell.alterations(with.every) {
				if _, err := db.ExecContext(ctx, update, value, cell.row); err != nil {
					continue // such as a serial or a position that is taken, or a wrong type
				}
				altered++
				if verify() == nil {
					t.Errorf("%s %d: %s changed from %v to %v was not found", table, cell.row, cell.column, cell.value, value)
				}
				row := cell.row
				if n, ok := value.(int64); ok && cell.column == key {
					row = n
				}
				execute(update, cell.value, row)
			}
		}
	}
	if altered < 100 {
		t.Errorf("only %d alterations were tried", altered)
	}
	t.Logf("%d alterations", altered)
	if err := verify(); err != nil {
		t.Fatalf("the test left something altered: %v", err)
	}
	for _, removal := range []struct{ statement, want string }{
		{"DELETE FROM certificate WHERE to_be_signed IS NOT NULL AND state = ''", "is not in the register any more"},
		{"DELETE FROM entry WHERE position = (SELECT max(position) FROM entry)", "entries were removed"},
		{"DELETE FROM ticket WHERE position = (SELECT max(position) FROM ticket)", "it was altered"},
	} {
		execute(removal.statement)
		if err := verify(); err == nil || !strings.Contains(err.Error(), removal.want) {
			t.Errorf("%s: %v", removal.statement, err)
		}
	}
}

// TestAuditLogTampered flips octets of an audit log that a register and its
// authority wrote, one at a time (design rule G5); internal/audit does so with
// every octet.
func TestAuditLogTampered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	smallRegister(t, t.Context(), dir, filepath.Join(dir, "register.db"))
	path := filepath.Join(dir, "audit.log")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	check := auditVerify{Log: path}
	for i := 0; i < len(whole); i += 5 {
		altered := bytes.Clone(whole)
		altered[i] ^= 1 << (i % 8)
		if err := os.WriteFile(path, altered, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := check.walk(smallLogKey(t), nil); err == nil {
			t.Fatalf("octet %d changed from %q to %q was not found", i, whole[i], altered[i])
		}
	}
	t.Logf("%d octets", len(whole))
}

// smallLogKey is the key of the log of smallRegister.
func smallLogKey(t *testing.T) *audit.Signer {
	t.Helper()
	signer, err := audit.NewSigner("log.example/audit", ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// smallRegister returns a register with two certificates, every kind of entry,
// tickets, and serials without a certificate, and what the audit log beside it,
// audit.log in dir, says of them.
func smallRegister(t *testing.T, ctx context.Context, dir, address string) (*register.Register, *audit.Seals) {
	t.Helper()
	opened, err := register.Open(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { opened.Close() })
	issuer := registertest.NewIssuer(t, "ehm")
	reserve := func() (journal.Intent, []byte) {
		t.Helper()
		intent, certificate := issuer.Certificate(t, time.Now().AddDate(1, 0, 0), nil)
		if err := opened.Reserve(ctx, intent); err != nil {
			t.Fatal(err)
		}
		return intent, certificate
	}
	var serials []journal.Serial
	for i := range 2 {
		intent, certificate := reserve()
		if _, err := opened.Complete(ctx, intent.Serial, certificate, &journal.Ticket{Actor: "ra", Key: fmt.Sprint("key ", i), Request: [32]byte{5}}); err != nil {
			t.Fatal(err)
		}
		serials = append(serials, intent.Serial)
	}
	for _, e := range []journal.Entry{
		{Kind: journal.Held, Serial: serials[0], Owner: journal.Holder, ReceivedAt: time.Now(), Actor: "ra"},
		{Kind: journal.Revoked, Serial: serials[1], Reason: journal.KeyCompromise, InvalidityDate: time.Now().Add(-time.Hour), Actor: "ra"},
	} {
		if _, _, err := opened.Change(ctx, e, &journal.Ticket{Actor: "ra", Key: string(e.Kind), Request: [32]byte{6}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := opened.List(ctx, "ehm"); err != nil {
		t.Fatal(err)
	}
	c := audit.Config{Path: filepath.Join(dir, "audit.log"), Key: smallLogKey(t)}
	log, err := audit.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	// One serial was left by a crash before its line in the log; one was closed.
	reserve()
	closed, _ := reserve()
	hash := closed.Hash()
	if err := log.Append(ctx, "ca.abandon", slog.String("serial", string(closed.Serial)), slog.String("intent", fmt.Sprintf("%x", hash))); err != nil {
		t.Fatal(err)
	}
	if _, err := opened.Abandon(ctx, closed.Serial, "reconcile"); err != nil {
		t.Fatal(err)
	}
	if err := (&audit.Follower{Log: log, Journal: opened}).CatchUp(ctx); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	_, seals, err := auditVerify{Log: c.Path}.walk(smallLogKey(t), nil)
	if err != nil || seals.Entries() != 6 || seals.Intents() != 2 {
		t.Fatalf("the log knows %d journal entries and %d intents, %v", seals.Entries(), seals.Intents(), err)
	}
	return opened, seals
}

// cell is one value of a row, which is known by its number.
type cell struct {
	column string
	row    int64
	value  any
}

func cells(t *testing.T, ctx context.Context, db *sql.DB, table, key string) []cell {
	t.Helper()
	rows, err := db.QueryContext(ctx, fmt.Sprintf("SELECT %s AS number, * FROM %s", key, table))
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
			all = append(all, cell{columns[i], values[0].(int64), values[i]})
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// alterations returns the value with its octets changed, one at a time, or only
// with the one in its middle. What was empty becomes something.
func (c cell) alterations(every bool) []any {
	var values []any
	switch v := c.value.(type) {
	case nil:
		values = append(values, int64(1), "x", []byte{1})
	case int64:
		for shift := 0; shift < 64; shift += 8 {
			if every || shift == 0 {
				values = append(values, v^(1<<shift))
			}
		}
	case string:
		for i := range len(v) {
			if altered := []byte(v); every || i == len(v)/2 {
				altered[i] ^= 1
				values = append(values, string(altered))
			}
		}
		values = append(values, v+"x")
	case []byte:
		for i := range v {
			if every || i == len(v)/2 {
				altered := bytes.Clone(v)
				altered[i] ^= 1
				values = append(values, altered)
			}
		}
		values = append(values, append(bytes.Clone(v), 1))
	}
	return values
}
