package ca_test

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/journal"
)

// outage is a register that is away for the next writes of certificates: before
// the commit, or after it, so that its answer is lost.
type outage struct {
	*memory
	left  atomic.Int32
	after bool
	given [][]byte
}

func (o *outage) CompleteSet(ctx context.Context, set []journal.Signed, ticket *journal.Ticket) ([]journal.Entry, error) {
	for _, s := range set {
		o.given = append(o.given, bytes.Clone(s.Certificate))
	}
	if o.left.Add(-1) < 0 {
		return o.memory.CompleteSet(ctx, set, ticket)
	}
	if o.after {
		if _, err := o.memory.CompleteSet(ctx, set, ticket); err != nil {
			return nil, err
		}
	}
	return nil, journal.ErrUnavailable
}

func (o *outage) Complete(ctx context.Context, serial journal.Serial, certificate []byte, ticket *journal.Ticket) (journal.Entry, error) {
	entries, err := o.CompleteSet(ctx, []journal.Signed{{Serial: serial, Certificate: certificate}}, ticket)
	if err != nil {
		return journal.Entry{}, err
	}
	return entries[0], nil
}

// A signature outlives a register that is away for a while: the same octets are
// recorded when it is back (design rule G1).
func TestRecordedAgain(t *testing.T) {
	requests := func() []ca.Request {
		var all []ca.Request
		for _, profile := range []string{"citizen-signature", "citizen-authentication"} {
			all = append(all, ca.Request{Issuer: "ehm", Profile: profile, CSR: newCSR(t, p256()), Subject: citizen()})
		}
		return all
	}
	for _, row := range []struct {
		name  string
		times int32
		after bool
		err   error
	}{
		{"back after two tries", 2, false, nil},
		{"the answer to the commit is lost", 1, true, nil},
		{"away for longer than anybody waits", 1 << 20, false, journal.ErrUnavailable},
	} {
		t.Run("G1 "+row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				centre := newCentre(t, p256)
				single, pair := requests(), requests()
				store := &outage{memory: centre.register, after: row.after}
				config := centre.config
				config.Register = store
				authority, err := ca.New(config)
				if err != nil {
					t.Fatal(err)
				}
				prepared, err := authority.Prepare(t.Context(), single[0])
				if err != nil {
					t.Fatal(err)
				}
				store.left.Store(row.times)
				began := time.Now()
				issued, err := authority.Issue(t.Context(), prepared)
				if !errors.Is(err, row.err) || row.err == nil && err != nil {
					t.Fatalf("got %v, want %v", err, row.err)
				}
				if took := time.Since(began); took > 11*time.Second {
					t.Errorf("it took %v", took)
				}
				for _, certificate := range store.given {
					if !bytes.Equal(certificate, store.given[0]) {
						t.Error("another signature was recorded than at first")
					}
				}
				record, fault := centre.register.Record(t.Context(), prepared.Serial())
				if fault != nil {
					t.Fatal(fault)
				}
				if row.err != nil {
					if record.Certificate != nil || len(store.given) < 5 {
						t.Errorf("%d tries, and the register has %d octets", len(store.given), len(record.Certificate))
					}
					return
				}
				if !bytes.Equal(record.Certificate, issued.Raw) || record.Status.Version != issued.Entry.Position {
					t.Errorf("the register has %+v, answered was %+v", record.Status, issued.Entry)
				}
				set, err := authority.PrepareSet(t.Context(), ca.Set{Requests: pair, Ticket: &journal.Ticket{Actor: "ra", Key: row.name}})
				if err != nil {
					t.Fatal(err)
				}
				store.left.Store(row.times)
				both, err := authority.IssueSet(t.Context(), set)
				if err != nil || len(both) != 2 || both[1].Entry.Position != both[0].Entry.Position+1 {
					t.Errorf("got %d certificates of a pair, %v", len(both), err)
				}
				centre.register.check(t)
			})
		})
	}
}
