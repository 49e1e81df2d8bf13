package ocsp_test

import (
	"context"
	"crypto"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bytes"
	"net/http"

	"github.com/altamga/altamga/internal/http1"
	"github.com/altamga/altamga/internal/loopback"
	"github.com/altamga/altamga/ocsp"
	"github.com/altamga/altamga/ocsp/rediscache"
)

// TestStorm is the proof of G2: several responders with a memory each share two
// real Redis servers behind one address, certificates are held, released and
// revoked at random, every step is delayed at random, and Redis is stopped,
// killed and restarted empty, flushed, filled, and failed over to a server with
// an older state, all the time. Every answer is held against what had been
// acknowledged when it was asked for, and against what the same responder had
// told anyone before.
//
// ALTAMGA_OCSP_ANSWERS=1000000 asks for a million answers, ALTAMGA_OCSP_SEED
// for another course of events.
func TestStorm(t *testing.T) {
	answers, seed := number(t, "ALTAMGA_OCSP_ANSWERS", 8000), number(t, "ALTAMGA_OCSP_SEED", 20261122)
	t.Run("G2 several responders, a Redis in trouble", func(t *testing.T) {
		s := newStorm(t, uint64(seed), 3, 12)
		s.run(t, answers)
		t.Logf("seed %d: %d answers, %d of them tryLater, %d changes, %d from Redis; %d times an older truth", seed, s.asked.Load(), s.later.Load(), s.changes.Load(), s.shared.Load(), s.wrong.Load())
		for _, state := range s.states {
			t.Log(state.latency())
			if state.unseen() {
				t.Errorf("nobody asked while Redis was %s", state.name)
			}
		}
		if s.wrong.Load() > 0 || s.later.Load()*10 > s.asked.Load() || s.changes.Load() < 100 || s.shared.Load() == 0 {
			t.Errorf("of %d answers %d were wrong and %d tryLater, at %d changes; %d came from Redis", s.asked.Load(), s.wrong.Load(), s.later.Load(), s.changes.Load(), s.shared.Load())
		}
	})
}

func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// storm is one course of events.
type storm struct {
	seed     uint64
	a        *authority
	g        *register
	replicas []*replica
	subjects []*stormSubject
	redis    [2]*redisServer
	proxy    *proxy

	asked, later, wrong, changes, shared atomic.Int64
	// visited says that each trouble of Redis has come once.
	visited atomic.Bool

	state    atomic.Int32 // index of states
	states   []*redisState
	mu       sync.Mutex
	verified map[[32]byte]answer
}

// redisState is a trouble of Redis and the latencies that were seen in it.
type redisState struct {
	name  string
	mu    sync.Mutex
	times []time.Duration
}

// unseen reports that nobody was answered in it yet.
func (s *redisState) unseen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.times) == 0
}

func (s *redisState) latency() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.times) == 0 {
		return "Redis " + s.name + ": no answers"
	}
	slices.Sort(s.times)
	at := func(p int) time.Duration {
		return s.times[min(len(s.times)-1, len(s.times)*p/1000)].Round(time.Microsecond)
	}
	return fmt.Sprintf("Redis %s: %d answers, p50 %v, p99 %v, p99.9 %v", s.name, len(s.times), at(500), at(990), at(999))
}

// replica is one responder and what it has told.
type replica struct {
	responder *ocsp.Responder
	plain     http1.Handler
	told      []atomic.Int64 // by subject
}

// stormSubject is a certificate whose changes are numbered: odd ones revoke it since
// that second of 1970, even ones release it.
type stormSubject struct {
	serial *big.Int
	begun  atomic.Int64
	acked  atomic.Int64
	final  bool
	write  sync.Mutex
}

func raise(to *atomic.Int64, n int64) {
	for {
		if is := to.Load(); n <= is || to.CompareAndSwap(is, n) {
			return
		}
	}
}

// slow waits now and then, for up to most.
func slow(most time.Duration) {
	if rand.IntN(16) == 0 {
		time.Sleep(rand.N(most))
	}
}

