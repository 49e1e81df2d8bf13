package http1_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/internal/http1"
)

// echo answers with the path. What begins with /slow has no ready answer.
type echo struct{ wait func(path string) }

func say(out []byte, r *http1.Request, text string) []byte {
	closing := ""
	if r.Close {
		closing = "Connection: close\r\n"
	}
	return fmt.Appendf(out, "HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", closing, len(text), text)
}

func (echo) Ready(out []byte, r *http1.Request, _ time.Time) ([]byte, bool) {
	switch path := string(r.Path); {
	case strings.HasPrefix(path, "/slow"), strings.HasPrefix(path, "/leave"):
		return out, false
	case path == "/panic":
		panic("nil map")
	case path == "/large":
		return say(out, r, strings.Repeat("x", 20_000)), true
	default:
		return say(out, r, path), true
	}
}

func (e echo) Make(_ context.Context, out []byte, r *http1.Request) ([]byte, bool) {
	path := string(r.Path)
	if strings.HasPrefix(path, "/leave") {
		return out, false
	}
	if path == "/slow/panic" {
		panic("nil map")
	}
	if e.wait != nil {
		e.wait(path)
	}
	return say(out, r, path), true
}

// pipes is a listener of connections in memory, which no poller waits for.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }
func (p *pipes) dial() net.Conn {
	near, far := net.Pipe()
	p.conns <- far
	return near
}

// serving runs a server and counts the connections that are handed over, which
// are answered 418.
type serving struct {
	*http1.Server
	listener net.Listener
	handed   atomic.Int32
	panics   atomic.Int32
	done     chan error
}

func start(t *testing.T, l net.Listener, h http1.Handler, change func(*http1.Config)) *serving {
	t.Helper()
	s := &serving{listener: l, done: make(chan error, 1)}
	c := http1.Config{Handler: h, ReadTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		Panicked: func(any, []byte) { s.panics.Add(1) },
		Handover: func(c net.Conn) {
			s.handed.Add(1)
			go func() {
				defer c.Close()
				_, _ = http.ReadRequest(bufio.NewReader(c))
				io.WriteString(c, "HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			}()
		}}
	if change != nil {
		change(&c)
	}
	var err error
	if s.Server, err = http1.New(c); err != nil {
		t.Fatal(err)
	}
	go func() { s.done <- s.Serve(l) }()
	return s
}

func (s *serving) stop(t *testing.T, within time.Duration) error {
	t.Helper()
	s.listener.Close()
	if err := <-s.done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	return s.Shutdown(ctx)
}

// exchange sends octets and reads n answers.
func exchange(t *testing.T, c net.Conn, wire string, n int) []string {
	t.Helper()
	c.SetDeadline(time.Now().Add(time.Minute))
	go io.WriteString(c, wire)
	in := bufio.NewReader(c)
	var out []string
	for range n {
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Errorf("%.80q: after %d answers: %v", wire, len(out), err)
			return append(out, "none", "none", "none")[:max(n, 1)]
		}
		body, _ := io.ReadAll(response.Body)
		out = append(out, fmt.Sprintf("%d %s", response.StatusCode, body))
	}
	return out
}

func get(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n" }

// both runs a test over TCP, where loops serve, and over pipes, where goroutines
// do.
func both(t *testing.T, do func(t *testing.T, l net.Listener, dial func() net.Conn)) {
	t.Run("loop", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		do(t, l, func() net.Conn {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			return c
		})
	})
	t.Run("goroutine", func(t *testing.T) {
		l := newPipes()
		do(t, l, l.dial)
	})
}

func TestServe(t *testing.T) {
	both(t, func(t *testing.T, l net.Listener, dial func() net.Conn) {
		s := start(t, l, echo{}, nil)
		c := dial()
		defer c.Close()
		wire := get("/1") + get("/slow/2") + "POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab" + get("/slow/4") + get("/5")
		if got := fmt.Sprint(exchange(t, c, wire, 5)); got != "[200 /1 200 /slow/2 200 /3 200 /slow/4 200 /5]" {
			t.Errorf("got %s", got)
		}
		// In pieces.
		go func() {
			for _, octet := range get("/in/pieces") {
				io.WriteString(c, string(octet))
			}
		}()
		if got := exchange(t, c, "", 1)[0]; got != "200 /in/pieces" {
			t.Errorf("got %s", got)
		}
		for i, path := range []string{"/panic", "/slow/panic"} {
			p := dial()
			if got := exchange(t, p, get(path), 1)[0]; got != "500 " || int(s.panics.Load()) != i+1 {
				t.Errorf("%s: got %s and %d panics", path, got, s.panics.Load())
			}
			p.Close()
		}
		for i, odd := range []string{get("/1") + "PUT /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", get("/1") + get("/leave"), get("/slow/1") + get("/1 2"), get("/1") + "\r\n" + get("/2")} {
			p := dial()
			if got := exchange(t, p, odd, 2); got[1] != "418 " && !strings.HasPrefix(got[1], "none") || int(s.handed.Load()) != i+1 {
				t.Errorf("%q: got %q and %d handed over", odd, got, s.handed.Load())
			}
			p.Close()
		}
		if got := exchange(t, c, get("/still/there"), 1)[0]; got != "200 /still/there" {
			t.Errorf("got %s", got)
		}
		p := dial()
		if got := exchange(t, p, "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"+get("/more"), 1)[0]; got != "200 /last" {
			t.Errorf("got %s", got)
		}
		if n, err := io.Copy(io.Discard, p); n > 0 && err == nil {
			t.Errorf("%d octets came after the last answer", n)
		}
		if err := s.stop(t, 5*time.Second); err != nil || s.Open() != 0 {
			t.Errorf("stopping: %v, %d connections left", err, s.Open())
		}
	})
}

// A peer that asks and does not read costs the others nothing, and gets all its
// answers when it reads.
func TestSlowReader(t *testing.T) {
	both(t, func(t *testing.T, l net.Listener, dial func() net.Conn) {
		s := start(t, l, echo{}, nil)
		lazy, c := dial(), dial()
		defer lazy.Close()
		defer c.Close()
		const n = 1500
		go io.WriteString(lazy, strings.Repeat(get("/large"), n))
		time.Sleep(100 * time.Millisecond)
		if got := exchange(t, c, get("/quick"), 1)[0]; got != "200 /quick" {
			t.Errorf("got %s", got)
		}
		lazy.SetDeadline(time.Now().Add(time.Minute))
		in := bufio.NewReader(lazy)
		for i := range n {
			response, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatalf("answer %d: %v", i, err)
			}
			if octets, err := io.Copy(io.Discard, response.Body); err != nil || octets != 20_000 {
				t.Fatalf("answer %d has %d octets: %v", i, octets, err)
			}
		}
		c.Close()
		lazy.Close()
		if err := s.stop(t, 5*time.Second); err != nil {
			t.Error(err)
		}
	})
}

