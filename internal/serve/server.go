package serve

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/altamga/altamga/internal/http1"
)

// Server is one listener and the handler behind it. The zero value of every
// limit is the default that its comment names.
type Server struct {
	// Name tells this server from the others in logs and errors.
	Name string
	// Listener is open already, so that a port in use is found before
	// anything starts. Run closes it.
	Listener net.Listener
	// TLS is nil for plain HTTP.
	TLS     *tls.Config
	Handler http.Handler
	// Plain, when not nil, answers the plain requests of connections without
	// TLS itself, at a fraction of the cost; Handler gets all others and must
	// answer a plain one alike. What stands around Handler (X-Request-Id, the
	// log of requests at debug level) does not stand around Plain: with that
	// log switched on, everything is Handler's.
	Plain http1.Handler

	// ReadHeaderTimeout bounds the TLS handshake and the header: 5 s.
	ReadHeaderTimeout time.Duration
	// ReadTimeout bounds the whole request with its body: 15 s. A handler
	// that works longer than this sees its context end.
	ReadTimeout time.Duration
	// WriteTimeout bounds the time from the header's end to the answer's
	// last octet: 30 s.
	WriteTimeout time.Duration
	// IdleTimeout is how long a connection may wait for its next request:
	// 60 s.
	IdleTimeout time.Duration
	// MaxHeaderBytes bounds request line and header: 16 KiB. net/http adds
	// 4 KiB of its own.
	MaxHeaderBytes int
	// MaxBody bounds every request body in octets: 1 MiB. Handlers set their
	// own, smaller bounds; this one is for the handler that forgot.
	MaxBody int64
	// MaxConns bounds the open connections: 4096. Those beyond it wait in the
	// kernel's queue. When half of them are open, one network (an IPv4 address,
	// a /64 of IPv6) gets an eighth of them at most. When all are, those that
	// Plain answers make room by who has waited longest for a request.
	MaxConns int
	// Grace is how long requests may go on after the server is asked to stop:
	// 10 s. Then their connections are cut, and Run says so.
	Grace time.Duration

	// LongPoll says of a request that it waits for news (the journal of the
	// CA). Such a request may last LongPollTimeout, 90 s, instead of
	// ReadTimeout and WriteTimeout; its context ends as soon as the server is
	// asked to stop, and its handler then answers with what there is. Nil:
	// no request does.
	LongPoll        func(*http.Request) bool
	LongPollTimeout time.Duration
}

func (s *Server) setDefaults() {
	s.ReadTimeout = positive(s.ReadTimeout, 15*time.Second)
	// net/http looks at ReadTimeout only when the header is complete.
	s.ReadHeaderTimeout = min(positive(s.ReadHeaderTimeout, 5*time.Second), s.ReadTimeout)
	s.WriteTimeout = positive(s.WriteTimeout, 30*time.Second)
	s.IdleTimeout = positive(s.IdleTimeout, time.Minute)
	s.MaxHeaderBytes = positive(s.MaxHeaderBytes, 16<<10)
	s.MaxBody = positive(s.MaxBody, 1<<20)
	s.MaxConns = positive(s.MaxConns, 4096)
	s.Grace = positive(s.Grace, 10*time.Second)
	s.LongPollTimeout = positive(s.LongPollTimeout, 90*time.Second)
}

// positive keeps no limit from being switched off: neither zero nor a negative
// number means "unlimited" here, as it does in net/http.
func positive[N ~int | ~int64](n, otherwise N) N {
	if n > 0 {
		return n
	}
	return otherwise
}

func (s *Server) check() error {
	switch {
	case s.Name == "":
		return errors.New("a server has no name")
	case s.Listener == nil:
		return fmt.Errorf("server %s has no listener", s.Name)
	case s.Handler == nil:
		return fmt.Errorf("server %s has no handler", s.Name)
	}
	return nil
}

// httpServer builds the net/http server whose handlers see stopping closed
// when they should finish.
func (s *Server) httpServer(log *slog.Logger, stopping <-chan struct{}) *http.Server {
	return &http.Server{
		Handler:           s.handler(log, stopping),
		TLSConfig:         s.TLS,
		ReadHeaderTimeout: s.ReadHeaderTimeout,
		ReadTimeout:       s.ReadTimeout,
		WriteTimeout:      s.WriteTimeout,
		IdleTimeout:       s.IdleTimeout,
		MaxHeaderBytes:    s.MaxHeaderBytes,
		// What net/http complains about is what peers did: aborted handshakes
		// and the like. It is for the one who looks for it.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
