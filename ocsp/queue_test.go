package ocsp_test

import (
	"context"
	"crypto"
	"encoding/asn1"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/ocsp"
)

// ordered is a source that takes a second and notes who was read in what order.
type ordered struct {
	*register
	mu    sync.Mutex
	names map[string]string
	order []string
}

func (o *ordered) Status(ctx context.Context, issuer string, serial *big.Int) (ocsp.Status, error) {
	o.mu.Lock()
	o.order = append(o.order, o.names[serial.String()])
	o.mu.Unlock()
	time.Sleep(time.Second)
	return o.register.Status(ctx, issuer, serial)
}

// Those who wait take turns by urgency, and who is turned away hears so at once.
func TestUrgency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "ehm")
		o := &ordered{names: make(map[string]string)}
		r, g := newResponder(t, a, func(c *ocsp.Config) {
			c.MaxInflight, c.MaxWaiting = 1, 4
			o.register = c.Source.(*register)
			c.Source = o
		})
		in := func(name string, nonce []byte) []byte {
			serial := nextSerial()
			o.names[serial.String()] = name
			position := g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
			if name == "changed" {
				r.Invalidate(a.id, serial, position)
			}
			return request(t, nonce, a.certID(t, crypto.SHA256, serial))
		}
		var group sync.WaitGroup
		answers := make(map[string]ocsp.ResponseStatus)
		var mu sync.Mutex
		send := func(name string, nonce []byte) {
			wire := in(strings.TrimRight(name, "0123456789"), nonce)
			group.Go(func() {
				got := ask(t, r, a, wire)
				mu.Lock()
				defer mu.Unlock()
				answers[name] = got.status
			})
			synctest.Wait()
		}
		began := time.Now()
		send("first", nil)
		send("nonce1", make([]byte, 32))
		send("nonce2", make([]byte, 32)) // more than nonces may have of the queue
		send("miss1", nil)
		send("miss2", nil)
		send("miss3", nil)
		send("changed", nil) // turns the nonce away
		send("miss4", nil)   // there is no room
		if time.Since(began) > 0 {
			t.Error("somebody was told late")
		}
		group.Wait()
		if got, want := fmt.Sprint(o.order), "[first changed miss miss miss]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		for name, status := range answers {
			want := ocsp.Successful
			if name == "nonce1" || name == "nonce2" || name == "miss4" {
				want = ocsp.TryLater
			}
			if status != want {
				t.Errorf("%s was answered %v, want %v", name, status, want)
			}
		}
	})
}

// A responder that has lost the journal stops calling certificates good anew,
// and goes on telling what it knows to be revoked.
func TestJournalLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "ehm")
		r, g := newResponder(t, a, func(c *ocsp.Config) { c.JournalGrace, c.Validity, c.MaxAge = 10*time.Minute, time.Hour, time.Minute })
		one, two, gone := nextSerial(), nextSerial(), nextSerial()
		g.set(a.id, one, ocsp.Status{State: ocsp.Good})
		g.set(a.id, two, ocsp.Status{State: ocsp.Good})
		g.set(a.id, gone, ocsp.Status{State: ocsp.Revoked, Reason: 1})
		journal := &lostJournal{register: g}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = r.Follow(ctx, journal, 3) }()
		about := func(serial *big.Int) []byte { return request(t, nil, a.certID(t, crypto.SHA256, serial)) }
		first := ask(t, r, a, about(one))
		synctest.Wait()
		journal.lose()
		time.Sleep(9 * time.Minute)
		within := ask(t, r, a, about(one))
		if within.status != ocsp.Successful || string(within.raw) == string(first.raw) {
			t.Errorf("within the grace: got %v, or no new answer", within.status)
		}
		time.Sleep(5 * time.Minute)
		if got := ask(t, r, a, about(one)); string(got.raw) != string(within.raw) {
			t.Errorf("after the grace: got %v, want the kept answer", got.status)
		}
		if got := ask(t, r, a, about(two)); got.status != ocsp.TryLater {
			t.Errorf("after the grace, not kept: got %v, want tryLater", got.status)
		}
		if got := ask(t, r, a, request(t, make([]byte, 32), a.certID(t, crypto.SHA256, one))); got.status != ocsp.TryLater {
			t.Errorf("after the grace, with a nonce: got %v, want tryLater", got.status)
		}
		if got := ask(t, r, a, about(gone)); got.status != ocsp.Successful || got.basic.Data.Responses[0].Status.Tag != revoked {
			t.Errorf("revoked, after the grace: got %v", got.status)
		}
		time.Sleep(time.Hour)
		if got := ask(t, r, a, about(one)); got.status != ocsp.TryLater {
			t.Errorf("after nextUpdate: got %v, want tryLater", got.status)
		}
		cancel()
		<-done
	})
}

// lostJournal is a journal that can be lost while the register is there.
type lostJournal struct {
	*register
	mu   sync.Mutex
	gone chan struct{}
	lost bool
}

