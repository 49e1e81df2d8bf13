package crl_test

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/altamga/altamga/crl"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/pki"
	store "github.com/altamga/altamga/internal/register"
)

// realCentre is a centre on the real register.
func realCentre(t testing.TB) (*centre, *store.Register) {
	t.Helper()
	address := filepath.Join(t.TempDir(), "register.db")
	db, err := store.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	c := newCentre(t, p256(t))
	c.Source, c.Journal = stored{db, address}, stored{db, address}
	return c, db
}

// issueInto puts a certificate into the register.
func (c *centre) issueInto(t testing.TB, db *store.Register, serial int64, notAfter time.Time) journal.Serial {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "Nümunə"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: notAfter,
	}
	leaf := certificate(t, template, c.ca, c.key.Public(), c.key)
	id := journal.SerialOf(leaf.SerialNumber)
	err := db.Reserve(t.Context(), journal.Intent{
		Serial: id, Issuer: "ehm", Profile: "citizen-signature", KeyHash: sha256.Sum256(leaf.RawSubjectPublicKeyInfo),
		NotAfter: leaf.NotAfter, ToBeSigned: leaf.RawTBSCertificate, Actor: "test", At: time.Now(),
	})
	if err == nil {
		_, err = db.Complete(t.Context(), id, leaf.Raw, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// journalAt folds the journal up to a position: what any list of that number
// must say.
func journalAt(t testing.TB, entries []journal.Entry, position uint64, shard, shards int) map[string]int {
	t.Helper()
	status := make(map[journal.Serial]journal.Status)
	for _, e := range entries {
		if e.Position > position {
			break
		}
		if e.Serial == "" || pki.ShardOf(e.Serial.Int(), shards) != shard {
			continue
		}
		next, err := status[e.Serial].Apply(e)
		if err != nil {
			t.Fatal(err)
		}
		status[e.Serial] = next
	}
	list := make(map[string]int)
	for serial, s := range status {
		if s.State == journal.OnHold || s.State == journal.Gone {
			list[serial.Int().String()] = int(s.Reason)
		}
	}
	return list
}

// TestRace holds, releases and revokes while lists of all kinds are published,
// and holds every list that was ever published to the journal at its number.
func TestRace(t *testing.T) {
	c, db := realCentre(t)
	c.withDelta().Issuers[0].Partitions = []crl.Partition{{Shards: 2, Place: crl.Place{
		Path: "part-{shard}.crl", URL: "http://127.0.0.1:1/part-{shard}.crl", DeltaPath: "part-{shard}-delta.crl", DeltaURL: "http://127.0.0.1:1/part-{shard}-delta.crl",
	}}}
	c.Archive, c.Delay, c.DeltaDelay, c.Recheck = t.TempDir(), 40*time.Millisecond, 3*time.Millisecond, 100*time.Millisecond
	var serials []journal.Serial
	for i := range int64(24) {
		serials = append(serials, c.issueInto(t, db, 0x5000+i, time.Now().Add(time.Hour)))
	}
	p := c.publisher(t)
	stop := run(t, p)
	var writers sync.WaitGroup
	var enough atomic.Bool
	for w := range 3 {
		writers.Go(func() {
			for i := 0; !enough.Load(); i++ {
				e := journal.Entry{Kind: journal.Held, Owner: journal.Court, Serial: serials[rand.IntN(len(serials))]}
				switch {
				case rand.IntN(2) == 0:
					e.Kind = journal.Released
				case i%60 == 59:
					e = journal.Entry{Kind: journal.Revoked, Serial: e.Serial, Reason: journal.KeyCompromise}
				}
				// Many of these are refused, which is not the point here.
				_, _, err := db.Change(t.Context(), e, nil)
				if _, illegal := errors.AsType[*journal.TransitionError](err); err != nil && !illegal {
					t.Error(err)
				}
				time.Sleep(time.Duration(w) * time.Millisecond)
			}
		})
	}
	// A machine that is busy with other tests takes longer for as many lists.
	for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(20 * time.Millisecond) {
		if kept, _ := filepath.Glob(filepath.Join(c.Archive, "*.crl")); len(kept) >= 90 {
			break
		}
	}
	enough.Store(true)
	writers.Wait()
	stop()
	if err := p.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	entries, err := db.Entries(t.Context(), 0, 0)
	for err == nil && len(entries)%10000 == 0 && len(entries) > 0 {
		var more []journal.Entry
		if more, err = db.Entries(t.Context(), entries[len(entries)-1].Position, 0); len(more) == 0 {
			break
		}
		entries = append(entries, more...)
	}
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(c.Archive, "*.crl"))
	if err != nil {
		t.Fatal(err)
	}
	complete, deltas := make(map[string]map[uint64]map[string]int), 0
	check := func(t *testing.T, delta bool) (lists int) {
		for _, name := range names {
			if strings.Contains(name, "delta") != delta {
				continue
			}
			lists++
			kind := strings.SplitN(filepath.Base(name), ".", 2)[0]
			shard, shards := 0, 1
			if n, _ := fmt.Sscanf(kind, "part-%d", &shard); n == 1 {
				shards = 2
			}
			got, r := readArchived(t, name, c.ca)
			number := r.CRLNumber.Uint64()
			want := journalAt(t, entries, number, shard, shards)
			if delta {
				base := complete[strings.TrimSuffix(kind, "-delta")]
				// With its base, and with every complete list since, it is the list of
				// its number.
				for n, list := range base {
					if n < r.Base.Uint64() || n > number {
						continue
					}
					folded := maps.Clone(list)
					for serial, reason := range got {
						if folded[serial] = reason; reason == crl.Removed {
							delete(folded, serial)
						}
					}
					if !maps.Equal(folded, want) {
						t.Fatalf("%s with list %d: got %v, want %v", filepath.Base(name), n, folded, want)
					}
					deltas++
				}
				continue
			}
			if !maps.Equal(got, want) {
				t.Fatalf("%s: got %v, want %v", filepath.Base(name), got, want)
			}
			if complete[kind] == nil {
				complete[kind] = make(map[uint64]map[string]int)
			}
			complete[kind][number] = got
		}
		return lists
	}
	t.Run("CRL-19 every list is the journal at its number", func(t *testing.T) {
		if n := check(t, false); n < 10 {
			t.Errorf("%d complete lists were published", n)
		}
	})
	t.Run("CRL-25 every delta list makes of its base and of each list since the journal at its number", func(t *testing.T) {
		if n := check(t, true); n < 10 || deltas < 20 {
			t.Errorf("%d delta lists were published, %d pairs", n, deltas)
		}
	})
	t.Logf("%d lists, %d pairs, %d entries of the journal", len(names), deltas, len(entries))
}

func readArchived(t *testing.T, name string, ca *x509.Certificate) (map[string]int, *crl.Reader) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := crl.NewReader(f)
	list := make(map[string]int)
	for err == nil {
		var e crl.Entry
		if e, err = r.Next(); err == nil {
			list[e.Number().String()] = e.Reason
		}
	}
	if err == io.EOF {
		err = r.Verify(ca)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return list, r
}
