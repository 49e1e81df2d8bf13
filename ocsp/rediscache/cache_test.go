package rediscache_test

import (
	"context"
	"encoding/asn1"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/altamga/altamga/internal/loopback"
	"github.com/altamga/altamga/ocsp"
	"github.com/altamga/altamga/ocsp/rediscache"
)

// server is a Redis of the test's own.
type server struct {
	t       *testing.T
	address string
	dir     string
	process *exec.Cmd
}

func startServer(t *testing.T) *server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed (Debian: redis-server)")
	}
	address, err := loopback.Address()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, address: address, dir: t.TempDir()}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *server) start() {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.address)
	s.process = exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", s.dir, "--save", "", "--appendonly", "no", "--maxmemory", "8mb", "--maxmemory-policy", "noeviction")
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	client := s.client()
	defer client.Close()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if client.Ping(s.t.Context()).Err() == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatal("redis-server does not answer")
		}
	}
}

func (s *server) kill() {
	s.process.Process.Signal(syscall.SIGCONT)
	s.process.Process.Kill()
	s.process.Wait()
}

func (s *server) client() *redis.Client { return redis.NewClient(&redis.Options{Addr: s.address}) }

// reasons counts what a cache observes.
type reasons struct {
	mu sync.Mutex
	n  map[string]int
}

func (r *reasons) observe(reason string, _ time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n == nil {
		r.n = map[string]int{}
	}
	r.n[reason]++
}

func (r *reasons) of(reason string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n[reason]
}

// wait waits until reason was observed n times.
func (r *reasons) wait(t *testing.T, reason string, n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); r.of(reason) < n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			r.mu.Lock()
			defer r.mu.Unlock()
			t.Fatalf("%q was observed %d times, not %d: %v", reason, r.n[reason], n, r.n)
		}
	}
}

// open makes a running cache on the server.
func open(t *testing.T, s *server, change func(*rediscache.Config)) (*rediscache.Cache, *reasons) {
	t.Helper()
	return openAt(t, []string{s.address}, change)
}

func openAt(t *testing.T, addresses []string, change func(*rediscache.Config)) (*rediscache.Cache, *reasons) {
	t.Helper()
	seen := new(reasons)
	config := rediscache.Config{Addresses: addresses, Budget: time.Second, Observe: seen.observe, Pause: 50 * time.Millisecond}
	if change != nil {
		change(&config)
	}
	cache, err := rediscache.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- cache.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		cache.Close()
	})
	return cache, seen
}

// answer makes one with a response that is a SEQUENCE, of the given version.
func answer(version uint64, thisUpdate time.Time) *ocsp.Answer {
	body, err := asn1.Marshal(struct{ Text string }{fmt.Sprintf("version %d of %s %0200d", version, thisUpdate.UTC(), 0)})
	if err != nil {
		panic(err)
	}
	thisUpdate = thisUpdate.Truncate(time.Second)
	return ocsp.NewAnswer(body, version, version+7, thisUpdate, thisUpdate.Add(time.Hour))
}

func TestGetPut(t *testing.T) {
	s := startServer(t)
	cache, seen := open(t, s, nil)
	now := time.Now()
	if _, ok := cache.Get(t.Context(), "a"); ok || seen.of("miss") != 1 {
		t.Fatal("an empty Redis has an answer")
	}
	first := answer(5, now)
	cache.Put(t.Context(), "a", first)
	seen.wait(t, "written", 1)
	got, ok := cache.Get(t.Context(), "a")
	if !ok || string(got.Response) != string(first.Response) || got.Version != 5 || got.Position != 12 || !got.ThisUpdate.Equal(first.ThisUpdate) || !got.NextUpdate.Equal(first.NextUpdate) {
		t.Fatalf("got %+v, %v", got, ok)
	}
	t.Run("an older version does not replace a newer one", func(t *testing.T) {
		cache.Put(t.Context(), "a", answer(4, now.Add(time.Minute)))
		seen.wait(t, "older", 1)
		if got, _ := cache.Get(t.Context(), "a"); got.Version != 5 {
			t.Errorf("got version %d", got.Version)
		}
	})
	t.Run("nor an earlier answer of the same version", func(t *testing.T) {
		cache.Put(t.Context(), "a", answer(5, now.Add(-time.Minute)))
		seen.wait(t, "older", 2)
	})
	t.Run("a later one of the same version does", func(t *testing.T) {
		cache.Put(t.Context(), "a", answer(5, now.Add(time.Minute)))
		seen.wait(t, "written", 2)
	})
	t.Run("versions are compared beyond 53 bits", func(t *testing.T) {
		high := uint64(1)<<60 + 1
		cache.Put(t.Context(), "b", answer(high, now))
		seen.wait(t, "written", 3)
		cache.Put(t.Context(), "b", answer(high-1, now.Add(time.Minute)))
		seen.wait(t, "older", 3)
		cache.Put(t.Context(), "b", answer(high+1, now))
		seen.wait(t, "written", 4)
	})
	t.Run("it leaves Redis at its nextUpdate", func(t *testing.T) {
		client := s.client()
		defer client.Close()
		ttl, err := client.PTTL(t.Context(), "ocsp:2:a").Result()
		if err != nil || ttl <= 59*time.Minute || ttl > 62*time.Minute {
			t.Errorf("got %v, %v", ttl, err)
		}
	})
}