// slowCache delays what the shared cache is told and tells.
type slowCache struct {
	ocsp.Cache
	s *storm
}

func (c slowCache) Get(ctx context.Context, key ocsp.Key) (*ocsp.Answer, bool) {
	slow(2 * time.Millisecond)
	a, ok := c.Cache.Get(ctx, key)
	if ok {
		c.s.shared.Add(1)
	}
	slow(2 * time.Millisecond)
	return a, ok
}

func (c slowCache) Put(ctx context.Context, key ocsp.Key, a *ocsp.Answer) {
	slow(2 * time.Millisecond)
	c.Cache.Put(ctx, key, a)
}

// slowJournal delays what one follower sees.
type slowJournal struct{ *register }

func (j slowJournal) Entries(ctx context.Context, after uint64, limit int) ([]ocsp.Change, error) {
	slow(3 * time.Millisecond)
	return j.register.Entries(ctx, after, 1+rand.IntN(limit))
}

func newStorm(t *testing.T, seed uint64, responders, certificates int) *storm {
	s := &storm{seed: seed, a: newAuthority(t, "ehm"), g: newRegister(), verified: make(map[[32]byte]answer)}
	for _, name := range []string{"as it should be", "stopped", "killed", "just flushed", "full", "failed over"} {
		s.states = append(s.states, &redisState{name: name})
	}
	s.g.delay = func() { slow(2 * time.Millisecond) }
	s.a.signer = &ocsp.Signer{Certificate: s.a.signer.Certificate, Key: slowKey{s.a.signer.Key}}
	for range certificates {
		subject := &stormSubject{serial: nextSerial()}
		s.subjects = append(s.subjects, subject)
		s.g.set(s.a.id, subject.serial, ocsp.Status{State: ocsp.Good})
	}
	s.redis = [2]*redisServer{startRedis(t), startRedis(t)}
	s.proxy = startProxy(t, s.redis[0].address)
	for range responders {
		cache, err := rediscache.New(rediscache.Config{Addresses: []string{s.proxy.address()}, Budget: 20 * time.Millisecond, Failures: 3, Pause: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		r, err := ocsp.New(ocsp.Config{Issuers: []ocsp.Issuer{s.a.issuer()}, Source: s.g, Memory: 1 << 20, Cache: slowCache{cache, s}, MaxAge: 2 * time.Second, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		r.LimitFloors(certificates / 2)
		s.replicas = append(s.replicas, &replica{responder: r, plain: r.Plain(), told: make([]atomic.Int64, certificates)})
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { _ = cache.Run(ctx) })
		running.Go(func() { _ = r.Follow(ctx, slowJournal{s.g}, uint64(certificates)) })
		t.Cleanup(func() {
			cancel()
			running.Wait()
			cache.Close()
		})
	}
	return s
}

// run asks until enough answers have come.
func (s *storm) run(t *testing.T, answers int) {
	var group sync.WaitGroup
	over := make(chan struct{})
	for w := range 3 {
		group.Go(func() { s.changeUntil(over, rand.New(rand.NewPCG(s.seed, uint64(w)))) })
	}
	group.Go(func() { s.troubleUntil(t, over, rand.New(rand.NewPCG(s.seed, 99))) })
	var clients sync.WaitGroup
	for c := range 8 {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(s.seed, 1000+uint64(c)))
			for s.asked.Load() < int64(answers) || !s.visited.Load() {
				s.ask(t, random)
			}
		})
	}
	clients.Wait()
	close(over)
	group.Wait()
}

