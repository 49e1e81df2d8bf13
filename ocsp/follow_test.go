package ocsp_test

import (
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/ocsp"
)

func TestFollow(t *testing.T) {
	t.Run("OCSP-62 changes are visible as soon as they are followed", func(t *testing.T) { synctest.Test(t, follow) })
}

func follow(t *testing.T) {
	a := newAuthority(t, "ehm")
	r, g := newResponder(t, a, nil)
	serial := nextSerial()
	g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
	in := request(t, nil, a.certID(t, crypto.SHA256, serial))
	if err := r.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "not read yet") {
		t.Errorf("before following, ready: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	journal := &unsteady{register: g}
	go func() { ended <- r.Follow(ctx, journal, 1) }()
	synctest.Wait()
	if err := r.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	state := func(t *testing.T) int {
		t.Helper()
		got := ask(t, r, a, in)
		if got.status != ocsp.Successful {
			t.Fatalf("got %v", got.status)
		}
		return got.basic.Data.Responses[0].Status.Tag
	}
	// Hold and release are visible as soon as they are followed.
	for range 20 {
		for _, step := range []struct {
			status ocsp.Status
			want   int
		}{{ocsp.Status{State: ocsp.Revoked, Reason: 6}, revoked}, {ocsp.Status{State: ocsp.Good}, good}} {
			g.set(a.id, serial, step.status)
			synctest.Wait()
			if got := state(t); got != step.want {
				t.Errorf("got %d, want %d", got, step.want)
			}
		}
	}
	if got := r.Position(); got != 41 {
		t.Errorf("followed up to %d, want 41", got)
	}
	// An entry about no certificate is passed over.
	g.mu.Lock()
	g.entries = append(g.entries, ocsp.Change{Position: 42, Issuer: a.id})
	g.mu.Unlock()
	g.set(a.id, nextSerial(), ocsp.Status{State: ocsp.Good})
	synctest.Wait()
	if got := r.Position(); got != 43 {
		t.Errorf("followed up to %d, want 43", got)
	}
	// A lost journal makes unready after MaxAge, and heals.
	lose := func(lost bool) {
		time.Sleep(time.Second)
		journal.lost.Store(lost)
		g.lose(false) // wakes the follower
	}
	lose(true)
	time.Sleep(30 * time.Second)
	if err := r.Ready(t.Context()); err != nil {
		t.Errorf("lost for half a minute, ready: %v", err)
	}
	time.Sleep(time.Minute)
	if err := r.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "following journal since") {
		t.Errorf("lost for long, ready: %v", err)
	}
	lose(false)
	g.set(a.id, serial, ocsp.Status{State: ocsp.Revoked, Reason: 1})
	time.Sleep(6 * time.Second)
	if err := r.Ready(t.Context()); err != nil || state(t) != revoked {
		t.Errorf("healed, ready: %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Follow returned %v", err)
	}
}

// unsteady is a journal that can be lost while the register is not.
type unsteady struct {
	*register
	lost atomic.Bool
}

func (u *unsteady) Entries(ctx context.Context, after uint64, limit int) ([]ocsp.Change, error) {
	if u.lost.Load() {
		return nil, errLost
	}
	return u.register.Entries(ctx, after, limit)
}

// gapped tells a journal with an entry missing.
type gapped struct{ *register }

func (g gapped) Entries(ctx context.Context, after uint64, limit int) ([]ocsp.Change, error) {
	entries, err := g.register.Entries(ctx, after, limit)
	if after == 0 && len(entries) > 2 {
		entries = append(entries[:1:1], entries[2:]...)
	}
	return entries, err
}

func TestFollowGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "ehm")
		r, g := newResponder(t, a, nil)
		serial := nextSerial()
		g.set(a.id, nextSerial(), ocsp.Status{State: ocsp.Good})
		in := request(t, nil, a.certID(t, crypto.SHA256, serial))
		g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
		ask(t, r, a, in)
		g.mu.Lock()
		g.entries = g.entries[:1]
		g.mu.Unlock()
		g.set(a.id, serial, ocsp.Status{State: ocsp.Revoked})
		g.set(a.id, nextSerial(), ocsp.Status{State: ocsp.Good})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = r.Follow(ctx, gapped{g}, 0) }()
		synctest.Wait()
		if got := ask(t, r, a, in); got.basic.Data.Responses[0].Status.Tag != revoked {
			t.Errorf("got %v, the answer from before the gap", got.status)
		}
	})
}