// TestRace: whatever order many writers come in, the greatest version stays.
func TestRace(t *testing.T) {
	s := startServer(t)
	const writers, versions = 8, 200
	now := time.Now()
	var wg sync.WaitGroup
	for range writers {
		cache, seen := open(t, s, nil)
		wg.Go(func() {
			for _, version := range rand.Perm(versions) {
				cache.Put(t.Context(), "a", answer(uint64(version+1), now))
			}
			for seen.of("written")+seen.of("older") < versions {
				time.Sleep(time.Millisecond)
			}
		})
	}
	wg.Wait()
	cache, _ := open(t, s, nil)
	got, ok := cache.Get(t.Context(), "a")
	if !ok || got.Version != versions {
		t.Errorf("got %+v, %v", got, ok)
	}
}

// TestScriptForgotten: what is written together is written whole, by a server
// too that no longer knows the script.
func TestScriptForgotten(t *testing.T) {
	s := startServer(t)
	cache, seen := open(t, s, nil)
	client := s.client()
	defer client.Close()
	const n = 300
	for round := range 2 {
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			cache.Put(t.Context(), ocsp.Key(fmt.Sprint(round, " ", i)), answer(1, time.Now()))
		}
		seen.wait(t, "written", (round+1)*n)
	}
	if kept := client.DBSize(t.Context()).Val(); kept != 2*n {
		t.Errorf("%d of %d answers are kept", kept, 2*n)
	}
}

