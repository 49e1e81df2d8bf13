package serve_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/internal/serve"
)

// pipeListener accepts the server ends of pipes, so that servers run inside a
// synctest bubble, in virtual time.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

func (l *pipeListener) dial(ctx context.Context) (net.Conn, error) {
	server, client := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// client returns an HTTP client that reaches l.
func (l *pipeListener) client(t *testing.T) *http.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return l.dial(ctx) }}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// running is a group in its own goroutine.
type running struct {
	stop  context.CancelFunc
	ended chan error
}

func start(log *slog.Logger, servers []serve.Server, loops ...serve.Loop) *running {
	ctx, stop := context.WithCancel(context.Background())
	r := &running{stop: stop, ended: make(chan error, 1)}
	go func() { r.ended <- serve.Run(ctx, log, servers, loops) }()
	return r
}

// end stops the group and returns what Run returned.
func (r *running) end() error {
	r.stop()
	return <-r.ended
}

func ok(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "fine") }

func get(t *testing.T, client *http.Client, path string) (*http.Response, string) {
	t.Helper()
	response, err := client.Get("http://server" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func TestGracefulStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		var order []string
		handler := func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(4 * time.Second)
			if err := r.Context().Err(); err != nil {
				t.Errorf("the request's context ended: %v", err)
			}
			order = append(order, "request")
			io.WriteString(w, "issued")
		}
		loop := func(ctx context.Context) error {
			<-ctx.Done()
			order = append(order, "loop")
			return ctx.Err()
		}
		group := start(nil, []serve.Server{{Name: "ca", Listener: l, Handler: http.HandlerFunc(handler)}}, serve.Loop{Name: "follower", Run: loop})
		client := l.client(t)
		answered := make(chan string)
		go func() {
			response, err := client.Get("http://server/")
			if err != nil {
				answered <- err.Error()
				return
			}
			body, _ := io.ReadAll(response.Body)
			response.Body.Close()
			answered <- string(body)
		}()
		time.Sleep(time.Second)
		group.stop()
		synctest.Wait()
		if _, err := client.Get("http://server/"); err == nil {
			t.Error("a connection was accepted after the stop")
		}
		if got := <-answered; got != "issued" {
			t.Errorf("the request in work: got %q, want %q", got, "issued")
		}
		if err := <-group.ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if got := strings.Join(order, ", "); got != "request, loop" {
			t.Errorf("what ended first: got %s", got)
		}
	})
}

func TestGraceIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		stuck := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
		group := start(nil, []serve.Server{{Name: "ca", Listener: l, Handler: http.HandlerFunc(stuck),
			ReadTimeout: time.Hour, WriteTimeout: time.Hour, Grace: 3 * time.Second}})
		client := l.client(t)
		go client.Get("http://server/")
		synctest.Wait()
		begun := time.Now()
		err := group.end()
		if err == nil || err.Error() != "stopping ca: requests were still in work after 3s" {
			t.Errorf("got %v", err)
		}
		if took := time.Since(begun); took != 3*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestFirstFailureStopsAll(t *testing.T) {
	untilAsked := serve.Loop{Name: "other", Run: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	errLost := errors.New("register lost")
	for _, row := range []struct {
		name string
		run  func(context.Context) error
		want string
		is   error
	}{
		{"error", func(context.Context) error { return errLost }, "running follower: register lost", errLost},
		{"end", func(context.Context) error { return nil }, "running follower: it ended before it was asked to", nil},
		{"panic", func(context.Context) error { panic("at the disco") }, "running follower: panic: at the disco", nil},
	} {
		t.Run("loop: "+row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				group := start(nil, []serve.Server{{Name: "ca", Listener: newPipeListener(), Handler: http.HandlerFunc(ok)}},
					untilAsked, serve.Loop{Name: "follower", Run: row.run})
				err := <-group.ended
				if err == nil || err.Error() != row.want || row.is != nil && !errors.Is(err, row.is) {
					t.Errorf("got %v, want %s", err, row.want)
				}
			})
		})
	}
	t.Run("listener lost", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newPipeListener()
			group := start(nil, []serve.Server{{Name: "ca", Listener: l, Handler: http.HandlerFunc(ok)}}, untilAsked)
			synctest.Wait()
			l.Close()
			if err := <-group.ended; err == nil || !strings.HasPrefix(err.Error(), "serving ca: ") {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("loop that fails while it ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			group := start(nil, nil, serve.Loop{Name: "follower", Run: func(ctx context.Context) error { <-ctx.Done(); return errLost }})
			synctest.Wait()
			if err := group.end(); !errors.Is(err, errLost) {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("loop that does not end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			stuck := func(context.Context) error { <-release; return nil }
			group := start(nil, nil, serve.Loop{Name: "a", Run: stuck}, untilAsked, serve.Loop{Name: "b", Run: stuck})
			synctest.Wait()
			if err := group.end(); err == nil || err.Error() != "stopping a, b: still running after 10s" {
				t.Errorf("got %v", err)
			}
			close(release)
		})
	})
}

func TestRunRefuses(t *testing.T) {
	handler := http.HandlerFunc(ok)
	for _, row := range []struct {
		name    string
		servers []serve.Server
		loops   []serve.Loop
	}{
		{"nothing", nil, nil},
		{"no name", []serve.Server{{Listener: newPipeListener(), Handler: handler}}, nil},
		{"no listener", []serve.Server{{Name: "a", Handler: handler}}, nil},
		{"no handler", []serve.Server{{Name: "a", Listener: newPipeListener()}}, nil},
		{"two of one name", []serve.Server{{Name: "a", Listener: newPipeListener(), Handler: handler}, {Name: "a", Listener: newPipeListener(), Handler: handler}}, nil},
		{"loop without work", nil, []serve.Loop{{Name: "a"}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := serve.Run(t.Context(), nil, row.servers, row.loops); err == nil {
				t.Fatal("it ran")
			}
			for _, s := range row.servers {
				if l, ok := s.Listener.(*pipeListener); ok {
					if _, err := l.Accept(); err == nil {
						t.Error("a listener stayed open")
					}
				}
			}
		})
	}
}