// Guarantee G2: no answer goes back in time. Certificates are held, released
// and revoked at random while many clients ask, with and without nonce, one or
// two certificates at once, by either hash. The source is slow at random on
// both sides of its read, and so is the key; the cache may keep old answers, and
// floors are forgotten early. Every answer is held against what was acknowledged before
// its request began, and against what any client had been told by then.
func TestNothingGoesBack(t *testing.T) {
	for _, test := range []struct {
		name   string
		memory int64
		cache  ocsp.Cache
		floors int
	}{
		{"memory", 1 << 20, nil, 1 << 10},
		{"few floors", 1 << 20, nil, 3},
		{"cache that keeps old answers", -1, &forgetful{answers: make(map[ocsp.Key]*ocsp.Answer)}, 1 << 10},
		{"memory before such a cache", 1 << 20, &forgetful{answers: make(map[ocsp.Key]*ocsp.Answer)}, 3},
		{"no memory", -1, nil, 3},
	} {
		t.Run("G2 "+test.name, func(t *testing.T) {
			a := newAuthority(t, "ehm")
			a.signer = &ocsp.Signer{Certificate: a.signer.Certificate, Key: slowKey{a.signer.Key}}
			r, g := newResponder(t, a, func(c *ocsp.Config) { c.Memory, c.Cache = test.memory, test.cache })
			r.LimitFloors(test.floors)
			g.delay = func() {
				if d := rand.IntN(8); d < 3 {
					time.Sleep(time.Duration(d) * 150 * time.Microsecond)
				}
			}
			attackTime(t, a, r, g)
		})
	}
}

// hookedKey calls before every signature.
type hookedKey struct {
	crypto.Signer
	before func()
}

func (k *hookedKey) Sign(random io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	if k.before != nil {
		k.before()
	}
	return k.Signer.Sign(random, digest, o)
}

// An answer that the journal overtakes while it is being signed is not sent but
// made anew; when that happens again and again, the client is asked to come
// later.
func TestOvertaken(t *testing.T) {
	a := newAuthority(t, "ehm")
	key := &hookedKey{Signer: a.signer.Key}
	a.signer = &ocsp.Signer{Certificate: a.signer.Certificate, Key: key}
	for name, nonce := range map[string][]byte{"to be kept": nil, "with nonce": make([]byte, 32)} {
		t.Run("G2 "+name, func(t *testing.T) {
			r, g := newResponder(t, a, nil)
			serial := nextSerial()
			g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
			in := request(t, nonce, a.certID(t, crypto.SHA256, serial))
			change := func() {
				r.Invalidate(a.id, serial, g.set(a.id, serial, ocsp.Status{State: ocsp.Revoked, Reason: 6}))
			}
			key.before = func() { key.before = nil; change() }
			if got := ask(t, r, a, in); got.status != ocsp.Successful || got.basic.Data.Responses[0].Status.Tag != revoked {
				t.Errorf("got %v, the answer from before", got.status)
			}
			if got := g.count(); got != 2 {
				t.Errorf("the source was read %d times, want twice", got)
			}
			r.Invalidate(a.id, serial, g.set(a.id, serial, ocsp.Status{State: ocsp.Good}))
			key.before = change
			if got := ask(t, r, a, in); got.status != ocsp.TryLater {
				t.Errorf("always overtaken, got %v, want tryLater", got.status)
			}
			key.before = nil
		})
	}
}

// slowKey is a key in hardware that is asked by many.
type slowKey struct{ crypto.Signer }

func (k slowKey) Sign(random io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	if rand.IntN(2) == 0 {
		time.Sleep(rand.N(300 * time.Microsecond))
	}
	return k.Signer.Sign(random, digest, o)
}

// subject is one certificate under attack. Its changes are numbered, and the
// revocation time tells the number: after change n the certificate is revoked
// since second n of 1970 when n is odd, and good when n is even.
type subject struct {
	serial *big.Int
	write  sync.Mutex
	begun  atomic.Int64 // last change that was begun
	known  atomic.Int64 // last change that was acknowledged, or told to a client
	final  bool         // revoked for good
}

func (s *subject) learn(n int64) {
	for {
		known := s.known.Load()
		if n <= known || s.known.CompareAndSwap(known, n) {
			return
		}
	}
}

