package http1

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Handler answers plain requests. An answer is its status line, header and
// content as they go over the wire, appended to out. It must be delimited by
// its Content-Length and say "Connection: close" when the request does. A
// Handler is used by many connections at once.
type Handler interface {
	// Ready appends the answer when it lies ready. It must not block. now is
	// the time.
	Ready(out []byte, r *Request, now time.Time) ([]byte, bool)
	// Make appends an answer that Ready did not have. It may take its time,
	// within ctx, which ends when the server is cut off. It reports false to
	// leave the request to net/http, having done nothing.
	Make(ctx context.Context, out []byte, r *Request) ([]byte, bool)
}

// Config is what a [Server] is made of.
type Config struct {
	// Handler answers. Required.
	Handler Handler
	// Handover takes a connection whose next request is odd; the octets that
	// were read are read again from it. It returns soon. Required.
	Handover func(net.Conn)
	// ReadTimeout bounds the time from a request's first octet to its last, and
	// how long a new connection waits for its first request. Required, as are
	// the others.
	ReadTimeout time.Duration
	// WriteTimeout bounds how long an answer may take to be taken. A peer that
	// stops reading is cut off after half of it at least, all of it at most.
	WriteTimeout time.Duration
	// IdleTimeout bounds how long a connection waits for its next request,
	// counted like WriteTimeout.
	IdleTimeout time.Duration
	// Panicked is told what a Handler panicked with; nil tells nobody. The
	// client is answered 500.
	Panicked func(v any, stack []byte)
}

// Server serves plain requests.
type Server struct {
	Config
	ctx      context.Context
	cut      context.CancelFunc
	stopping atomic.Bool
	mu       sync.Mutex
	conns    map[*conn]struct{}
	poller   *poller // nil when each connection has a goroutine
	serving  sync.WaitGroup
}

// New checks the configuration and returns a server.
func New(c Config) (*Server, error) {
	if c.Handler == nil || c.Handover == nil || c.ReadTimeout <= 0 || c.WriteTimeout <= 0 || c.IdleTimeout <= 0 {
		return nil, errors.New("http1: a server has a handler, a way to hand over, and time limits")
	}
	server := &Server{Config: c, conns: make(map[*conn]struct{})}
	server.ctx, server.cut = context.WithCancel(context.Background())
	return server, nil
}

// Serve answers the connections of l until l is closed, and returns the error
// of Accept. It may be called once; Shutdown ends what it started.
func (s *Server) Serve(l net.Listener) error {
	pause := time.Duration(0)
	for {
		accepted, err := l.Accept()
		if err != nil {
			// Out of file descriptors, say: connections that end will help.
			if temporary, ok := errors.AsType[interface {
				error
				Temporary() bool
			}](err); ok && temporary.Temporary() && !s.stopping.Load() {
				pause = min(max(2*pause, 5*time.Millisecond), time.Second)
				time.Sleep(pause)
				continue
			}
			return err
		}
		pause = 0
		if tcp := pollable(accepted); tcp != nil {
			if poller := s.polling(); poller != nil && poller.add(accepted, tcp) {
				continue
			}
		}
		if !s.start(&conn{Conn: accepted, exchange: exchange{server: s}}) {
			accepted.Close()
		}
	}
}

// polling returns the poller, which the first connection for it starts.
func (s *Server) polling() *poller {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.poller == nil && !s.stopping.Load() {
		s.poller = s.newPoller()
	}
	return s.poller
}

// start serves c on a goroutine, unless the server stops.
func (s *Server) start(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Load() {
		return false
	}
	s.conns[c] = struct{}{}
	s.serving.Add(1)
	go c.serve()
	return true
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.serving.Done()
}

// Shutdown ends connections that wait for a request, lets the others finish
// theirs, and returns when all have ended; when ctx ends first it cuts them off
// and returns its error. The listener is the caller's to close, before.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopping.Store(true)
	for c := range s.conns {
		// Wakes a connection that waits; one that works looks at stopping
		// before it waits.
		_ = c.SetReadDeadline(time.Now())
	}
	poller := s.poller
	s.mu.Unlock()
	if poller != nil {
		poller.stop()
	}
	done := make(chan struct{})
	go func() {
		s.serving.Wait()
		close(done)
	}()
	defer s.cut()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.cut()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	if poller != nil {
		poller.cut()
	}
	return ctx.Err()
}

// Shed makes room for a connection more, soon, by ending those that have waited
// longest for a request: one of each poller's loop, if one has for a second or
// more. Without a poller it does nothing.
func (s *Server) Shed() {
	s.mu.Lock()
	poller := s.poller
	s.mu.Unlock()
	if poller != nil {
		poller.shed()
	}
}

// Open returns how many connections are open.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.conns)
	if s.poller != nil {
		n += s.poller.open()
	}
	return n
}
