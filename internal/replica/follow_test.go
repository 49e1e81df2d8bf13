package replica_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/replica"
)

// TestFollow folds a random journal, page by page and entry by entry, with
// restarts between, and has the statuses of who folded it at once.
func TestFollow(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(seed, 1))
		a := newAuthority()
		r, path := begun(t)
		if _, err := r.Status(t.Context(), "ehm", "1001"); !errors.Is(err, replica.ErrNeverCaughtUp) {
			t.Errorf("before the journal was read: %v", err)
		}
		a.live(random, 2500)
		for range 3 {
			end := follow(t, r, a)
			for range 20 {
				a.live(random, random.IntN(5))
				synctest.Wait()
			}
			agree(t, r, a)
			if err := r.Ready(t.Context(), time.Minute); err != nil {
				t.Errorf("ready: %v", err)
			}
			end()
			a.live(random, 300) // while nobody follows
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			var err error
			if r, err = replica.Open(t.Context(), path, nil); err != nil {
				t.Fatal(err)
			}
		}
		defer r.Close()
		known, err := r.Status(t.Context(), "hom", "1001")
		if err != nil || known.Status.State != journal.NonIssued {
			t.Errorf("a serial of another issuer: %+v, %v", known, err)
		}
		// Whoever follows the replica sees each certificate's last entry, in
		// order and without gaps.
		seen := map[journal.Serial]uint64{}
		position, err := r.Position(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for after := uint64(0); after < position; {
			changes, err := r.Changes(t.Context(), after, 1+random.IntN(200))
			if err != nil || len(changes) == 0 {
				t.Fatalf("after %d: %d changes, %v", after, len(changes), err)
			}
			for _, c := range changes {
				after++
				if c.Position != after {
					t.Fatalf("change %d came where %d belongs", c.Position, after)
				}
				if c.Serial != "" {
					seen[c.Serial] = c.Position
				}
			}
		}
		for serial, version := range seen {
			known, err := r.Status(t.Context(), []string{"hom", "ehm"}[serial.Int().Int64()%2], serial)
			if err != nil || known.Status.Version != version {
				t.Errorf("%s changed at %d, and its status is %+v, %v", serial, version, known.Status, err)
			}
		}
	})
}

// TestAsOf: what the replica knows is certain as of the last moment at which it
// saw the journal's end, whatever happens to authority, process and clock.
func TestAsOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority()
		a.add(journal.Entry{Kind: journal.Issued, Issuer: "ehm", Serial: "1"})
		r, path := begun(t)
		end := follow(t, r, a)
		asOf := func() time.Time {
			t.Helper()
			known, err := r.Status(t.Context(), "ehm", "1")
			if err != nil || known.Status.State != journal.Valid {
				t.Fatalf("got %+v, %v", known, err)
			}
			return known.AsOf
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if age := time.Since(asOf()); age > 11*time.Second {
			t.Errorf("while nothing happens, what is known is %v old", age)
		}
		a.lose(errLost)
		lost := time.Now()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		stood := asOf()
		if stood.After(lost) {
			t.Errorf("certain as of %v, and the journal was lost at %v", stood, lost)
		}
		if err := r.Ready(t.Context(), time.Minute); !errors.Is(err, errLost) || r.Lag(t.Context()) < 10*time.Minute {
			t.Errorf("ready: %v, lag %v", err, r.Lag(t.Context()))
		}
		if err := r.Ready(t.Context(), time.Hour); err != nil {
			t.Errorf("within the grace, ready: %v", err)
		}
		end()
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		var err error
		if r, err = replica.Open(t.Context(), path, nil); err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		end = follow(t, r, a)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got := asOf(); !got.Equal(stood) {
			t.Errorf("after a restart, certain as of %v, and before it of %v", got, stood)
		}
		a.lose(nil)
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if age := time.Since(asOf()); age > 6*time.Second || r.Ready(t.Context(), time.Minute) != nil {
			t.Errorf("healed, what is known is %v old; ready: %v", age, r.Ready(t.Context(), time.Minute))
		}
		end()
	})
}

