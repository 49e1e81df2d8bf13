package register_test

import (
	"errors"
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/register"
	"github.com/altamga/altamga/internal/register/postgrestest"
	"github.com/altamga/altamga/internal/register/registertest"
)

// lived fills a register with everything that one can hold.
func lived(t *testing.T, store *register.Register) []journal.Serial {
	t.Helper()
	ctx := t.Context()
	issuer := registertest.NewIssuer(t, "ehm")
	var serials []journal.Serial
	for i, fate := range [][]journal.Entry{
		{},
		{{Kind: journal.Held, Owner: journal.Court, ReceivedAt: time.Now()}, {Kind: journal.Held, Owner: journal.Holder}},
		{{Kind: journal.Held, Owner: journal.Centre}, {Kind: journal.Released, Owner: journal.Centre}},
		{{Kind: journal.Revoked, Reason: journal.KeyCompromise, InvalidityDate: time.Now().Add(-time.Hour), Actor: "ra Şəxs"}},
		nil, // only reserved
	} {
		intent, certificate := issuer.Certificate(t, time.Now().AddDate(1, 0, i), nil)
		serials = append(serials, intent.Serial)
		if err := store.Reserve(ctx, intent); err != nil {
			t.Fatal(err)
		}
		if fate == nil {
			continue
		}
		if _, err := store.Complete(ctx, intent.Serial, certificate, &journal.Ticket{Actor: "ra", Key: string(intent.Serial), Request: [32]byte{byte(i)}}); err != nil {
			t.Fatal(err)
		}
		for _, e := range fate {
			e.Serial = intent.Serial
			if _, _, err := store.Change(ctx, e, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n, err := store.Expire(ctx, time.Now().AddDate(1, 0, 0).Add(time.Hour)); err != nil || n != 1 {
		t.Fatalf("got %d expired, error %v, want 1", n, err)
	}
	intent, _ := issuer.Certificate(t, time.Now().AddDate(2, 0, 0), nil)
	if err := store.Reserve(ctx, intent); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Abandon(ctx, intent.Serial, "reconcile"); err != nil {
		t.Fatal(err)
	}
	waits := journal.Pending{
		ID: "open", State: journal.Open, Action: "hold", Serial: serials[0], Request: []byte(`{"owner":"centre"}`), Hash: [32]byte{7},
		RequestedBy: "ops1", Requester: "Əli", RequestedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
	}
	decided := waits
	decided.ID = "decided"
	for _, p := range []journal.Pending{waits, decided} {
		if err := store.Propose(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	decided.State, decided.DecidedBy, decided.Decider, decided.DecidedAt, decided.Outcome = journal.Confirmed, "ops2", "Kamran", time.Now(), "so"
	if err := store.Decide(ctx, journal.Open, decided); err != nil {
		t.Fatal(err)
	}
	list, err := store.List(ctx, "ehm")
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Published(ctx, "ehm", list.Number); err != nil {
		t.Fatal(err)
	}
	for i, follower := range []string{"ocsp", "Əlavə", "a b"} {
		if err := store.SetPosition(ctx, follower, uint64(i+1)); err != nil {
			t.Fatal(err)
		}
	}
	return serials
}

func testCopy(t *testing.T, server *postgrestest.Server) {
	ctx := t.Context()
	path, address := newPath(t), server.Address(t)
	from, to := openAt(t, path), openAt(t, address)
	serials := lived(t, from)
	other := rawOpen(t, path)
	mustExec(t, other, "PRAGMA busy_timeout = 0")
	held := 0
	copied, err := register.Copy(ctx, from, to, func(string, int64) {
		held++
		if _, err := other.ExecContext(ctx, "BEGIN IMMEDIATE"); err == nil {
			t.Error("another process could write to the source")
		}
	})
	if want := (register.Copied{Certificates: 6, Entries: 12, Tickets: 4, Followers: 4, Pending: 2}); err != nil || copied != want {
		t.Fatalf("got %+v, error %v, want %+v", copied, err, want)
	}
	if held != 5 {
		t.Errorf("progress was told %d times, want once for each table", held)
	}
	same := func(what string, ask func(*register.Register) (any, error)) {
		t.Helper()
		want, wantErr := ask(from)
		got, gotErr := ask(to)
		if !reflect.DeepEqual(got, want) || wantErr != nil || gotErr != nil {
			t.Errorf("%s: got %+v, error %v, want %+v, error %v", what, got, gotErr, want, wantErr)
		}
	}
	same("journal", func(r *register.Register) (any, error) { return r.Entries(ctx, 0, 0) })
	same("head", func(r *register.Register) (any, error) { return r.Head(ctx) })
	same("unfinished", func(r *register.Register) (any, error) { return r.Unfinished(ctx) })
	same("tally", func(r *register.Register) (any, error) { return r.Tally(ctx) })
	same("undecided", func(r *register.Register) (any, error) { return r.Undecided(ctx) })
	same("pending", func(r *register.Register) (any, error) { return r.Pending(ctx, "decided") })
	for i, serial := range serials {
		same("record", func(r *register.Register) (any, error) { return r.Record(ctx, serial) })
		same("history", func(r *register.Register) (any, error) { return r.History(ctx, serial) })
		if i < 4 {
			same("ticket", func(r *register.Register) (any, error) {
				ticket, entry, err := r.Redeemed(ctx, "ra", string(serial))
				return []any{ticket, entry}, err
			})
		}
	}
	for _, follower := range []string{"ocsp", "Əlavə", "a b"} {
		same("position", func(r *register.Register) (any, error) { return r.Position(ctx, follower) })
	}
	// The copy goes on where the source stood.
	same("next list", func(r *register.Register) (any, error) {
		list, err := r.List(ctx, "ehm")
		return []any{list.Number, len(list.Entries)}, err
	})
	issueOne(t, to)
	if err := to.Check(ctx); err != nil {
		t.Error(err)
	}

	t.Run("target that is not empty is refused", func(t *testing.T) {
		before, err := to.Entries(ctx, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := register.Copy(ctx, from, to, nil); !errors.Is(err, fs.ErrExist) {
			t.Errorf("got error %v, want %v", err, fs.ErrExist)
		}
		if after, err := to.Entries(ctx, 0, 0); err != nil || !reflect.DeepEqual(after, before) {
			t.Errorf("the target was changed (error %v)", err)
		}
		reserved := openAt(t, server.Address(t))
		intent, _ := registertest.NewIssuer(t, "ehm").Certificate(t, time.Now().AddDate(1, 0, 0), nil)
		if err := reserved.Reserve(ctx, intent); err != nil {
			t.Fatal(err)
		}
		if _, err := register.Copy(ctx, from, reserved, nil); !errors.Is(err, fs.ErrExist) {
			t.Errorf("a target with one reservation: got error %v, want %v", err, fs.ErrExist)
		}
	})
	t.Run("copy that differs is not committed", func(t *testing.T) {
		for _, wrong := range []string{"NEW.actor := NEW.actor || 'x'", "NEW.received_at := coalesce(NEW.received_at, 0)"} {
			address := server.Address(t)
			target := openAt(t, address)
			server.Exec(t, address, `CREATE FUNCTION sabotage() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN `+wrong+`; RETURN NEW; END $$;
				CREATE TRIGGER sabotage BEFORE INSERT ON entry FOR EACH ROW EXECUTE FUNCTION sabotage()`)
			if _, err := register.Copy(ctx, from, target, nil); err == nil || !strings.Contains(err.Error(), "table entry: what was read back") {
				t.Errorf("%s: got error %v, want that of the comparison", wrong, err)
			}
			server.Exec(t, address, "DROP TRIGGER sabotage ON entry")
			if _, err := register.Copy(ctx, from, target, nil); err != nil {
				t.Errorf("after the repair: %v", err)
			}
		}
	})
	t.Run("damaged source is refused", func(t *testing.T) {
		path := newPath(t)
		damaged := openAt(t, path)
		lived(t, damaged)
		mustExec(t, rawOpen(t, path), "UPDATE certificate SET version = 1 WHERE id = 4")
		target := openAt(t, server.Address(t))
		if _, err := register.Copy(ctx, damaged, target, nil); err == nil || !strings.Contains(err.Error(), "the source") {
			t.Errorf("got error %v, want one of the source", err)
		}
		if got, err := target.Head(ctx); err != nil || got != 0 {
			t.Errorf("got head %d of the target, error %v", got, err)
		}
	})
	t.Run("other directions are refused", func(t *testing.T) {
		for _, pair := range [][2]*register.Register{{to, from}, {from, openAt(t, newPath(t))}, {to, to}} {
			if _, err := register.Copy(ctx, pair[0], pair[1], nil); err == nil || errors.Is(err, fs.ErrExist) {
				t.Errorf("got error %v", err)
			}
		}
	})
}
