package registertest

import (
	"errors"
	"io/fs"
	"reflect"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// Contract runs what every store must do on empty stores that open returns.
// open is called for each subtest and closes its store with t.Cleanup. After
// each subtest the store's own Check must find nothing.
func Contract(t *testing.T, open func(testing.TB) Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Store)
	}{
		{"empty store", testEmpty},
		{"CERT-03 serial is reserved once for all issuers", testReserve},
		{"reservation sees what the key was certified for", testReserveSet},
		{"of many reservations for one key each sees those before", testReserveSetRace},
		{"serials of 1 to 20 octets", testSerials},
		{"certificate completes its intent", testComplete},
		{"certificate that was not reserved is refused", testCompleteRefused},
		{"set is completed whole or not at all", testCompleteSet},
		{"status is the fold of the entries", testChange},
		{"illegal change is refused and leaves nothing", testChangeRefused},
		{"ticket is used once", testTicket},
		{"expiry is recorded once", testExpire},
		{"past validity no change is possible", testChangeAfterExpiry},
		{"entries are paged in order", testEntries},
		{"waiting ends with the next entry", testWait},
		{"records are found by key", testRecordsByKey},
		{"records are found by the entries about them", testRecordsBetween},
		{"certificates are selected in pages", testSelection},
		{"CRL-12 list number is a position and never repeats", testListNumber},
		{"CRL-15 list names held and revoked certificates of its issuer once", testList},
		{"CRL-19 expired certificate stays until a list after its expiry was published", testListExpired},
		{"list tells of the register at its number", testListWhileChanging},
		{"text that no store could keep is refused alone", testTexts},
		{"position never moves back", testPosition},
		{"abandoned serial is closed and revoked", testAbandon},
		{"abandoned serial is listed, expires and is counted", testAbandonedLife},
		{"of completion and abandonment one wins", testAbandonRace},
		{"pending request is decided once", testPending},
		{"G4 nobody confirms a pending request of his own", testPendingPersons},
		{"of many decisions one wins", testPendingRace},
		{"statuses are of one moment", testStatuses},
		{"many writers leave no gap", testConcurrent},
		{"ended context writes nothing", testContext},
		{"closed store refuses", testClosed},
	} {
		t.Run(test.name, func(t *testing.T) { check(t, open(t), test.run) })
	}
}

// check runs a test and, unless that closed the store, the store's own check.
func check(t *testing.T, s Store, run func(*testing.T, Store)) {
	run(t, s)
	if err := s.Check(t.Context()); err != nil && !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
}

func year() time.Time { return time.Now().AddDate(1, 0, 0).Truncate(time.Second) }

// issue takes a new certificate through the store.
func issue(t testing.TB, s Store, i *Issuer, notAfter time.Time) (journal.Intent, journal.Entry) {
	t.Helper()
	intent, certificate := i.Certificate(t, notAfter, nil)
	if err := s.Reserve(t.Context(), intent); err != nil {
		t.Fatal(err)
	}
	entry, err := s.Complete(t.Context(), intent.Serial, certificate, nil)
	if err != nil {
		t.Fatal(err)
	}
	return intent, entry
}

func change(t testing.TB, s Store, e journal.Entry) (journal.Entry, journal.Status) {
	t.Helper()
	entry, status, err := s.Change(t.Context(), e, nil)
	if err != nil {
		t.Fatal(err)
	}
	return entry, status
}

func head(t testing.TB, s Store) uint64 {
	t.Helper()
	n, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func wantError(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got error %v, want %v", what, err, want)
	}
}

// Shared runs what two openings of one store must do for each other, as the
// servers of one host do. open returns an empty store, opened twice.
func Shared(t *testing.T, open func(testing.TB) (Store, Store)) {
	t.Run("writers of both leave no gap", func(t *testing.T) {
		a, b := open(t)
		hammer(t, a, b)
	})
	t.Run("waiting ends with the other's entry", func(t *testing.T) {
		a, b := open(t)
		done := make(chan error, 1)
		go func() { done <- a.Wait(t.Context(), 0) }()
		issue(t, b, NewIssuer(t, "ehm"), year())
		start := time.Now()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		// Promised are 200 ms; the rest is for a machine that is busy with other tests.
		if took := time.Since(start); took > 15*time.Second {
			t.Errorf("woken after %v", took)
		}
	})
	t.Run("change by one is the other's status at once", func(t *testing.T) {
		a, b := open(t)
		intent, _ := issue(t, a, NewIssuer(t, "ehm"), year())
		for _, e := range []journal.Entry{{Kind: journal.Held, Owner: journal.Court}, {Kind: journal.Released, Owner: journal.Court}} {
			e.Serial = intent.Serial
			_, want := change(t, a, e)
			if got, _, err := b.Status(t.Context(), "ehm", intent.Serial); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got status %+v, error %v, want %+v", got, err, want)
			}
			a, b = b, a
		}
	})
}