// change makes the next change and acknowledges it.
func (s *subject) change(a *authority, r *ocsp.Responder, g *register, final bool) {
	s.write.Lock()
	defer s.write.Unlock()
	if s.final {
		return
	}
	n := s.begun.Add(1)
	status := ocsp.Status{State: ocsp.Good}
	if n%2 == 1 {
		status = ocsp.Status{State: ocsp.Revoked, Reason: 6, RevokedAt: time.Unix(n, 0)}
		if s.final = final; final {
			status.Reason = 1
		}
	}
	position := g.set(a.id, s.serial, status)
	if rand.IntN(2) == 0 {
		// Acknowledged by the process that writes ...
		r.Invalidate(a.id, s.serial, position)
	} else {
		// ... or once the follower has seen it.
		for r.Position() < position {
			time.Sleep(20 * time.Microsecond)
		}
	}
	s.learn(n)
}

func attackTime(t *testing.T, a *authority, r *ocsp.Responder, g *register) {
	const certificates, writers, clients, rounds = 6, 3, 12, 80
	subjects := make([]*subject, certificates)
	for i := range subjects {
		subjects[i] = &subject{serial: nextSerial()}
		g.set(a.id, subjects[i].serial, ocsp.Status{State: ocsp.Good})
	}
	ctx, cancel := context.WithCancel(t.Context())
	var follower, group sync.WaitGroup
	follower.Go(func() { _ = r.Follow(ctx, g, certificates) })
	var writing atomic.Int32
	writing.Store(writers)
	for w := range writers {
		group.Go(func() {
			defer writing.Add(-1)
			for i := range rounds {
				subjects[rand.IntN(certificates)].change(a, r, g, w == 0 && i > rounds*9/10)
				time.Sleep(time.Duration(rand.IntN(1500)) * time.Microsecond)
			}
		})
	}
	var asked, later atomic.Int64
	for range clients {
		group.Go(func() {
			for writing.Load() > 0 {
				client(t, a, r, subjects, &asked, &later)
			}
		})
	}
	group.Wait()
	cancel()
	follower.Wait()
	for range clients {
		client(t, a, r, subjects, &asked, &later)
	}
	t.Logf("%d answers, %d of them tryLater", asked.Load(), later.Load())
	if asked.Load() < 200 || later.Load()*2 > asked.Load() {
		t.Errorf("of %d requests %d were answered tryLater", asked.Load(), later.Load())
	}
}

// client asks once and checks the answer.
func client(t *testing.T, a *authority, r *ocsp.Responder, subjects []*subject, asked, later *atomic.Int64) {
	about := []*subject{subjects[rand.IntN(len(subjects))]}
	if rand.IntN(4) == 0 {
		about = append(about, subjects[rand.IntN(len(subjects))])
	}
	var ids []ocsp.CertID
	var known []int64
	for _, s := range about {
		ids = append(ids, a.certID(t, []crypto.Hash{crypto.SHA1, crypto.SHA256}[rand.IntN(2)], s.serial))
		known = append(known, s.known.Load())
	}
	var nonce []byte
	if rand.IntN(3) == 0 {
		nonce = make([]byte, 32)
	}
	got := ask(t, r, a, request(t, nonce, ids...))
	asked.Add(1)
	if got.status == ocsp.TryLater {
		later.Add(1)
		return
	}
	if got.status != ocsp.Successful {
		t.Errorf("got %v", got.status)
		return
	}
	for i, s := range about {
		single := got.basic.Data.Responses[i]
		// Good does not tell its number: it is at least the first even one
		// that is not behind what was known.
		n := known[i] + known[i]%2
		if single.Status.Tag == revoked {
			at, _ := single.revocation(t)
			n = at.Unix()
		}
		if begun := s.begun.Load(); n < known[i] || n > begun {
			t.Errorf("got change %d (status %d), when %d was known before the request and %d the last that was begun after", n, single.Status.Tag, known[i], begun)
		}
		s.learn(n)
	}
}

// A client behind net/http that hangs up does not spoil the answer for others.
func TestHangUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "ehm")
		r, g := newResponder(t, a, nil)
		serial := nextSerial()
		g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
		g.delay = func() { time.Sleep(time.Second) }
		in := request(t, nil, a.certID(t, crypto.SHA256, serial))
		ctx, cancel := context.WithCancelCause(t.Context())
		first := httptest.NewRequestWithContext(ctx, http.MethodGet, "/"+url.PathEscape(base64.StdEncoding.EncodeToString(in)), nil)
		var group sync.WaitGroup
		group.Go(func() { r.ServeHTTP(httptest.NewRecorder(), first) })
		synctest.Wait()
		group.Go(func() {
			if got := ask(t, r, a, in); got.status != ocsp.Successful {
				t.Errorf("the second client got %v", got.status)
			}
		})
		synctest.Wait()
		cancel(errors.New("hung up"))
		group.Wait()
	})
}
