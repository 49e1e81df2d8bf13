package serve_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/internal/serve"
)

// A slow client is cut off when its time is over, whatever it is slow at.
func TestSlowClients(t *testing.T) {
	read := func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusRequestTimeout)
		}
	}
	large := func(w http.ResponseWriter, _ *http.Request) {
		for range 1 << 10 {
			if _, err := w.Write(make([]byte, 1<<10)); err != nil {
				return
			}
		}
	}
	const most = 20 * time.Second // for whatever is being tested
	for _, row := range []struct {
		name    string
		server  serve.Server
		first   string // at once
		send    string // one octet each second
		answers bool   // reads what the server answers
	}{
		{"header", serve.Server{Handler: http.HandlerFunc(ok), ReadHeaderTimeout: most, ReadTimeout: time.Hour},
			"", "GET / HTTP/1.1\r\nHost: a\r\nX-A: bbbbbbbbbbbbbbbbbbbb\r\n\r\n", true},
		{"body", serve.Server{Handler: http.HandlerFunc(read), ReadTimeout: most},
			"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n", strings.Repeat("x", 99), true},
		{"no word", serve.Server{Handler: http.HandlerFunc(ok), ReadHeaderTimeout: most, ReadTimeout: time.Hour}, "", "", true},
		{"header, with only the whole request's time set", serve.Server{Handler: http.HandlerFunc(ok), ReadHeaderTimeout: time.Hour, ReadTimeout: most},
			"", "GET / HTTP/1.1\r\nHost: a\r\nX-A: bbbbbbbbbbbbbbbbbbbb\r\n\r\n", true},
		{"handshake", serve.Server{Handler: http.HandlerFunc(ok), ReadHeaderTimeout: most, ReadTimeout: time.Hour, TLS: &tls.Config{
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("never asked") }}},
			// A handshake record of 256 octets that never becomes whole.
			"", "\x16\x03\x01\x01\x00" + strings.Repeat("\x01", 99), true},
		{"reading", serve.Server{Handler: http.HandlerFunc(large), WriteTimeout: most, ReadTimeout: time.Hour},
			"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newPipeListener()
				row.server.Name, row.server.Listener = "a", l
				group := start(nil, []serve.Server{row.server})
				c, err := l.dial(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				begun := time.Now()
				if row.answers {
					go io.Copy(io.Discard, c)
				}
				if _, err := io.WriteString(c, row.first); err != nil {
					t.Fatal(err)
				}
				for i := range len(row.send) {
					if _, err := io.WriteString(c, row.send[i:i+1]); err != nil {
						break
					}
					time.Sleep(time.Second)
				}
				// The connection is cut when writing to it fails.
				for {
					if _, err := c.Write([]byte("x")); err != nil {
						break
					}
					time.Sleep(time.Second)
				}
				if took := time.Since(begun); took < most || took > most+2*time.Second {
					t.Errorf("cut off after %v, want %v", took, most)
				}
				if err := group.end(); err != nil {
					t.Error(err)
				}
			})
		})
	}
	t.Run("idle", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newPipeListener()
			group := start(nil, []serve.Server{{Name: "a", Listener: l, Handler: http.HandlerFunc(ok), IdleTimeout: most}})
			c, err := l.dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			go io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			in := bufio.NewReader(c)
			response, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, response.Body)
			begun := time.Now()
			if _, err := in.ReadByte(); err != io.EOF {
				t.Errorf("got %v, want EOF", err)
			}
			if took := time.Since(begun); took != most {
				t.Errorf("cut off after %v, want %v", took, most)
			}
			if err := group.end(); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestLongPoll(t *testing.T) {
	news := make(chan string)
	wait := func(w http.ResponseWriter, r *http.Request) {
		select {
		case n := <-news:
			io.WriteString(w, n)
		case <-r.Context().Done():
			io.WriteString(w, "nothing")
		}
	}
	server := func(l net.Listener) []serve.Server {
		return []serve.Server{{Name: "ca", Listener: l, Handler: http.HandlerFunc(wait), ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second,
			LongPoll: func(r *http.Request) bool { return r.URL.Path == "/v1/journal" }}}
	}
	t.Run("outlasts the timeouts", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newPipeListener()
			news = make(chan string)
			group := start(nil, server(l))
			go func() { time.Sleep(time.Minute); news <- "entry" }()
			begun := time.Now()
			if _, body := get(t, l.client(t), "/v1/journal"); body != "entry" {
				t.Errorf("got %q", body)
			}
			if took := time.Since(begun); took != time.Minute {
				t.Errorf("it took %v", took)
			}
			if err := group.end(); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("ends with the server", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newPipeListener()
			news = make(chan string)
			group := start(nil, server(l))
			go func() { time.Sleep(time.Second); group.stop() }()
			begun := time.Now()
			if _, body := get(t, l.client(t), "/v1/journal"); body != "nothing" {
				t.Errorf("got %q", body)
			}
			if took := time.Since(begun); took > 2*time.Second {
				t.Errorf("it took %v", took)
			}
			if err := <-group.ended; err != nil {
				t.Error(err)
			}
		})
	})
}