// changeUntil holds, releases and now and then revokes certificates for good. A
// change is acknowledged when every responder has followed the journal to it.
func (s *storm) changeUntil(over <-chan struct{}, random *rand.Rand) {
	for {
		select {
		case <-over:
			return
		case <-time.After(time.Duration(random.IntN(2000)) * time.Microsecond):
		}
		subject := s.subjects[random.IntN(len(s.subjects))]
		subject.write.Lock()
		// The first ones are never revoked for good, so that the storm goes on.
		if final := random.IntN(200) == 0 && slices.Index(s.subjects, subject) > len(s.subjects)/2; !subject.final {
			n := subject.begun.Add(1)
			status := ocsp.Status{State: ocsp.Good}
			if n%2 == 1 {
				status = ocsp.Status{State: ocsp.Revoked, Reason: 6, RevokedAt: time.Unix(n, 0)}
				if subject.final = final; final {
					status.Reason = 1
				}
			}
			position := s.g.set(s.a.id, subject.serial, status)
			for _, r := range s.replicas {
				for r.responder.Position() < position {
					time.Sleep(50 * time.Microsecond)
				}
			}
			raise(&subject.acked, n)
			s.changes.Add(1)
		}
		subject.write.Unlock()
	}
}

// troubleUntil does to Redis what happens to Redis: each trouble once, in some
// order, and then any.
func (s *storm) troubleUntil(t *testing.T, over <-chan struct{}, random *rand.Rand) {
	at := 0 // the server that the proxy leads to
	first := random.Perm(5)
	for n := 0; ; n++ {
		s.visited.Store(n >= len(first))
		trouble := 1 + random.IntN(5)
		if n < len(first) {
			trouble = 1 + first[n]
		}
		server := s.redis[at]
		s.state.Store(int32(trouble))
		switch trouble {
		case 1:
			server.process.Process.Signal(syscall.SIGSTOP)
		case 2:
			server.kill()
			s.proxy.cut()
		case 3:
			server.command(t, "FLUSHALL")
		case 4:
			server.command(t, "CONFIG", "SET", "maxmemory", "1kb")
		case 5:
			at = 1 - at
			s.proxy.lead(s.redis[at].address)
		}
		pause := func() bool {
			select {
			case <-over:
				return false
			case <-time.After(time.Duration(50+random.IntN(200)) * time.Millisecond):
				return true
			}
		}
		goOn := pause()
		for goOn && n < len(first) && s.states[trouble].unseen() {
			goOn = pause()
		}
		switch trouble {
		case 1:
			server.process.Process.Signal(syscall.SIGCONT)
		case 2:
			server.start()
		case 4:
			server.command(t, "CONFIG", "SET", "maxmemory", "0")
		}
		s.state.Store(0)
		if !goOn || !pause() {
			return
		}
	}
}

// ask asks one responder once and judges the answer.
func (s *storm) ask(t *testing.T, random *rand.Rand) {
	r, about := s.replicas[random.IntN(len(s.replicas))], random.IntN(len(s.subjects))
	subject := s.subjects[about]
	var nonce []byte
	if random.IntN(20) == 0 {
		nonce = make([]byte, 32)
	}
	in := request(t, nonce, s.a.certID(t, []crypto.Hash{crypto.SHA1, crypto.SHA256}[random.IntN(2)], subject.serial))
	least := max(subject.acked.Load(), r.told[about].Load())
	state := s.states[s.state.Load()]
	began := time.Now()
	out := s.send(t, r, in, random.IntN(4) == 0)
	took := time.Since(began)
	state.mu.Lock()
	state.times = append(state.times, took)
	state.mu.Unlock()
	s.asked.Add(1)
	got := s.parse(t, out)
	if got.status == ocsp.TryLater {
		s.later.Add(1)
		return
	}
	if got.status != ocsp.Successful || len(got.basic.Data.Responses) != 1 {
		s.wrong.Add(1)
		t.Errorf("answered %v", got.status)
		return
	}
	n := least + least%2
	if single := got.basic.Data.Responses[0]; single.Status.Tag == revoked {
		at, _ := single.revocation(t)
		n = at.Unix()
	}
	if begun := subject.begun.Load(); n < least || n > begun {
		s.wrong.Add(1)
		t.Errorf("told change %d, when %d was acknowledged or told before it was asked, and %d the last begun after", n, least, begun)
	}
	raise(&r.told[about], n)
}