// TestContradictions shows the replica journals that are not the one that it
// followed.
func TestContradictions(t *testing.T) {
	shorter := func(n int) func(*authority) {
		return func(a *authority) { a.entries = a.entries[:len(a.entries)-n] }
	}
	grow := func(a *authority, n int) {
		for i := range n {
			a.entries = append(a.entries, journal.Entry{Position: uint64(len(a.entries) + 1), Kind: journal.Issued, Issuer: "ehm",
				Serial: journal.SerialOf(journal.Serial("ff00").Int()) + journal.Serial(rune('a'+i%6)), EffectiveAt: time.Now()})
		}
	}
	next := func(change func(e *journal.Entry)) func(*authority) {
		return func(a *authority) {
			e := journal.Entry{Position: uint64(len(a.entries) + 1), Kind: journal.Issued, Issuer: "ehm", Serial: "abc", EffectiveAt: time.Now()}
			change(&e)
			a.entries = append(a.entries, e)
		}
	}
	for _, row := range []struct {
		name   string
		become func(*authority)
		want   string
	}{
		{"restored from a backup", shorter(3), "restored from a backup"},
		{"emptied", func(a *authority) { a.entries = nil }, "ends before position"},
		{"restored, and grown as far as before", func(a *authority) { shorter(3)(a); grow(a, 3) }, "another one than was followed"},
		{"restored, and grown beyond", func(a *authority) { shorter(3)(a); grow(a, 6) }, "another one than was followed"},
		{"another authority's", func(a *authority) { a.entries = nil; grow(a, 400) }, "another one than was followed"},
		{"an entry left out", next(func(e *journal.Entry) { e.Position++ }), "came where"},
		{"an entry twice", next(func(e *journal.Entry) { e.Position-- }), "came where"},
		{"issued twice", next(func(e *journal.Entry) { e.Serial = "1" }), "cannot be issued"},
		{"released without a hold", next(func(e *journal.Entry) { e.Serial, e.Kind, e.Owner = "1", journal.Released, journal.Court }), "cannot be released"},
		{"valid again after its revocation", next(func(e *journal.Entry) { e.Serial, e.Kind, e.Owner = "2", journal.Released, journal.Holder }), "cannot be released"},
		{"revoked before it was issued", next(func(e *journal.Entry) { e.Kind = journal.Revoked }), "cannot be revoked"},
		{"given to another issuer", next(func(e *journal.Entry) { e.Serial, e.Kind, e.Issuer = "1", journal.Revoked, "hom" }), "gives serial 1 to issuer hom"},
		{"of a kind that is not known", next(func(e *journal.Entry) { e.Kind = "forgiven" }), "cannot be forgiven"},
		{"a list of a serial", next(func(e *journal.Entry) { e.Kind = journal.Listed }), "listed of serial"},
		{"issued without a serial", next(func(e *journal.Entry) { e.Serial = "" }), "of serial \"\""},
		{"a serial in another form", next(func(e *journal.Entry) { e.Serial = "0ABC" }), "not in the journal's form"},
		{"without a time", next(func(e *journal.Entry) { e.EffectiveAt = time.Time{} }), "lacks"},
		{"right, and then wrong in the same page", func(a *authority) {
			next(func(*journal.Entry) {})(a)
			next(func(e *journal.Entry) { e.Position++ })(a)
		}, "came where"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAuthority()
				a.add(journal.Entry{Kind: journal.Issued, Issuer: "ehm", Serial: "1"})
				a.add(journal.Entry{Kind: journal.Issued, Issuer: "ehm", Serial: "2"})
				a.add(journal.Entry{Kind: journal.Revoked, Issuer: "ehm", Serial: "2", Owner: journal.Holder})
				for range 5 {
					a.add(journal.Entry{Kind: journal.Listed, Issuer: "ehm"})
				}
				r, _ := begun(t)
				end := follow(t, r, a)
				defer end()
				synctest.Wait()
				agree(t, r, a)
				position := a.head()
				known, err := r.Status(t.Context(), "ehm", "1")
				if err != nil {
					t.Fatal(err)
				}

				right := slices.Clone(a.entries)
				a.mu.Lock()
				row.become(a)
				a.wake()
				a.mu.Unlock()
				time.Sleep(time.Minute)
				synctest.Wait()
				err = r.Ready(t.Context(), time.Hour)
				if !errors.Is(err, replica.ErrContradiction) || !strings.Contains(err.Error(), row.want) || !r.Alarm() {
					t.Fatalf("ready: %v; want one about %q", err, row.want)
				}
				after, err := r.Status(t.Context(), "ehm", "1")
				if err != nil || after.Position != position || after.Status.State != journal.Valid || time.Since(after.AsOf) < 40*time.Second {
					t.Errorf("got %+v, %v; before it was %+v", after, err, known)
				}
				if abc, err := r.Status(t.Context(), "ehm", "abc"); err != nil || abc.Status.State != journal.NonIssued {
					t.Errorf("some of the page was folded: %+v, %v", abc, err)
				}

				// The right journal comes back, and has grown.
				a.mu.Lock()
				a.entries = right
				a.mu.Unlock()
				a.add(journal.Entry{Kind: journal.Revoked, Issuer: "ehm", Serial: "1", Owner: journal.Holder})
				time.Sleep(20 * time.Second)
				synctest.Wait()
				if err := r.Ready(t.Context(), time.Minute); err != nil || r.Alarm() {
					t.Errorf("healed, ready: %v", err)
				}
				agree(t, r, a)
			})
		})
	}
}

// TestReplayedPages shows the replica pages that it was shown before, and some
// in another order.
func TestReplayedPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(7, 7))
		a := newAuthority()
		a.live(random, 50)
		r, _ := begun(t)
		end := follow(t, r, a)
		defer end()
		synctest.Wait()
		old := slices.Clone(a.entries)
		a.live(random, 20)
		synctest.Wait()
		agree(t, r, a)
		for name, torn := range map[string]func(uint64, []journal.Entry) []journal.Entry{
			"the page of another position": func(uint64, []journal.Entry) []journal.Entry { return old[10:30] },
			"the first page":               func(uint64, []journal.Entry) []journal.Entry { return old },
			"an older, empty answer":       func(uint64, []journal.Entry) []journal.Entry { return nil },
			"backwards": func(after uint64, _ []journal.Entry) []journal.Entry {
				a.mu.Lock()
				defer a.mu.Unlock()
				page := slices.Clone(a.entries[after-3:])
				slices.Reverse(page)
				return page
			},
		} {
			a.tear(torn)
			a.add(journal.Entry{Kind: journal.Listed, Issuer: "ehm"})
			time.Sleep(time.Minute)
			synctest.Wait()
			if err := r.Ready(t.Context(), time.Hour); !errors.Is(err, replica.ErrContradiction) {
				t.Errorf("%s: ready: %v", name, err)
			}
			a.tear(nil)
			time.Sleep(20 * time.Second)
			synctest.Wait()
			if err := r.Ready(t.Context(), time.Minute); err != nil {
				t.Errorf("%s: healed, ready: %v", name, err)
			}
			agree(t, r, a)
		}
	})
}
