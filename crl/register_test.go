package crl_test

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"testing"
	"time"

	"github.com/altamga/altamga/crl"
	"github.com/altamga/altamga/internal/journal"
	store "github.com/altamga/altamga/internal/register"
)

// stored is the real register as a source of lists and a journal.
type stored struct {
	*store.Register
	address string
}

func (s stored) Number(ctx context.Context, issuer string) (crl.Numbered, error) {
	n, err := s.Register.Number(ctx, issuer)
	return crl.Numbered(n), err
}

func (s stored) Each(ctx context.Context, issuer string, at crl.Point, do func(crl.Entry) error) error {
	return s.EachListed(ctx, issuer, store.Point(at), func(l store.Listed) error {
		return do(crl.Entry{Serial: l.Serial, Since: l.Since, Reason: l.Reason, InvalidityDate: l.InvalidityDate})
	})
}

func (s stored) Changes(ctx context.Context, issuer string, from, to crl.Point, limit int) ([]crl.Entry, error) {
	listed, err := s.Register.Changes(ctx, issuer, store.Point(from), store.Point(to), limit)
	switch {
	case errors.Is(err, store.ErrTooMany):
		err = crl.ErrTooMany
	case errors.Is(err, store.ErrContradiction):
		err = fmt.Errorf("%w: %w", crl.ErrContradiction, err)
	}
	var entries []crl.Entry
	for _, l := range listed {
		entries = append(entries, crl.Entry{Serial: l.Serial, Since: l.Since, Reason: l.Reason, InvalidityDate: l.InvalidityDate})
	}
	return entries, err
}

func (s stored) Told(ctx context.Context, issuer string, serial []byte, at crl.Point) (crl.Entry, error) {
	l, err := s.Register.Told(ctx, issuer, serial, store.Point(at))
	return crl.Entry{Serial: l.Serial, Since: l.Since, Reason: l.Reason, InvalidityDate: l.InvalidityDate}, err
}

func (s stored) Entries(ctx context.Context, after uint64, limit int) ([]crl.Change, error) {
	entries, err := s.Register.Entries(ctx, after, limit)
	var changes []crl.Change
	for _, e := range entries {
		status := e.Kind == journal.Held || e.Kind == journal.Released || e.Kind == journal.Revoked
		changes = append(changes, crl.Change{Position: e.Position, Issuer: e.Issuer, Status: status})
	}
	return changes, err
}

// TestRegister runs the publisher on the real register.
func TestRegister(t *testing.T) {
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "register.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c := newCentre(t, p256(t))
	c.Source, c.Journal, c.Delay = stored{Register: db}, stored{Register: db}, time.Millisecond
	p := c.publisher(t)
	defer run(t, p)()

	// issue puts a certificate into the register.
	issue := func(serial int64, notAfter time.Time) journal.Serial {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "Nümunə"},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: notAfter,
		}
		leaf := certificate(t, template, c.ca, c.key.Public(), c.key)
		id := journal.SerialOf(leaf.SerialNumber)
		err := db.Reserve(t.Context(), journal.Intent{
			Serial: id, Issuer: "ehm", Profile: "citizen-signature", KeyHash: sha256.Sum256(leaf.RawSubjectPublicKeyInfo),
			NotAfter: leaf.NotAfter, ToBeSigned: leaf.RawTBSCertificate, Actor: "test", At: time.Now(),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Complete(t.Context(), id, leaf.Raw, nil); err != nil {
			t.Fatal(err)
		}
		return id
	}
	change := func(e journal.Entry) {
		if _, _, err := db.Change(t.Context(), e, nil); err != nil {
			t.Fatal(err)
		}
	}
	// waitFor waits for a published list with as many entries.
	waitFor := func(entries int) crl.List {
		t.Helper()
		for range 1000 {
			if list, ok := p.Current("ehm"); ok && list.Entries == entries {
				return list
			}
			time.Sleep(5 * time.Millisecond)
		}
		t.Fatalf("no list with %d entries came", entries)
		return crl.List{}
	}
	waitFor(0)

	t.Run("CRL-19 hold, release and revocation travel into the list", func(t *testing.T) {
		serial := issue(0x4001, time.Now().Add(time.Hour))
		change(journal.Entry{Kind: journal.Held, Serial: serial, Owner: journal.Holder})
		waitFor(1)
		if e := c.published(t).RevokedCertificateEntries[0]; e.ReasonCode != 6 || e.SerialNumber.Int64() != 0x4001 {
			t.Errorf("entry %v", e)
		}
		change(journal.Entry{Kind: journal.Released, Serial: serial, Owner: journal.Holder})
		waitFor(0)
		since := time.Now().Add(-24 * time.Hour).UTC().Truncate(time.Second)
		change(journal.Entry{Kind: journal.Revoked, Serial: serial, Reason: journal.KeyCompromise, InvalidityDate: since})
		waitFor(1)
		e := c.published(t).RevokedCertificateEntries[0]
		if e.ReasonCode != 1 {
			t.Errorf("entry %v", e)
		}
		for _, extension := range e.Extensions {
			if want := crl.InvalidityDate(since); extension.Id.Equal(want.Id) && string(extension.Value) != string(want.Value) {
				t.Errorf("invalidity date %x, want %x", extension.Value, want.Value)
			}
		}
	})
	t.Run("CRL-19 an expired certificate stays until it was on one list issued after its expiry", func(t *testing.T) {
		notAfter := time.Now().Add(2 * time.Second).Truncate(time.Second)
		serial := issue(0x4002, notAfter)
		change(journal.Entry{Kind: journal.Revoked, Serial: serial})
		waitFor(2)
		// A list's time has whole seconds, so the next is the first that is
		// surely later.
		time.Sleep(time.Until(notAfter.Add(time.Second)))
		for i, want := range []int{2, 1, 1} {
			if err := p.Publish(t.Context(), "ehm"); err != nil {
				t.Fatal(err)
			}
			if got := len(c.published(t).RevokedCertificateEntries); got != want {
				t.Errorf("list %d after the expiry has %d entries, want %d", i+1, got, want)
			}
		}
	})
	t.Run("a restarted publisher goes on with higher numbers", func(t *testing.T) {
		before := numberOf(t, p)
		again := c.publisher(t)
		if got := numberOf(t, again); got != before {
			t.Errorf("serves %d, want %d", got, before)
		}
		if err := again.Publish(t.Context(), "ehm"); err != nil || numberOf(t, again) <= before {
			t.Errorf("number %d after %d, %v", numberOf(t, again), before, err)
		}
	})
}
