package replica_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/replica"
)

// authority is a journal that grows, may be lost, and may be another than it was.
type authority struct {
	mu      sync.Mutex
	entries []journal.Entry
	fold    map[journal.Serial]journal.Status
	issuer  map[journal.Serial]string
	profile map[journal.Serial]string
	grown   chan struct{}
	lost    error
	asked   int
	// torn changes what is shown of a page.
	torn func(after uint64, page []journal.Entry) []journal.Entry
}

func newAuthority() *authority {
	return &authority{fold: map[journal.Serial]journal.Status{}, issuer: map[journal.Serial]string{}, profile: map[journal.Serial]string{}, grown: make(chan struct{})}
}

// add writes an entry, as far as the fold allows it.
func (a *authority) add(e journal.Entry) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	e.Position = uint64(len(a.entries) + 1)
	if e.EffectiveAt.IsZero() {
		e.EffectiveAt = time.Now().UTC().Truncate(time.Microsecond)
	}
	if e.Kind != journal.Listed {
		next, err := a.fold[e.Serial].Apply(e)
		if err != nil {
			return false
		}
		a.fold[e.Serial], a.issuer[e.Serial] = next, e.Issuer
		if e.Profile != "" {
			a.profile[e.Serial] = e.Profile
		}
	}
	a.entries = append(a.entries, e)
	a.wake()
	return true
}

func (a *authority) wake() {
	close(a.grown)
	a.grown = make(chan struct{})
}

// live lets n random entries happen.
func (a *authority) live(random *rand.Rand, n int) {
	kinds := []journal.Kind{journal.Issued, journal.Issued, journal.Held, journal.Held, journal.Released, journal.Revoked, journal.Expired, journal.Abandoned, journal.Listed}
	owners := []journal.Owner{journal.Holder, journal.Organisation, journal.Court, journal.Centre}
	for n > 0 {
		e := journal.Entry{Kind: kinds[random.IntN(len(kinds))], Actor: "ra"}
		number := 1 + random.IntN(len(a.entries)/2+10)
		e.Issuer = []string{"hom", "ehm"}[number%2]
		if e.Kind != journal.Listed {
			e.Serial = journal.Serial(fmt.Sprintf("%x", 0x1000+number))
		}
		if e.Kind == journal.Held || e.Kind == journal.Released || e.Kind == journal.Revoked {
			e.Owner = owners[random.IntN(len(owners))]
			e.ReceivedAt = time.Now().UTC().Add(-time.Minute).Truncate(time.Microsecond)
		}
		if e.Kind == journal.Issued {
			e.Profile = []string{"citizen-signature", "citizen-authentication", "tsa-signer"}[number%3]
		}
		if e.Kind == journal.Revoked {
			e.Reason = journal.KeyCompromise
		}
		if a.add(e) {
			n--
		}
	}
}

func (a *authority) Journal(ctx context.Context, after uint64, limit int, wait time.Duration) ([]journal.Entry, error) {
	deadline := time.After(wait)
	for {
		a.mu.Lock()
		a.asked++
		grown, lost, torn := a.grown, a.lost, a.torn
		var page []journal.Entry
		if after < uint64(len(a.entries)) {
			page = append(page, a.entries[after:min(len(a.entries), int(after)+limit)]...)
		}
		a.mu.Unlock()
		if lost != nil {
			return nil, lost
		}
		if torn != nil {
			return torn(after, page), nil
		}
		if len(page) > 0 || wait == 0 {
			return page, nil
		}
		select {
		case <-grown:
		case <-deadline:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

var errLost = errors.New("the authority is away")

func (a *authority) lose(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lost = err
	a.wake()
}

func (a *authority) tear(torn func(after uint64, page []journal.Entry) []journal.Entry) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.torn = torn
	a.wake()
}

func (a *authority) head() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return uint64(len(a.entries))
}

// begun makes a replica that follows from the first entry on.
func begun(t *testing.T) (r *replica.Replica, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "replica.db")
	r, err := replica.Create(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, path
}

// follow follows until the test's part that it returns the end of.
func follow(t *testing.T, r *replica.Replica, feed replica.Feed) (end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Follow(ctx, feed) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Follow returned %v", err)
		}
	}
}

// agree holds every status of the replica to the authority's.
func agree(t *testing.T, r *replica.Replica, a *authority) {
	t.Helper()
	listed := 0
	for _, issuer := range []string{"hom", "ehm"} {
		for after := journal.Serial(""); ; {
			page, err := r.Standings(t.Context(), issuer, after, 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range page {
				listed++
				after = s.Serial
				if want := a.fold[s.Serial]; a.issuer[s.Serial] != issuer || s.Profile != a.profile[s.Serial] || fmt.Sprint(s.Status) != fmt.Sprint(want) {
					t.Errorf("listed %+v, want %+v", s, want)
				}
			}
			if len(page) < 100 {
				break
			}
		}
	}
	if listed != len(a.fold) {
		t.Errorf("%d of %d are listed", listed, len(a.fold))
	}
	for serial, want := range a.fold {
		known, err := r.Status(t.Context(), a.issuer[serial], serial)
		if err != nil {
			t.Fatalf("%s: %v", serial, err)
		}
		if got := fmt.Sprintf("%+v", known.Status); got != fmt.Sprintf("%+v", want) {
			t.Errorf("%s: got %v, want %+v", serial, got, want)
		}
		if known.Profile != a.profile[serial] {
			t.Errorf("%s: got profile %q, want %q", serial, known.Profile, a.profile[serial])
		}
		if known.Position != a.head() {
			t.Fatalf("%s: position %d, want %d", serial, known.Position, a.head())
		}
	}
}

// key signs snapshots for tests.
type key struct {
	name    string
	private ed25519.PrivateKey
}

func newKey(name string, seed byte) key {
	s := make([]byte, ed25519.SeedSize)
	s[0] = seed
	return key{name, ed25519.NewKeyFromSeed(s)}
}

func (k key) Name() string                     { return k.name }
func (k key) Sign(text []byte) ([]byte, error) { return ed25519.Sign(k.private, text), nil }
func (k key) Verify(text, signature []byte) bool {
	return len(signature) == ed25519.SignatureSize && ed25519.Verify(k.private.Public().(ed25519.PublicKey), text, signature)
}