// Whoever sends slowly, or nothing, is cut off in time; whoever is quick in the
// end is answered.
func TestTimeLimits(t *testing.T) {
	limits := func(c *http1.Config) { c.ReadTimeout, c.IdleTimeout = 5*time.Second, 20*time.Second }
	ended := func(t *testing.T, c net.Conn, from time.Time, least, most time.Duration) {
		t.Helper()
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("an answer came")
		}
		if took := time.Since(from); took < least || took > most {
			t.Errorf("cut off after %v", took)
		}
	}
	t.Run("goroutine", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newPipes()
			s := start(t, l, echo{}, limits)
			begun := time.Now()
			silent, idle, slow := l.dial(), l.dial(), l.dial()
			io.WriteString(idle, get("/"))
			if _, err := http.ReadResponse(bufio.NewReader(idle), nil); err != nil {
				t.Fatal(err)
			}
			go func() {
				for i := range 30 {
					if _, err := io.WriteString(slow, get("/slow/loris")[i:i+1]); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			}()
			ended(t, slow, begun, 5*time.Second, 6*time.Second)
			ended(t, silent, begun, 5*time.Second, 6*time.Second)
			ended(t, idle, begun, 10*time.Second, 20*time.Second)
			if err := s.stop(t, time.Second); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("loop", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := start(t, l, echo{}, func(c *http1.Config) { c.ReadTimeout, c.IdleTimeout = 300*time.Millisecond, time.Hour })
		begun := time.Now()
		for _, wire := range []string{"", "GET /slow/lor"} {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			io.WriteString(c, wire)
			ended(t, c, begun, 300*time.Millisecond, 10*time.Second)
		}
		if err := s.stop(t, 5*time.Second); err != nil {
			t.Error(err)
		}
	})
}