func (j *lostJournal) lose() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lost = true
	if j.gone != nil {
		close(j.gone)
	}
}

func (j *lostJournal) Entries(ctx context.Context, after uint64, limit int) ([]ocsp.Change, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.lost {
		return nil, errLost
	}
	return j.register.Entries(ctx, after, limit)
}

func (j *lostJournal) Wait(ctx context.Context, after uint64) error {
	j.mu.Lock()
	if j.gone == nil {
		j.gone = make(chan struct{})
	}
	gone, lost := j.gone, j.lost
	j.mu.Unlock()
	if lost {
		return errLost
	}
	select {
	case <-gone:
		return errLost
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Answers are made anew in the background before their time is over, and warmed
// ones before anyone asks.
func TestAheadOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "ehm")
		r, g := newResponder(t, a, nil)
		serial := nextSerial()
		g.set(a.id, serial, ocsp.Status{State: ocsp.Good, Class: 7})
		for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
			if n, err := r.Warm(t.Context(), a.id, serial, hash); err != nil || n == 0 {
				t.Fatalf("got %d octets, %v", n, err)
			}
		}
		reads := g.count()
		id := a.certID(t, crypto.SHA256, serial)
		id.Hash.Parameters = asn1.NullBytes
		in := request(t, nil, id)
		first := ask(t, r, a, in)
		if g.count() != reads {
			t.Error("a warmed answer was made again")
		}
		if n, err := r.Warm(t.Context(), a.id, nextSerial(), crypto.SHA256); err != nil || n != 0 {
			t.Errorf("a certificate that was never issued: %d octets, %v", n, err)
		}
		if _, err := r.Warm(t.Context(), "nobody", serial, crypto.SHA256); err == nil {
			t.Error("an unknown issuer is accepted")
		}
		// Asked by the plain path until it is refreshed, always from memory.
		var last []byte
		for range 58 {
			time.Sleep(time.Second)
			last = plainly(t, r, in)
			synctest.Wait()
		}
		if string(last) == string(first.raw) {
			t.Error("the answer was not made anew")
		}
		if got := g.count() - reads; got != 2 {
			t.Errorf("the source was read %d times, want twice", got)
		}
		if got := r.Counts()[7]; got != 59 {
			t.Errorf("%d answers are counted, want 59", got)
		}
	})
}

// What was kept before a restart is warm after it, before anyone asks, and what
// lies ready stays so: every answer is made by Presign and none by a request.
func TestPresign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "ehm")
		before, g := newResponder(t, a, nil)
		var requests [][]byte
		for range 20 {
			serial := nextSerial()
			g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
			requests = append(requests, request(t, nil, a.certID(t, crypto.SHA256, serial)))
			ask(t, before, a, requests[len(requests)-1])
		}
		keys := before.Keys()
		if len(keys) != 20 {
			t.Fatalf("%d keys of 20 answers", len(keys))
		}
		elsewhere, _ := newResponder(t, newAuthority(t, "gone"), nil)
		foreign, err := elsewhere.KeyOf("gone", nextSerial(), crypto.SHA1)
		if err != nil {
			t.Fatal(err)
		}
		list := func(yield func(ocsp.Key, error) bool) {
			for _, key := range append([]ocsp.Key{"no CertID", foreign}, keys...) {
				if !yield(key, nil) {
					return
				}
			}
		}
		var reasons sync.Map
		r, err := ocsp.New(ocsp.Config{Issuers: []ocsp.Issuer{a.issuer()}, Source: g, Observe: func(reason string, _ time.Duration) { reasons.Store(reason, true) }})
		if err != nil {
			t.Fatal(err)
		}
		for round := range 10 {
			done, err := r.Presign(t.Context(), list)
			if err != nil || done.Made+done.Kept != 20 || done.Left != 0 || round == 0 && done.Made != 20 {
				t.Fatalf("round %d: got %+v, %v", round, done, err)
			}
			for range 14 {
				for _, in := range requests[:3] {
					plainly(t, r, in)
				}
				time.Sleep(time.Second)
			}
		}
		if _, asked := reasons.Load(ocsp.ReasonSigned); asked {
			t.Error("a request had to wait for a signature")
		}
		// Its budget is kept to, and so is the order of those who wait: an error
		// of the source is told.
		small, err := ocsp.New(ocsp.Config{Issuers: []ocsp.Issuer{a.issuer()}, Source: g, Memory: -1})
		if err != nil {
			t.Fatal(err)
		}
		if done, err := small.Presign(t.Context(), list); err != nil || done.Left != 20 {
			t.Errorf("without memory: %+v, %v", done, err)
		}
		g.lose(true)
		cold, err := ocsp.New(ocsp.Config{Issuers: []ocsp.Issuer{a.issuer()}, Source: g})
		if err != nil {
			t.Fatal(err)
		}
		if done, err := cold.Presign(t.Context(), list); err == nil || done.Made != 0 {
			t.Errorf("without a source: %+v, %v", done, err)
		}
	})
}
