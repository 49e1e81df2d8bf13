package registertest

import (
	"bytes"
	"crypto/x509"
	"errors"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

func testEmpty(t *testing.T, s Store) {
	ctx := t.Context()
	if got := head(t, s); got != 0 {
		t.Errorf("got head %d, want 0", got)
	}
	if got, err := s.Entries(ctx, 0, 10); err != nil || len(got) != 0 {
		t.Errorf("got entries %v, error %v", got, err)
	}
	if got, err := s.Unfinished(ctx); err != nil || len(got) != 0 {
		t.Errorf("got unfinished %v, error %v", got, err)
	}
	if got, err := s.RecordsByKey(ctx, [32]byte{1}); err != nil || len(got) != 0 {
		t.Errorf("got records %v, error %v", got, err)
	}
	if status, n, err := s.Status(ctx, "ehm", "abc"); err != nil || n != 0 || status.State != journal.NonIssued {
		t.Errorf("got status %v at %d, error %v", status, n, err)
	}
	_, err := s.Record(ctx, "abc")
	wantError(t, "record", err, fs.ErrNotExist)
	_, err = s.History(ctx, "abc")
	wantError(t, "history", err, fs.ErrNotExist)
	_, _, err = s.Redeemed(ctx, "a", "k")
	wantError(t, "ticket", err, fs.ErrNotExist)
	for _, malformed := range []journal.Serial{"", "0abc", "ABC", "xyz", "0"} {
		if _, err := s.Record(ctx, malformed); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("record of malformed serial %q: got error %v", malformed, err)
		}
		if _, _, err := s.Status(ctx, "ehm", malformed); err == nil {
			t.Errorf("status of malformed serial %q: no error", malformed)
		}
	}
}

func testReserve(t *testing.T, s Store) {
	ctx := t.Context()
	intent, _ := NewIssuer(t, "ehm").Certificate(t, year(), nil)
	if err := s.Reserve(ctx, intent); err != nil {
		t.Fatal(err)
	}
	other := intent
	other.Issuer = "hom"
	wantError(t, "second reservation", s.Reserve(ctx, other), fs.ErrExist)

	record, err := s.Record(ctx, intent.Serial)
	if err != nil {
		t.Fatal(err)
	}
	want := intent
	want.At = record.At
	if !reflect.DeepEqual(record, journal.Record{Intent: want}) {
		t.Errorf("got record %+v, want intent %+v", record, want)
	}
	if d := record.At.Sub(intent.At).Abs(); d > time.Microsecond {
		t.Errorf("got reserved at %v, want %v", record.At, intent.At)
	}
	if got, err := s.Unfinished(ctx); err != nil || !reflect.DeepEqual(got, []journal.Intent{want}) {
		t.Errorf("got unfinished %v, error %v, want %v", got, err, want)
	}
	if status, _, err := s.Status(ctx, "ehm", intent.Serial); err != nil || status.State != journal.NonIssued {
		t.Errorf("got status %v, error %v, want not issued", status, err)
	}
	if got, err := s.History(ctx, intent.Serial); err != nil || len(got) != 0 {
		t.Errorf("got history %v, error %v, want none", got, err)
	}
	if got := head(t, s); got != 0 {
		t.Errorf("reservation left entry %d", got)
	}
	for what, spoil := range map[string]func(*journal.Intent){
		"serial":       func(i *journal.Intent) { i.Serial = "00" },
		"issuer":       func(i *journal.Intent) { i.Issuer = "" },
		"profile":      func(i *journal.Intent) { i.Profile = "" },
		"to be signed": func(i *journal.Intent) { i.ToBeSigned = nil },
		"not after":    func(i *journal.Intent) { i.NotAfter = time.Time{} },
	} {
		bad, _ := NewIssuer(t, "ehm").Certificate(t, year(), nil)
		spoil(&bad)
		if err := s.Reserve(ctx, bad); err == nil {
			t.Errorf("intent without %s was reserved", what)
		}
	}
}