// TestNobodyAsks: questions that are not put to Redis end with the budget, and
// only so many wait.
func TestNobodyAsks(t *testing.T) {
	cache, err := rediscache.New(rediscache.Config{Addresses: []string{"127.0.0.1:1"}, Budget: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	var group sync.WaitGroup
	for range 300 {
		group.Go(func() {
			if _, ok := cache.Get(context.Background(), "a"); ok {
				t.Error("found")
			}
		})
	}
	group.Wait()
	if n := cache.Waiting(); n != 256 || cache.Ready() == nil {
		t.Errorf("%d wait, Ready says %v", n, cache.Ready())
	}
}

func TestDamagedValueIsAbsent(t *testing.T) {
	s := startServer(t)
	cache, seen := open(t, s, nil)
	client := s.client()
	defer client.Close()
	cache.Put(t.Context(), "good", answer(5, time.Now()))
	seen.wait(t, "written", 1)
	whole, err := client.Get(t.Context(), "ocsp:2:good").Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string][]byte{
		"empty": {}, "short": whole[:20], "no response": whole[:33], "cut off": whole[:len(whole)-1], "too long": append(append([]byte{}, whole...), 0),
		"another format": append([]byte{1}, whole[1:]...), "text": []byte("hello"),
	} {
		if err := client.Set(t.Context(), "ocsp:2:"+name, value, 0).Err(); err != nil {
			t.Fatal(err)
		}
		if _, ok := cache.Get(t.Context(), ocsp.Key(name)); ok {
			t.Errorf("%s is taken for an answer", name)
		}
		written := seen.of("written")
		cache.Put(t.Context(), ocsp.Key(name), answer(1, time.Now()))
		if name == "cut off" || name == "too long" {
			// Its header is sound, so a newer answer is what replaces it.
			cache.Put(t.Context(), ocsp.Key(name), answer(6, time.Now()))
		}
		seen.wait(t, "written", written+1)
		if _, ok := cache.Get(t.Context(), ocsp.Key(name)); !ok {
			t.Errorf("%s is not replaced", name)
		}
	}
}

// TestRedisLost: killed, stopped in its tracks, full and flushed, Redis costs
// no more than the budget, and is used again when it is back.
func TestRedisLost(t *testing.T) {
	s := startServer(t)
	cache, seen := open(t, s, func(c *rediscache.Config) {
		c.Budget, c.Failures = 50*time.Millisecond, 3
	})
	ctx := t.Context()
	quick := func(what string) {
		t.Helper()
		began := time.Now()
		cache.Get(ctx, "missing")
		if took := time.Since(began); took > 500*time.Millisecond {
			t.Errorf("%s: a look-up took %v", what, took)
		}
	}
	usedAgain := func(what string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); cache.Ready() != nil; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: Redis is back and not used", what)
			}
			cache.Get(ctx, "missing")
		}
		// A write may still be dropped, by a machine that does much else.
		written := seen.of("written")
		for deadline := time.Now().Add(time.Minute); seen.of("written") == written; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: Redis is back and not written to", what)
			}
			cache.Put(ctx, ocsp.Key(what), answer(1, time.Now()))
		}
	}
	t.Run("stopped", func(t *testing.T) {
		if err := s.process.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			quick("stopped")
		}
		if cache.Ready() == nil {
			t.Error("the breaker is closed")
		}
		if seen.of("skipped") == 0 {
			t.Error("every look-up waited for a Redis that hangs")
		}
		if err := s.process.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		usedAgain("stopped")
	})
	t.Run("killed", func(t *testing.T) {
		s.kill()
		for range 20 {
			quick("killed")
		}
		s.start()
		usedAgain("killed")
	})
	t.Run("flushed", func(t *testing.T) {
		client := s.client()
		defer client.Close()
		if err := client.FlushAll(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		quick("flushed")
		usedAgain("flushed")
	})
	t.Run("full", func(t *testing.T) {
		client := s.client()
		defer client.Close()
		// Ever smaller pieces, until nothing fits.
		for size := 1 << 18; size >= 16; size /= 2 {
			for i := 0; client.Set(ctx, fmt.Sprint("fill", size, "-", i), make([]byte, size), 0).Err() == nil; i++ {
			}
		}
		failed := seen.of("failed")
		cache.Put(ctx, "full", answer(1, time.Now()))
		seen.wait(t, "failed", failed+1)
		quick("full")
		if err := client.FlushAll(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		usedAgain("full")
	})
}

// TestAccess: TLS aside, Redis is used as its access control list allows.
func TestAccess(t *testing.T) {
	s := startServer(t)
	client := s.client()
	defer client.Close()
	if err := client.Do(t.Context(), "ACL", "SETUSER", "responder", "on", ">secret", "~ocsp:2:*", "+mget", "+get", "+set", "+evalsha", "+eval").Err(); err != nil {
		t.Fatal(err)
	}
	cache, seen := open(t, s, func(c *rediscache.Config) { c.User, c.Password = "responder", "secret" })
	cache.Put(t.Context(), "a", answer(1, time.Now()))
	seen.wait(t, "written", 1)
	if _, ok := cache.Get(t.Context(), "a"); !ok {
		t.Error("the answer is not there")
	}
	wrong, seen := open(t, s, func(c *rediscache.Config) { c.User, c.Password = "responder", "wrong" })
	if _, ok := wrong.Get(t.Context(), "a"); ok || seen.of("failed") != 1 {
		t.Error("a wrong password was let in")
	}
}

func TestNewRefuses(t *testing.T) {
	for name, config := range map[string]rediscache.Config{
		"no address":        {},
		"a negative budget": {Addresses: []string{"127.0.0.1:1"}, Budget: -1},
	} {
		if _, err := rediscache.New(config); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// FuzzDecode: no value makes a look-up fail otherwise than by being absent.
func FuzzDecode(f *testing.F) {
	good := rediscache.Encode(answer(5, time.Now()))
	f.Add(good)
	f.Add(good[:40])
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, value []byte) {
		a, ok := rediscache.Decode(value, time.Unix(0, 0))
		if ok && string(rediscache.Encode(a)) != string(value) {
			t.Errorf("%x becomes %x", value, rediscache.Encode(a))
		}
	})
}
