package serve

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/altamga/altamga/internal/http1"
)

// front serves plain requests in front of net/http, to which it is the listener
// of the connections that it hands over.
type front struct {
	*http1.Server
	address net.Addr
	handed  chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

// front returns what stands before net/http, or nil for nothing.
func (s *Server) front(log *slog.Logger, ctx context.Context) *front {
	if s.Plain == nil || s.TLS != nil || log.Enabled(ctx, slog.LevelDebug) {
		return nil
	}
	f := &front{address: s.Listener.Addr(), handed: make(chan net.Conn), closed: make(chan struct{})}
	server, err := http1.New(http1.Config{
		Handler: s.Plain, Handover: f.take,
		ReadTimeout: s.ReadHeaderTimeout, WriteTimeout: s.WriteTimeout, IdleTimeout: s.IdleTimeout,
		Panicked: func(v any, stack []byte) {
			log.ErrorContext(ctx, "handler panicked", "server", s.Name, "panic", fmt.Sprint(v), "stack", string(stack))
		},
	})
	if err != nil {
		panic(err) // the defaults of all limits are set
	}
	f.Server = server
	return f
}

// take gives the connection to whoever accepts.
func (f *front) take(c net.Conn) {
	select {
	case f.handed <- c:
	case <-f.closed:
		c.Close()
	}
}

// Accept implements [net.Listener].
func (f *front) Accept() (net.Conn, error) {
	select {
	case c := <-f.handed:
		return c, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (f *front) Close() error {
	f.once.Do(func() { close(f.closed) })
	return nil
}

// Addr implements [net.Listener].
func (f *front) Addr() net.Addr { return f.address }