// testSerials takes serials of all lengths through the store.
func testSerials(t *testing.T, s Store) {
	issuer := NewIssuer(t, "ehm")
	for _, serial := range []journal.Serial{
		"1", "f", "10", "ff", "100", "fff", "7fffffffffffffff", "8000000000000000", "7fffffffffffffffffffffffffffffffffffffff",
	} {
		intent, certificate := issuer.Certificate(t, year(), func(c *x509.Certificate) { c.SerialNumber = serial.Int() })
		if err := s.Reserve(t.Context(), intent); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Complete(t.Context(), serial, certificate, nil); err != nil {
			t.Fatal(err)
		}
		record, err := s.Record(t.Context(), serial)
		if err != nil || record.Serial != serial || record.Status.State != journal.Valid {
			t.Errorf("serial %s: got record of %s, error %v", serial, record.Serial, err)
		}
		entries, err := s.History(t.Context(), serial)
		if err != nil || len(entries) != 1 || entries[0].Serial != serial {
			t.Errorf("serial %s: got history %+v, error %v", serial, entries, err)
		}
	}
}

func testComplete(t *testing.T, s Store) {
	ctx := t.Context()
	intent, certificate := NewIssuer(t, "ehm").Certificate(t, year(), nil)
	if err := s.Reserve(ctx, intent); err != nil {
		t.Fatal(err)
	}
	before := time.Now().Truncate(time.Microsecond)
	entry, err := s.Complete(ctx, intent.Serial, certificate, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := journal.Entry{Position: 1, Kind: journal.Issued, Issuer: "ehm", Serial: intent.Serial, Profile: intent.Profile, EffectiveAt: entry.EffectiveAt, Actor: "ra.test"}
	if entry != want {
		t.Errorf("got entry %+v, want %+v", entry, want)
	}
	if entry.EffectiveAt.Before(before) || entry.EffectiveAt.After(time.Now()) {
		t.Errorf("got effective at %v, want now", entry.EffectiveAt)
	}
	record, err := s.Record(ctx, intent.Serial)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(record.Certificate, certificate) || !bytes.Equal(record.ToBeSigned, intent.ToBeSigned) {
		t.Error("the record's certificate or to-be-signed part is not what was stored")
	}
	wantStatus := journal.Status{State: journal.Valid, Version: 1}
	if !reflect.DeepEqual(record.Status, wantStatus) {
		t.Errorf("got status %+v, want %+v", record.Status, wantStatus)
	}
	if status, n, err := s.Status(ctx, "ehm", intent.Serial); err != nil || n != 1 || !reflect.DeepEqual(status, wantStatus) {
		t.Errorf("got status %+v at %d, error %v", status, n, err)
	}
	if status, n, err := s.Status(ctx, "hom", intent.Serial); err != nil || n != 1 || status.State != journal.NonIssued {
		t.Errorf("as of another issuer: got status %+v at %d, error %v, want not issued", status, n, err)
	}
	if got, err := s.History(ctx, intent.Serial); err != nil || !slices.Equal(got, []journal.Entry{entry}) {
		t.Errorf("got history %v, error %v", got, err)
	}
	if got, err := s.Unfinished(ctx); err != nil || len(got) != 0 {
		t.Errorf("got unfinished %v, error %v", got, err)
	}
	_, err = s.Complete(ctx, intent.Serial, certificate, nil)
	wantError(t, "second completion", err, fs.ErrExist)
	wantError(t, "reservation of an issued serial", s.Reserve(ctx, intent), fs.ErrExist)
	if got := head(t, s); got != 1 {
		t.Errorf("got head %d, want 1", got)
	}
}

func testCompleteRefused(t *testing.T, s Store) {
	ctx := t.Context()
	issuer := NewIssuer(t, "ehm")
	intent, certificate := issuer.Certificate(t, year(), nil)
	_, err := s.Complete(ctx, intent.Serial, certificate, nil)
	wantError(t, "completion of an unknown serial", err, fs.ErrNotExist)
	if err := s.Reserve(ctx, intent); err != nil {
		t.Fatal(err)
	}
	// Same serial, other contents.
	_, forged := issuer.Certificate(t, year(), func(c *x509.Certificate) {
		c.SerialNumber = intent.Serial.Int()
		c.Subject.CommonName = "Başqa Şəxs"
	})
	for what, certificate := range map[string][]byte{
		"other contents": forged,
		"trailing octet": append(slices.Clone(certificate), 0),
		"cut short":      certificate[:len(certificate)-1],
		"to be signed":   intent.ToBeSigned,
		"nothing":        nil,
	} {
		if _, err := s.Complete(ctx, intent.Serial, certificate, &journal.Ticket{Actor: "a", Key: what}); err == nil ||
			errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got error %v, want a refusal of the certificate", what, err)
		}
		_, _, err := s.Redeemed(ctx, "a", what)
		wantError(t, what+": ticket of a refused completion", err, fs.ErrNotExist)
	}
	if _, err := s.Complete(ctx, intent.Serial, certificate, nil); err != nil {
		t.Error(err)
	}
}

