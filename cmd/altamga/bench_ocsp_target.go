package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/altamga/altamga/internal/http1"
	"github.com/altamga/altamga/internal/serve"
	"github.com/altamga/altamga/ocsp"
	"github.com/altamga/altamga/ocsp/rediscache"
	"github.com/altamga/altamga/ocsp/rediscache/bare"
)

// benchTarget is a server that `bench ocsp` measures, in a process of its own.
// The responder in it is the one that `ocsp serve` runs, on a register in
// memory.
type benchTarget struct {
	Kind  string `enum:"raw,memory,nethttp,redis,get,miss,bypass" required:""`
	Dir   string `required:""`
	Redis string
}

// benchAnswerLength is about what an answer of the measured responder has.
const benchAnswerLength = 840

func (c benchTarget) Run(ctx context.Context, std streams) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ready := func() { fmt.Fprintln(std.out, listener.Addr()) }
	if c.Kind == "raw" {
		ready()
		head := "HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\nX-Content-Type-Options: nosniff\r\nDate: Sun, 22 Nov 2026 13:54:20 GMT\r\n" +
			"Cache-Control: max-age=59, public, no-transform, must-revalidate\r\nExpires: Sun, 22 Nov 2026 13:54:20 GMT\r\n"
		return epollServe(listener.(*net.TCPListener), fmt.Appendf(nil, "%sContent-Length: %d\r\n\r\n%s", head, benchAnswerLength, bytes.Repeat([]byte("x"), benchAnswerLength)))
	}
	centre, err := openOCSPCentre(c.Dir)
	if err != nil {
		return err
	}
	server := serve.Server{Name: "ocsp", Listener: listener}
	loops := []serve.Loop{{Name: "collector", Run: collectByStep}}
	var cache *rediscache.Cache
	memory := int64(-1)
	switch c.Kind {
	case "memory", "nethttp":
		memory = 256 << 20
	case "redis":
		if cache, err = rediscache.New(rediscache.Config{Addresses: []string{c.Redis}, Writes: 1 << 16}); err != nil {
			return err
		}
		defer cache.Close()
		loops = append(loops, serve.Loop{Name: "redis", Run: cache.Run})
	}
	responder, err := benchResponder(centre, memory, cache)
	if err != nil {
		return err
	}
	server.Handler = responder
	if c.Kind != "nethttp" {
		server.Plain = responder.Plain()
	}
	if c.Kind == "get" {
		client := bare.New(c.Redis)
		if err := client.Set(ctx, "answer", bytes.Repeat([]byte("x"), benchAnswerLength)); err != nil {
			return err
		}
		server.Plain = oneGet{client}
	}
	ready()
	return serve.Run(ctx, slog.New(slog.DiscardHandler), []serve.Server{server}, loops)
}

// oneGet answers with what one GET of go-redis brings.
type oneGet struct{ client *bare.Client }

// Ready implements [http1.Handler].
func (oneGet) Ready(out []byte, _ *http1.Request, _ time.Time) ([]byte, bool) { return out, false }

// Make implements [http1.Handler].
func (g oneGet) Make(ctx context.Context, out []byte, _ *http1.Request) ([]byte, bool) {
	value, err := g.client.Get(ctx, "answer")
	if err != nil {
		return out, false
	}
	return append(fmt.Appendf(out, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(value)), value...), true
}

// benchResponder is a responder with answers for an hour.
func benchResponder(centre *ocspCentre, memory int64, cache *rediscache.Cache) (*ocsp.Responder, error) {
	config := ocsp.Config{
		Issuers: centre.issuers(), Source: benchSource{}, Memory: memory, MaxAge: time.Hour, Validity: 2 * time.Hour,
		Observe: serve.NewAdmin().Observer("ocsp"),
	}
	if cache != nil {
		config.Cache = cache
	}
	return ocsp.New(config)
}

// answerTo returns the responder's answer to an encoded request.
func answerTo(ctx context.Context, responder http.Handler, in []byte) []byte {
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", bytes.NewReader(in))
	responder.ServeHTTP(w, r)
	return w.Body.Bytes()
}

// benchChanges measures how long it takes until a thousand changes of status in
// a row are all answered anew.
func benchChanges(ctx context.Context, w io.Writer, centre *ocspCentre) error {
	const changes = 1000
	source := &changingSource{}
	responder, err := ocsp.New(ocsp.Config{Issuers: centre.issuers(), Source: source, MaxAge: time.Hour, Validity: 2 * time.Hour})
	if err != nil {
		return err
	}
	encoded, err := centre.requests(changes, false)
	if err != nil {
		return err
	}
	before := make([][]byte, changes)
	for i, in := range encoded {
		before[i] = answerTo(ctx, responder, in)
	}
	began := time.Now()
	for i := range changes {
		responder.Invalidate("bench", benchSerial(i), source.change())
	}
	for i, in := range encoded {
		if after := answerTo(ctx, responder, in); bytes.Equal(after, before[i]) || len(after) < 100 {
			return fmt.Errorf("certificate %d is answered as before its change", i)
		}
	}
	fmt.Fprintf(w, "1,000 changes in a row were all answered anew after %s ms.\n", milliseconds(time.Since(began)))
	return nil
}

// changingSource revokes every certificate with its first change.
type changingSource struct {
	mu       sync.Mutex
	position uint64
}

func (s *changingSource) change() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.position++
	return s.position
}

// Status implements [ocsp.Source].
func (s *changingSource) Status(context.Context, string, *big.Int) (ocsp.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.position == 0 {
		return ocsp.Status{State: ocsp.Good}, nil
	}
	return ocsp.Status{State: ocsp.Revoked, Reason: 1, RevokedAt: time.Now().Add(-time.Minute), Version: s.position, Position: s.position}, nil
}
