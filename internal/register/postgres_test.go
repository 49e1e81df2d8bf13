package register_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/register"
	"github.com/altamga/altamga/internal/register/postgrestest"
	"github.com/altamga/altamga/internal/register/registertest"
)

// TestPostgresContract holds the PostgreSQL engine to what every store must do.
func TestPostgresContract(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	registertest.Contract(t, func(t testing.TB) registertest.Store { return openAt(t, server.Address(t)) })
	registertest.Shared(t, func(t testing.TB) (registertest.Store, registertest.Store) {
		address := server.Address(t)
		return openAt(t, address), openAt(t, address)
	})
}

// TestPostgres runs the tests of the PostgreSQL engine alone. It has a server
// of its own, since it takes it away from its clients, and mostly waits.
func TestPostgres(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *postgrestest.Server)
	}{
		{"what is wrong is found", testPostgresCheck},
		{"open refuses", testPostgresRefuses},
		{"copy from SQLite", testCopy},
		{"open at once", testPostgresOpenAtOnce},
		{"schema goes forward with its data", testPostgresMigrates},
		{"queries use indexes", testPostgresPlans},
		{"journal is append-only", testPostgresAppendOnly},
		{"writers share a commit", testPostgresGroupCommit},
		{"batch that fails leaves nothing", testPostgresBatchFails},
		{"several processes leave no gap", testPostgresProcesses},
		{"G1 killed process loses nothing", testPostgresKilled},
		{"idle connections are cut", testCut},
		{"notifications are lost", testDeaf},
		{"G9 database is lost under load", testLoss},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, server) })
	}
}

func testPostgresCheck(t *testing.T, server *postgrestest.Server) {
	checkFinds(t, server.Address, func(t *testing.T, address, spoil string) {
		spoil = strings.NewReplacer("x'3000'", `'\x3000'`, "zeroblob(32)", "decode(repeat('00', 32), 'hex')").Replace(spoil)
		// Neither triggers nor references watch.
		server.Exec(t, address, "SET session_replication_role = replica; "+spoil)
	})
	t.Run("serial twice", func(t *testing.T) {
		address := server.Address(t)
		store := openAt(t, address)
		intent, _ := registertest.NewIssuer(t, "ehm").Certificate(t, time.Now().AddDate(1, 0, 0), nil)
		if err := store.Reserve(t.Context(), intent); err != nil {
			t.Fatal(err)
		}
		server.Exec(t, address, `ALTER TABLE certificate DROP CONSTRAINT certificate_serial_key;
			INSERT INTO certificate SELECT 2, serial, issuer, profile, set_name, key_hash, actor, not_after, reserved_at, state, holds, reason,
			since, invalidity_date, expired, version, to_be_signed, certificate FROM certificate`)
		if err := store.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "there more than once") {
			t.Errorf("got %v, want an error that says that the serial is there twice", err)
		}
	})
}

func testPostgresRefuses(t *testing.T, server *postgrestest.Server) {
	for _, row := range []struct{ name, script, parameter, want string }{
		{"newer schema", "INSERT INTO schema_version VALUES (1000, 0)", "", "schema version 1000 is newer"},
		{"another program's database", "DROP TABLE schema_version", "", "database of something else"},
		{"no such database", "SELECT 1", "&dbname=nowhere", `"nowhere" does not exist`},
		{"wrong password", "SELECT 1", "&password=wrong", "password authentication failed"},
		{"malformed parameter", "SELECT 1", "&connect_timeout=soon", "the address is not"},
	} {
		t.Run(row.name, func(t *testing.T) {
			address := server.Address(t)
			store, err := register.Open(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
			server.Exec(t, address, row.script)
			store, err = register.Open(t.Context(), address+row.parameter)
			if err == nil {
				store.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), row.want) || errors.Is(err, register.ErrUnavailable) {
				t.Errorf("got error %q, want one that says %q", err, row.want)
			}
			for _, secret := range []string{postgrestest.Password, "wrong&", "s%C4%B1naq", "password=wrong"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows the password: %v", err)
				}
			}
		})
	}
	t.Run("nothing there", func(t *testing.T) {
		address := server.Address(t)
		for range 2 {
			if _, err := register.OpenExisting(t.Context(), address); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("got error %v, want %v", err, fs.ErrNotExist)
			}
		}
		openAt(t, address)
		store, err := register.OpenExisting(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("ended context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := register.Open(ctx, server.Address(t)); !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want %v", err, context.Canceled)
		}
	})
}