func TestMaxConns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		group := start(nil, []serve.Server{{Name: "a", Listener: l, Handler: http.HandlerFunc(ok), MaxConns: 2}})
		var conns []net.Conn
		for range 2 {
			c, err := l.dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
		}
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if c, err := l.dial(soon); err == nil {
			c.Close()
			t.Error("a third connection was accepted")
		}
		conns[0].Close()
		c, err := l.dial(t.Context())
		if err != nil {
			t.Fatalf("after one was closed: %v", err)
		}
		c.Close()
		conns[1].Close()
		if err := group.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestStopWhileFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		group := start(nil, []serve.Server{{Name: "a", Listener: l, Handler: http.HandlerFunc(ok), MaxConns: 1}})
		c, err := l.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := group.end(); err != nil {
			t.Error(err)
		}
	})
}

// callers is a listener of connections from made-up addresses.
type callers struct {
	net.Listener
	calls chan net.Conn
}

func (c *callers) Accept() (net.Conn, error) {
	call, ok := <-c.calls
	if !ok {
		return nil, net.ErrClosed
	}
	return call, nil
}

type caller struct {
	net.Conn
	from net.Addr
}

func (c caller) RemoteAddr() net.Addr { return c.from }

// One host that opens connections and says nothing does not keep the others
// out.
func TestOneNetworkDoesNotTakeAllConnections(t *testing.T) {
	const most = 256
	l := &callers{calls: make(chan net.Conn)}
	limited := serve.NewLimitListener(l, most)
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			c, err := limited.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	// call reports whether the connection is let in.
	call := func(from string) net.Conn {
		near, far := net.Pipe()
		l.calls <- caller{far, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from))}
		ended := make(chan struct{})
		go func() {
			near.Read(make([]byte, 1))
			close(ended)
		}()
		select {
		case c := <-accepted:
			return c
		case <-ended:
			return nil
		}
	}
	open := func(format string, calls int) (conns []net.Conn) {
		for i := range calls {
			if c := call(fmt.Sprintf(format, i)); c != nil {
				conns = append(conns, c)
			}
		}
		return conns
	}
	if got := len(open("[2001:db8::%x]:1000", most)); got != most/2 {
		t.Errorf("one network has %d of %d connections, want half", got, most)
	}
	others := open("192.0.2.1:%d", 100)
	if len(others) != most/8 {
		t.Errorf("another one has %d, want an eighth", len(others))
	}
	if got := len(open("198.51.100.%d:1000", 90)); got != 90 {
		t.Errorf("of 90 others %d were let in", got)
	}
	others[0].Close()
	others[0].Close()
	if call("192.0.2.1:1") == nil || call("192.0.2.1:1") != nil {
		t.Error("a connection that ended does not make room for just one")
	}
	if call("127.0.0.1:1") == nil {
		t.Error("this host is bounded")
	}
	close(l.calls)
	<-accepted
}