// send asks by the path of plain requests or by net/http.
func (s *storm) send(t *testing.T, r *replica, in []byte, plain bool) []byte {
	if plain {
		w := httptest.NewRecorder()
		r.responder.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(in)))
		if w.Code != http.StatusOK {
			s.wrong.Add(1)
			t.Errorf("answered %d", w.Code)
		}
		return w.Body.Bytes()
	}
	req := &http1.Request{Method: http1.Post, Path: []byte("/"), Body: in}
	out, ok := r.plain.Ready(nil, req, time.Now())
	if !ok {
		out, ok = r.plain.Make(t.Context(), nil, req)
	}
	head, content, cut := bytes.Cut(out, []byte("\r\n\r\n"))
	if !ok || !cut || !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
		s.wrong.Add(1)
		t.Errorf("answered %q", head)
	}
	return content
}

// parse verifies each answer once, however often it is given.
func (s *storm) parse(t *testing.T, raw []byte) answer {
	hash := sha256.Sum256(raw)
	s.mu.Lock()
	got, ok := s.verified[hash]
	s.mu.Unlock()
	if ok {
		return got
	}
	got = parse(t, raw, s.a)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.verified) > 50_000 {
		clear(s.verified)
	}
	s.verified[hash] = got
	return got
}

// redisServer is a Redis of the test's own.
type redisServer struct {
	t             *testing.T
	address, dir  string
	process       *exec.Cmd
	configuration []string
}

func startRedis(t *testing.T, configuration ...string) *redisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed (Debian: redis-server)")
	}
	address, err := loopback.Address()
	if err != nil {
		t.Fatal(err)
	}
	s := &redisServer{t: t, address: address, dir: t.TempDir(), configuration: configuration}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *redisServer) start() {
	_, port, _ := net.SplitHostPort(s.address)
	s.process = exec.Command("redis-server", append([]string{"--bind", "127.0.0.1", "--port", port, "--dir", s.dir, "--save", "", "--appendonly", "no"}, s.configuration...)...)
	if err := s.process.Start(); err != nil {
		s.t.Error(err)
		return
	}
	for range 1000 {
		if conn, err := net.Dial("tcp", s.address); err == nil {
			conn.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Error("redis-server does not answer")
}

func (s *redisServer) kill() {
	s.process.Process.Signal(syscall.SIGCONT)
	s.process.Process.Kill()
	s.process.Wait()
}

// command sends one command and reads its one-line answer.
func (s *redisServer) command(t *testing.T, words ...string) {
	conn, err := net.DialTimeout("tcp", s.address, time.Minute)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(conn, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(word), word)
	}
	var answer [64]byte
	if n, err := conn.Read(answer[:]); err != nil || answer[0] != '+' {
		t.Errorf("%v: %q %v", words, answer[:n], err)
	}
}

// proxy is the address that stays when Redis moves.
type proxy struct {
	listener net.Listener
	mu       sync.Mutex
	to       string
	open     map[net.Conn]bool
}

func startProxy(t *testing.T, to string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, to: to, open: make(map[net.Conn]bool)}
	t.Cleanup(func() {
		listener.Close()
		p.cut()
	})
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go p.carry(conn)
		}
	}()
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

// lead sends connections to another server from now on, and ends the old ones.
func (p *proxy) lead(to string) {
	p.mu.Lock()
	p.to = to
	p.mu.Unlock()
	p.cut()
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.open {
		conn.Close()
	}
	clear(p.open)
}

func (p *proxy) carry(conn net.Conn) {
	p.mu.Lock()
	to := p.to
	p.mu.Unlock()
	far, err := net.DialTimeout("tcp", to, time.Second)
	if err != nil {
		conn.Close()
		return
	}
	p.mu.Lock()
	p.open[conn], p.open[far] = true, true
	p.mu.Unlock()
	go func() {
		_, _ = io.Copy(far, conn)
		far.Close()
		conn.Close()
	}()
	_, _ = io.Copy(conn, far)
	far.Close()
	conn.Close()
	p.mu.Lock()
	delete(p.open, conn)
	delete(p.open, far)
	p.mu.Unlock()
}