func testPostgresOpenAtOnce(t *testing.T, server *postgrestest.Server) {
	address := server.Address(t)
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			store, err := register.Open(t.Context(), address)
			if err != nil {
				t.Error(err)
				return
			}
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func testPostgresAppendOnly(t *testing.T, server *postgrestest.Server) {
	address := server.Address(t)
	store := openAt(t, address)
	issueOne(t, store)
	conn := rawPostgres(t, address)
	for _, query := range []string{
		"UPDATE entry SET actor = 'x'", "DELETE FROM entry", "TRUNCATE entry CASCADE", "DELETE FROM certificate", "TRUNCATE certificate CASCADE",
	} {
		if _, err := conn.Exec(t.Context(), query); err == nil {
			t.Errorf("%s: no error", query)
		}
	}
}

// rawPostgres connects beside the register, as anybody with psql can.
func rawPostgres(t testing.TB, address string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// issueOne takes a certificate through the store.
func issueOne(t testing.TB, store *register.Register) (journal.Intent, journal.Entry) {
	t.Helper()
	intent, certificate := registertest.NewIssuer(t, "ehm").Certificate(t, time.Now().AddDate(1, 0, 0), nil)
	if err := store.Reserve(t.Context(), intent); err != nil {
		t.Fatal(err)
	}
	entry, err := store.Complete(t.Context(), intent.Serial, certificate, nil)
	if err != nil {
		t.Fatal(err)
	}
	return intent, entry
}

func testPostgresGroupCommit(t *testing.T, server *postgrestest.Server) {
	address := server.Address(t)
	store := openAt(t, address)
	taken, _ := issueOne(t, store)
	const writers = 60
	issuer := registertest.NewIssuer(t, "ehm")
	intents := make([]journal.Intent, writers)
	for i := range intents {
		intents[i], _ = issuer.Certificate(t, time.Now().AddDate(1, 0, 0), nil)
	}
	other := rawPostgres(t, address)
	tx, err := other.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT FROM turn FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	before := store.Commits()
	var group sync.WaitGroup
	var started atomic.Int32
	for i := range writers {
		group.Go(func() {
			started.Add(1)
			if i%3 == 0 {
				if err := store.Reserve(t.Context(), taken); !errors.Is(err, fs.ErrExist) {
					t.Errorf("got error %v, want %v", err, fs.ErrExist)
				}
			} else if err := store.Reserve(t.Context(), intents[i]); err != nil {
				t.Error(err)
			}
		})
	}
	for started.Load() < writers {
		runtime.Gosched()
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	group.Wait()
	if got := store.Commits() - before; got > writers/4 {
		t.Errorf("got %d commits, want at most %d for %d writes", got, writers/4, writers)
	}
	if unfinished, err := store.Unfinished(t.Context()); err != nil || len(unfinished) != writers*2/3 {
		t.Errorf("got %d unfinished, error %v, want %d", len(unfinished), err, writers*2/3)
	}
}

// testPostgresBatchFails breaks the commit itself.
func testPostgresBatchFails(t *testing.T, server *postgrestest.Server) {
	address := server.Address(t)
	store := openAt(t, address)
	issueOne(t, store)
	intent, certificate := registertest.NewIssuer(t, "ehm").Certificate(t, time.Now().AddDate(1, 0, 0), nil)
	if err := store.Reserve(t.Context(), intent); err != nil {
		t.Fatal(err)
	}
	server.Exec(t, address, `CREATE FUNCTION sabotage() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN INSERT INTO ticket VALUES (1000000, 'x', 'x', ''); RETURN NEW; END $$;
		CREATE TRIGGER sabotage AFTER INSERT ON entry FOR EACH ROW EXECUTE FUNCTION sabotage()`)
	for range 2 {
		_, err := store.Complete(t.Context(), intent.Serial, certificate, nil)
		if err == nil || errors.Is(err, fs.ErrExist) || errors.Is(err, register.ErrUnavailable) {
			t.Errorf("got error %v, want the commit's", err)
		}
	}
	server.Exec(t, address, "DROP TRIGGER sabotage ON entry")
	entry, err := store.Complete(t.Context(), intent.Serial, certificate, nil)
	if err != nil || entry.Position != 2 {
		t.Errorf("after the repair: got entry %+v, error %v, want position 2", entry, err)
	}
	if err := store.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// testPostgresMigrates takes a register of this version to a later one and finds
// its data again.
func testPostgresMigrates(t *testing.T, server *postgrestest.Server) {
	address := server.Address(t)
	first := openAt(t, address)
	intent, entry := issueOne(t, first)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			if err := register.MigratePostgres(t.Context(), address, "ALTER TABLE follower ADD COLUMN since BIGINT"); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	conn := rawPostgres(t, address)
	var version, columns int
	if err := conn.QueryRow(t.Context(), "SELECT (SELECT max(version) FROM schema_version), (SELECT count(since) FROM follower)").Scan(&version, &columns); err != nil || version != 6 {
		t.Errorf("got version %d, error %v, want 6", version, err)
	}
	if _, err := register.Open(t.Context(), address); err == nil || !strings.Contains(err.Error(), "newer than this program's") {
		t.Errorf("the older program: got error %v, want a refusal", err)
	}
	var serial string
	if err := conn.QueryRow(t.Context(), "SELECT encode(c.serial, 'hex') FROM certificate c JOIN entry e ON e.certificate = c.id WHERE e.position = $1",
		entry.Position).Scan(&serial); err != nil || strings.TrimLeft(serial, "0") != string(intent.Serial) {
		t.Errorf("got serial %s, error %v, want %s", serial, err, intent.Serial)
	}
}

// testPostgresPlans asks PostgreSQL how it carries out the queries of a large
// register: none may read through a table for one certificate.
func testPostgresPlans(t *testing.T, server *postgrestest.Server) {
	address := server.Address(t)
	store := openAt(t, address)
	// The tables are small; a plan that has no choice but to read one through
	// does so even when that is discouraged.
	path := newPath(t)
	beside := openAt(t, path)
	askEverything(t, beside)
	askEverything(t, store)
	conn := rawPostgres(t, address)
	if _, err := conn.Exec(t.Context(), "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan"); err != nil {
		t.Fatal(err)
	}
	explained := 0
	for i, query := range beside.Queries() {
		if verb, _, _ := strings.Cut(query, " "); verb != "SELECT" && verb != "UPDATE" {
			continue
		}
		explained++
		name := fmt.Sprintf("query%d", i)
		parameters := strings.Count(query, "?")
		if _, err := conn.Exec(t.Context(), "PREPARE "+name+" AS "+store.Rebind(query)); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		execute := "EXPLAIN EXECUTE " + name
		if parameters > 0 {
			execute += "(" + strings.TrimSuffix(strings.Repeat("NULL, ", parameters), ", ") + ")"
		}
		rows, err := conn.Query(t.Context(), execute)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range plan {
			if strings.Contains(step, "Seq Scan") {
				t.Errorf("%s:\n%s", query, strings.Join(plan, "\n"))
			}
		}
	}
	if explained < 12 {
		t.Errorf("got %d queries only", explained)
	}
}