// Each of the requests that come one after another has its own time, wherever
// the octets are cut.
func TestTimeLimitIsThatOfOneRequest(t *testing.T) {
	const n = 20
	pieces := func(c net.Conn, pause time.Duration) (answers int) {
		defer c.Close()
		go func() {
			wire := get("/")
			io.WriteString(c, wire[:5])
			for range n {
				time.Sleep(pause)
				if _, err := io.WriteString(c, wire[5:]+wire[:5]); err != nil {
					return
				}
			}
		}()
		in := bufio.NewReader(c)
		for ; answers < n; answers++ {
			response, err := http.ReadResponse(in, nil)
			if err != nil {
				break
			}
			io.Copy(io.Discard, response.Body)
		}
		return answers
	}
	t.Run("goroutine", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newPipes()
			s := start(t, l, echo{}, func(c *http1.Config) { c.ReadTimeout = 5 * time.Second })
			if got := pieces(l.dial(), time.Second); got != n {
				t.Errorf("cut off after %d answers", got)
			}
			if err := s.stop(t, time.Second); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("loop", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := start(t, l, echo{}, func(c *http1.Config) { c.ReadTimeout = time.Second })
		// On a busy machine a piece may be late itself, but not each time.
		for tries, got := 10, 0; got != n; tries-- {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			if got = pieces(c, 120*time.Millisecond); tries == 0 {
				t.Fatalf("cut off each time, now after %d answers", got)
			}
		}
		if err := s.stop(t, 60*time.Second); err != nil {
			t.Error(err)
		}
	})
}

// A server that stops finishes what it has begun, and closes what waits.
func TestShutdown(t *testing.T) {
	both(t, func(t *testing.T, l net.Listener, dial func() net.Conn) {
		release, begun := make(chan struct{}), make(chan struct{})
		s := start(t, l, echo{wait: func(string) { close(begun); <-release }}, nil)
		idle, busy := dial(), dial()
		defer idle.Close()
		defer busy.Close()
		if got := exchange(t, idle, get("/"), 1)[0]; got != "200 /" {
			t.Errorf("got %s", got)
		}
		answers := make(chan []string, 1)
		go func() { answers <- exchange(t, busy, get("/slow"), 1) }()
		<-begun
		stopped := make(chan error, 1)
		go func() { stopped <- s.stop(t, 20*time.Second) }()
		if _, err := idle.Read(make([]byte, 1)); err == nil {
			t.Error("a connection that waited got an answer")
		}
		select {
		case err := <-stopped:
			t.Errorf("stopped before the answer was given: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
		close(release)
		if got := (<-answers)[0]; got != "200 /slow" {
			t.Errorf("got %s", got)
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
	t.Run("cut off", func(t *testing.T) {
		both(t, func(t *testing.T, l net.Listener, dial func() net.Conn) {
			release, begun := make(chan struct{}), make(chan struct{})
			s := start(t, l, echo{wait: func(string) { close(begun); <-release }}, nil)
			c := dial()
			defer c.Close()
			go io.WriteString(c, get("/slow"))
			<-begun
			if err := s.stop(t, 50*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			close(release)
		})
	})
}

func TestNewRefuses(t *testing.T) {
	if _, err := http1.New(http1.Config{Handler: echo{}}); err == nil {
		t.Error("a server without limits was made")
	}
}

// Many connections come, ask and go at once.
func TestCrowd(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, l, echo{wait: func(string) { time.Sleep(time.Millisecond) }}, nil)
	var group sync.WaitGroup
	for g := range 40 {
		group.Go(func() {
			for i := range 8 {
				c, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				var wire, want strings.Builder
				for k := range 10 {
					path := fmt.Sprintf("/%d/%d/%d", g, i, k)
					if k%3 == g%3 {
						path = "/slow" + path
					}
					wire.WriteString(get(path))
					fmt.Fprintf(&want, "200 %s ", path)
				}
				if got := strings.Join(exchange(t, c, wire.String(), 10), " ") + " "; got != want.String() {
					t.Errorf("got %s", got)
				}
				c.Close()
			}
		})
	}
	group.Wait()
	if err := s.stop(t, 5*time.Second); err != nil || s.Open() != 0 {
		t.Errorf("stopping: %v, %d connections left", err, s.Open())
	}
}
