package audit_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/internal/audit"
	"github.com/altamga/altamga/internal/journal"
)

// ledger is a register in memory, as far as the audit log sees one.
type ledger struct {
	mu       sync.Mutex
	entries  []journal.Entry
	records  map[journal.Serial]journal.Record
	tickets  map[uint64]journal.Ticket
	position map[string]uint64
	changed  chan struct{}
	broken   error
}

func newLedger() *ledger {
	return &ledger{records: map[journal.Serial]journal.Record{}, tickets: map[uint64]journal.Ticket{}, position: map[string]uint64{}, changed: make(chan struct{})}
}

func (l *ledger) Entries(_ context.Context, after uint64, limit int) ([]journal.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := l.entries[min(after, uint64(len(l.entries))):]
	if limit <= 0 {
		limit = 10
	}
	return slices.Clone(rest[:min(limit, len(rest))]), l.broken
}

func (l *ledger) Record(_ context.Context, serial journal.Serial) (journal.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.records[serial]
	if !ok {
		return r, fs.ErrNotExist
	}
	return r, nil
}

func (l *ledger) Tickets(_ context.Context, after, last uint64) (map[uint64]journal.Ticket, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	tickets := map[uint64]journal.Ticket{}
	for position, t := range l.tickets {
		if position > after && position <= last {
			tickets[position] = t
		}
	}
	return tickets, l.broken
}

func (l *ledger) Unfinished(context.Context) ([]journal.Intent, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var intents []journal.Intent
	for _, r := range l.records {
		if r.Certificate == nil {
			intents = append(intents, r.Intent)
		}
	}
	return intents, l.broken
}

