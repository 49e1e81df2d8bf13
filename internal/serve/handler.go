package serve

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"
)

// requestIDHeader names a request in its answer and, when the client chose a
// name, in the request.
const requestIDHeader = "X-Request-Id"

type requestIDKey struct{}

// RequestID returns the name of the request that ctx belongs to, or "" outside
// of requests.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// LogRequestID returns a handler that adds the attribute "request" with the
// request's name to each record that is logged with a request's context.
func LogRequestID(h slog.Handler) slog.Handler { return logHandler{h} }

type logHandler struct{ slog.Handler }

func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	if id := RequestID(ctx); id != "" {
		r = r.Clone()
		r.AddAttrs(slog.String("request", id))
	}
	return h.Handler.Handle(ctx, r)
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs)}
}

func (h logHandler) WithGroup(name string) slog.Handler {
	return logHandler{h.Handler.WithGroup(name)}
}

// handler wraps the server's handler in everything that all servers share.
func (s *Server) handler(log *slog.Logger, stopping <-chan struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		id := r.Header.Get(requestIDHeader)
		if !goodRequestID(id) {
			id = rand.Text()
		}
		w.Header().Set(requestIDHeader, id)
		ctx := context.WithValue(r.Context(), requestIDKey{}, id)
		if s.LongPoll != nil && s.LongPoll(r) {
			var cancel context.CancelFunc
			ctx, cancel = s.longPoll(ctx, w, stopping)
			defer cancel()
		}
		r = r.WithContext(ctx)
		if len(r.TransferEncoding) > 0 {
			// RFC 9112, Section 6.1: where a request had a Content-Length as well,
			// which net/http drops in silence, what follows it may be what another
			// took for its body. So nothing follows a request in chunks.
			w.Header().Set("Connection", "close")
		}
		a := &answer{ResponseWriter: w}
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = http.MaxBytesReader(w, r.Body, s.MaxBody)
		}
		defer func() {
			if v := recover(); v != nil {
				s.recovered(log, v, a, r, id)
			}
			if log.Enabled(ctx, slog.LevelDebug) {
				log.DebugContext(ctx, "request", "server", s.Name, "request", id, "method", r.Method,
					"path", shorten(r.URL.Path), "status", a.status, "octets", a.octets, "took", time.Since(start))
			}
		}()
		s.Handler.ServeHTTP(a, r)
		if a.status == 0 {
			// net/http answers so for a handler that wrote nothing.
			a.status = http.StatusOK
		}
	})
}

// longPoll gives a request LongPollTimeout and a context that ends when the
// server is asked to stop.
func (s *Server) longPoll(ctx context.Context, w http.ResponseWriter, stopping <-chan struct{}) (context.Context, context.CancelFunc) {
	// The read deadline too: while the handler works, net/http reads ahead to
	// notice a client that goes away, and a read that times out ends the
	// request's context. Where a connection knows no deadlines there is
	// nothing to lift.
	deadline := time.Now().Add(s.LongPollTimeout)
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(deadline)
	_ = control.SetWriteDeadline(deadline)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// recovered answers for a handler that panicked: 500 if nothing was sent yet,
// else an aborted connection, so that nobody takes the torso for an answer.
func (s *Server) recovered(log *slog.Logger, v any, a *answer, r *http.Request, id string) {
	if v == http.ErrAbortHandler {
		panic(v)
	}
	log.ErrorContext(r.Context(), "handler panicked", "server", s.Name, "request", id, "method", r.Method,
		"path", shorten(r.URL.Path), "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	if a.status != 0 {
		panic(http.ErrAbortHandler)
	}
	clear(a.Header())
	a.Header().Set(requestIDHeader, id)
	a.Header().Set("Cache-Control", "no-store")
	http.Error(a, "internal error", http.StatusInternalServerError)
}

// answer remembers what was answered.
type answer struct {
	http.ResponseWriter
	status int
	octets int64
}

func (a *answer) WriteHeader(status int) {
	// Informational answers (100, 103) are followed by the real one.
	if a.status == 0 && status >= 200 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	n, err := a.ResponseWriter.Write(p)
	a.octets += int64(n)
	return n, err
}

// ReadFrom lets the kernel send a file by itself.
func (a *answer) ReadFrom(from io.Reader) (int64, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	n, err := io.Copy(a.ResponseWriter, from)
	a.octets += n
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// goodRequestID accepts names that can stand in a log line as they are.
func goodRequestID(id string) bool {
	if len(id) == 0 || len(id) > 64 {
		return false
	}
	for _, c := range []byte(id) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// shorten keeps an OCSP request in a path from filling the log.
func shorten(path string) string {
	const most = 96
	if len(path) > most {
		return path[:most] + "..."
	}
	return path
}