func testRecordsByKey(t *testing.T, s Store) {
	a, b := NewIssuer(t, "ehm"), NewIssuer(t, "hom")
	first, _ := issue(t, s, a, year())
	second, _ := issue(t, s, a, year())
	issue(t, s, b, year())
	change(t, s, journal.Entry{Kind: journal.Revoked, Serial: second.Serial, Reason: journal.KeyCompromise})
	records, err := s.RecordsByKey(t.Context(), first.KeyHash)
	if err != nil || len(records) != 2 {
		t.Fatalf("got %d records, error %v, want 2", len(records), err)
	}
	if records[0].Serial != first.Serial || records[1].Serial != second.Serial {
		t.Error("the records are not in the order of their reservation")
	}
	if records[0].Status.State != journal.Valid || records[1].Status.State != journal.Gone {
		t.Errorf("got states %s and %s", records[0].Status.State, records[1].Status.State)
	}
}

func testRecordsBetween(t *testing.T, s Store) {
	issuer := NewIssuer(t, "ehm")
	var serials []journal.Serial
	for range 4 {
		intent, _ := issue(t, s, issuer, year())
		serials = append(serials, intent.Serial)
	}
	change(t, s, journal.Entry{Kind: journal.Revoked, Serial: serials[1], Reason: journal.KeyCompromise})
	for _, row := range []struct {
		after, last uint64
		want        []journal.Serial
	}{
		{0, 4, serials}, {1, 3, serials[1:3]}, {2, 5, []journal.Serial{serials[1], serials[2], serials[3]}},
		{4, 5, serials[1:2]}, {3, 3, nil}, {5, 1 << 63, nil}, {1<<64 - 1, 1<<64 - 1, nil},
	} {
		records, err := s.RecordsBetween(t.Context(), row.after, row.last)
		var got []journal.Serial
		for _, record := range records {
			got = append(got, record.Serial)
		}
		if err != nil || !slices.Equal(got, row.want) {
			t.Errorf("after %d up to %d: got %v, error %v, want %v", row.after, row.last, got, err, row.want)
		}
	}
}

// testTexts has writers bring texts that one database or the other cannot
// store, in one batch with writers whose texts are sound.
func testTexts(t *testing.T, s Store) {
	ctx := t.Context()
	issuer := NewIssuer(t, "ehm")
	held, _ := issue(t, s, issuer, year())
	var group sync.WaitGroup
	for _, text := range []string{"null \x00 octet", "half a \xc3", "\xff\xfe", strings.Repeat("x", 5000)} {
		bad, _ := issuer.Certificate(t, year(), nil)
		bad.Actor = text
		good, certificate := issuer.Certificate(t, year(), nil)
		good.Actor, good.Set = "Şəxs \u200f'; --", strings.Repeat("ü", 512)
		group.Go(func() {
			if err := s.Reserve(ctx, bad); err == nil {
				t.Errorf("actor %.20q was reserved for", text)
			}
		})
		group.Go(func() {
			if err := s.Reserve(ctx, good); err != nil {
				t.Error(err)
			}
			if _, err := s.Complete(ctx, good.Serial, certificate, &journal.Ticket{Actor: "a", Key: text}); err == nil {
				t.Errorf("ticket %.20q was taken", text)
			}
			if _, err := s.Complete(ctx, good.Serial, certificate, &journal.Ticket{Actor: "a", Key: "k " + string(good.Serial)}); err != nil {
				t.Error(err)
			}
			if record, err := s.Record(ctx, good.Serial); err != nil || record.Actor != good.Actor || record.Set != good.Set {
				t.Errorf("got actor %q and set %q, error %v", record.Actor, record.Set, err)
			}
		})
		group.Go(func() {
			if _, _, err := s.Change(ctx, journal.Entry{Kind: journal.Held, Serial: held.Serial, Owner: journal.Court, Actor: text}, nil); err == nil {
				t.Errorf("actor %.20q held", text)
			}
		})
		group.Go(func() {
			if err := s.SetPosition(ctx, text, 1); err == nil {
				t.Errorf("follower %.20q was remembered", text)
			}
		})
	}
	group.Wait()
}