func (l *ledger) Wait(ctx context.Context, after uint64) error {
	for {
		l.mu.Lock()
		head, changed := uint64(len(l.entries)), l.changed
		l.mu.Unlock()
		if head > after {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *ledger) Position(_ context.Context, follower string) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.position[follower], l.broken
}

func (l *ledger) SetPosition(_ context.Context, follower string, position uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.position[follower] = max(l.position[follower], position)
	return l.broken
}

// add writes an entry as a register does: an Issued one with its certificate.
func (l *ledger) add(kind journal.Kind, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := time.UnixMicro(1_800_000_000_000_000 + int64(len(l.entries))).UTC()
	e := journal.Entry{Position: uint64(len(l.entries)) + 1, Kind: kind, Issuer: "ehm", EffectiveAt: at, Actor: "ra"}
	if kind != journal.Listed {
		e.Serial = journal.Serial(fmt.Sprintf("%x", 0xabc000+n))
	}
	switch kind {
	case journal.Issued:
		l.records[e.Serial] = journal.Record{
			Intent: journal.Intent{
				Serial: e.Serial, Issuer: "ehm", Profile: "citizen-signature", Set: "pair", KeyHash: [32]byte{1, 2, 3, byte(n)},
				NotAfter: at.AddDate(3, 0, 0), Actor: "ra", At: at.Add(-time.Second),
			},
			Certificate: fmt.Appendf(nil, "certificate %d", n),
		}
	case journal.Revoked:
		e.Reason, e.InvalidityDate, e.ReceivedAt = journal.KeyCompromise, at.Add(-time.Hour), at.Add(-time.Minute)
	case journal.Held:
		e.Owner = journal.Court
	}
	l.entries = append(l.entries, e)
	close(l.changed)
	l.changed = make(chan struct{})
}

// sealed returns what a log says of the journal.
func sealed(t testing.TB, contents []byte) *audit.Seals {
	t.Helper()
	seals := new(audit.Seals)
	if _, err := (audit.Check{Key: signer(), Entry: seals.Add}).Verify(bytes.NewReader(contents)); err != nil {
		t.Fatal(err)
	}
	return seals
}

// reserve writes an intent as a register does.
func (l *ledger) reserve(serial journal.Serial) journal.Intent {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := time.UnixMicro(1_800_000_000_000_000).UTC()
	intent := journal.Intent{
		Serial: serial, Issuer: "ehm", Profile: "citizen-signature", Set: "pair", KeyHash: [32]byte{4, 5, 6},
		NotAfter: at.AddDate(3, 0, 0), ToBeSigned: []byte("to be signed"), Actor: "ra", At: at,
	}
	l.records[serial] = journal.Record{Intent: intent}
	return intent
}

// followed returns a ledger of every kind of entry and the log that followed it.
func followed(t testing.TB) (*ledger, string) {
	t.Helper()
	j, path := newLedger(), name(t)
	for n, kind := range []journal.Kind{journal.Issued, journal.Listed, journal.Issued, journal.Held, journal.Revoked} {
		j.add(kind, n&^1)
	}
	j.tickets[3] = journal.Ticket{Actor: "ra", Key: "one", Request: [32]byte{7}}
	// Two that have no certificate: of one the follower knows, of the other the
	// authority has said that it is about to be signed.
	l := open(t, path)
	j.reserve("1a")
	if err := (&audit.Follower{Log: l, Journal: j}).CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	hash := j.reserve("1b").Hash()
	if err := l.Append(t.Context(), "ca.issue", slog.String("serial", "1b"), slog.String("intent", hex.EncodeToString(hash[:]))); err != nil {
		t.Fatal(err)
	}
	l.Close()
	return j, path
}

func TestFollower(t *testing.T) {
	t.Run("catches up, and goes on where it was", func(t *testing.T) {
		j, path := followed(t)
		for range 1200 {
			j.add(journal.Listed, 0)
		}
		l := open(t, path)
		f := &audit.Follower{Log: l, Journal: j}
		for range 2 {
			if err := f.CatchUp(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n, _ := l.Head(); n != 3+1+3 {
			t.Errorf("%d entries of the log, want 7", n)
		}
		l.Close()
		seals := sealed(t, read(t, path))
		if further, err := seals.Hold(t.Context(), j); seals.Entries() != 1205 || further != (audit.Further{}) || err != nil {
			t.Errorf("%d entries, %+v further, %v", seals.Entries(), further, err)
		}
		j.add(journal.Listed, 0)
		oldest := j.entries[len(j.entries)-1].EffectiveAt
		j.add(journal.Listed, 0)
		if further, err := seals.Hold(t.Context(), j); further.Entries != 2 || !further.Since.Equal(oldest) || err != nil {
			t.Errorf("%+v further, %v, want 2 since %v", further, err, oldest)
		}
	})
	t.Run("an entry that is hashed twice after a crash", func(t *testing.T) {
		j, path := followed(t)
		clear(j.position)
		j.add(journal.Listed, 0)
		l := open(t, path)
		if err := (&audit.Follower{Log: l, Journal: j}).CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.Close()
		if _, err := sealed(t, read(t, path)).Hold(t.Context(), j); err != nil {
			t.Error(err)
		}
		t.Run("G5 what was reserved must be the same at each start", func(t *testing.T) {
			log := read(t, path)
			defer os.WriteFile(path, log, 0o600)
			r := j.records["1a"]
			defer func() { j.records["1a"] = r }()
			altered := r
			altered.ToBeSigned = []byte("another name")
			j.records["1a"] = altered
			l := open(t, path)
			if err := (&audit.Follower{Log: l, Journal: j}).CatchUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			l.Close()
			_, err := audit.Check{Key: signer(), Entry: new(audit.Seals).Add}.Verify(bytes.NewReader(read(t, path)))
			if err == nil || !strings.Contains(err.Error(), "reserved under serial 1a was altered") {
				t.Errorf("error %v", err)
			}
		})
		t.Run("G5 must be the same both times", func(t *testing.T) {
			clear(j.position)
			j.entries[3].Actor = "somebody"
			l := open(t, path)
			if err := (&audit.Follower{Log: l, Journal: j}).CatchUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			l.Close()
			_, err := audit.Check{Key: signer(), Entry: new(audit.Seals).Add}.Verify(bytes.NewReader(read(t, path)))
			if err == nil || !strings.Contains(err.Error(), "entry 4 was altered") {
				t.Errorf("error %v", err)
			}
		})
	})
	t.Run("G5 entries that a raised position left out", func(t *testing.T) {
		j, path := followed(t)
		j.add(journal.Listed, 0)
		j.position["audit log log.example/audit"]++
		j.add(journal.Listed, 0)
		l := open(t, path)
		if err := (&audit.Follower{Log: l, Journal: j}).CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.Close()
		_, err := audit.Check{Key: signer(), Entry: new(audit.Seals).Add}.Verify(bytes.NewReader(read(t, path)))
		if err == nil || !strings.Contains(err.Error(), "entries 6 to 6 are left out") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("follows until it is stopped, and over failures of the store", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			j, path := newLedger(), name(t)
			l := open(t, path)
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			f := &audit.Follower{Log: l, Journal: j}
			go func() { done <- f.Run(ctx) }()
			known := func(want uint64) {
				t.Helper()
				time.Sleep(3 * time.Second)
				if got := sealed(t, read(t, path)).Entries(); got != want {
					t.Errorf("%d entries are hashed, want %d", got, want)
				}
			}
			j.add(journal.Issued, 0)
			known(1)
			j.mu.Lock()
			j.broken = errors.New("the database is away")
			j.mu.Unlock()
			j.add(journal.Revoked, 0)
			known(1)
			if f.Ready(ctx) == nil {
				t.Error("the follower says that it is ready")
			}
			j.mu.Lock()
			j.broken = nil
			j.mu.Unlock()
			known(2)
			if err := f.Ready(ctx); err != nil {
				t.Error(err)
			}
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	})
}

// TestHold alters every octet of every field of a journal and its certificates.
func TestHold(t *testing.T) {
	j, path := followed(t)
	seals := sealed(t, read(t, path))
	if further, err := seals.Hold(t.Context(), j); further.Entries != 0 || err != nil {
		t.Fatalf("%+v further, %v", further, err)
	}
	expect := func(what string) {
		t.Helper()
		if _, err := seals.Hold(t.Context(), j); err == nil {
			t.Errorf("%s was not found", what)
		}
	}
	for i := range j.entries {
		eachOctet(reflect.ValueOf(&j.entries[i]).Elem(), func(field string, set, reset func()) {
			set()
			expect(fmt.Sprintf("G5 entry %d, %s", i+1, field))
			reset()
		})
	}
	for serial, record := range j.records {
		original := record
		eachOctet(reflect.ValueOf(&record).Elem(), func(field string, set, reset func()) {
			set()
			j.records[serial] = record
			expect(fmt.Sprintf("G5 certificate %s, %s", serial, field))
			reset()
			j.records[serial] = original
		})
	}
	for position, ticket := range j.tickets {
		original := ticket
		eachOctet(reflect.ValueOf(&ticket).Elem(), func(field string, set, reset func()) {
			set()
			j.tickets[position] = ticket
			expect(fmt.Sprintf("G5 ticket of entry %d, %s", position, field))
			reset()
			j.tickets[position] = original
		})
	}
	t.Run("G5 a ticket that was added, moved or removed", func(t *testing.T) {
		ticket := j.tickets[3]
		j.tickets[5] = ticket
		expect("a ticket for another entry")
		delete(j.tickets, 3)
		expect("a ticket that was moved")
		delete(j.tickets, 5)
		expect("a ticket that was removed")
		j.tickets[3] = ticket
	})
	t.Run("G5 a removed entry, the last entry, a removed certificate", func(t *testing.T) {
		whole := slices.Clone(j.entries)
		for i := range whole {
			j.entries = slices.Delete(slices.Clone(whole), i, i+1)
			expect(fmt.Sprintf("removing entry %d", i+1))
		}
		j.entries = whole
		for serial, record := range j.records {
			delete(j.records, serial)
			expect("removing certificate " + string(serial))
			j.records[serial] = record
		}
	})
	if _, err := seals.Hold(t.Context(), j); err != nil {
		t.Fatalf("the test left something altered: %v", err)
	}
}

// eachOctet calls do for every octet of every field of a struct, with what
// alters it and what puts it right again.
func eachOctet(v reflect.Value, do func(field string, set, reset func())) {
	for i := range v.NumField() {
		field, name := v.Field(i), v.Type().Field(i).Name
		switch {
		case v.Type().Field(i).Anonymous:
			eachOctet(field, do)
			continue
		case name == "Status":
			// It is the fold of the entries.
			continue
		}
		old := reflect.New(field.Type()).Elem()
		old.Set(field)
		reset := func() { field.Set(old) }
		switch x := field.Interface().(type) {
		case time.Time:
			do(name, func() { field.Set(reflect.ValueOf(x.Add(time.Microsecond))) }, reset)
			continue
		case []byte:
			for k := range x {
				altered := bytes.Clone(x)
				altered[k] ^= 1
				do(fmt.Sprintf("%s[%d]", name, k), func() { field.SetBytes(altered) }, reset)
			}
			continue
		}
		switch field.Kind() {
		case reflect.String:
			s := field.String()
			for k := range s {
				altered := []byte(s)
				altered[k] ^= 1
				do(fmt.Sprintf("%s[%d]", name, k), func() { field.SetString(string(altered)) }, reset)
			}
			do(name, func() { field.SetString(s + "x") }, reset)
		case reflect.Int:
			do(name, func() { field.SetInt(field.Int() ^ 1) }, reset)
		case reflect.Uint64:
			do(name, func() { field.SetUint(field.Uint() ^ 1) }, reset)
		case reflect.Array:
			for k := range field.Len() {
				do(fmt.Sprintf("%s[%d]", name, k), func() { field.Index(k).SetUint(field.Index(k).Uint() ^ 1) }, reset)
			}
		default:
			panic("unknown kind of field " + name)
		}
	}
}
