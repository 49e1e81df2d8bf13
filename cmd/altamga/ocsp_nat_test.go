package main

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	xocsp "golang.org/x/crypto/ocsp"

	"github.com/altamga/altamga/internal/config"
)

// TestMinistryBehindOneAddress: a hundred clients behind one address, each with
// a connection of its own, are all answered, however often they ask. What the
// responder bounds, it bounds for all clients together.
func TestMinistryBehindOneAddress(t *testing.T) {
	t.Parallel()
	const clients, questions = 100, 5
	dir, opened, certificates := smallCentre(t, 3)
	if err := opened.Close(); err != nil {
		t.Fatal(err)
	}
	issuer, err := readCertificate(config.Path(filepath.Join(dir, "certificates/ehm.pem")))
	if err != nil {
		t.Fatal(err)
	}
	p, err := newProcess(t.Context(), respondingConfig(t, dir, "one.toml", "register.db", ""), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.addOCSP(t.Context()); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.listen = func(config.Address) (net.Listener, error) { return listener, nil }
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx) }()
	defer func() {
		stop()
		if err := errors.Join(<-ended, p.close()); err != nil {
			t.Error(err)
		}
	}()
	t.Run("OCSP-61 one address, many clients", func(t *testing.T) {
		var answered atomic.Int64
		var all sync.WaitGroup
		for n := range clients {
			about := certificates[n%len(certificates)]
			in, err := xocsp.CreateRequest(about, issuer, &xocsp.RequestOptions{Hash: crypto.SHA256})
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				transport := &http.Transport{}
				defer transport.CloseIdleConnections()
				client := &http.Client{Transport: transport, Timeout: 2 * time.Minute}
				for range questions {
					response, err := client.Post("http://"+listener.Addr().String()+"/", "application/ocsp-request", bytes.NewReader(in))
					if err != nil {
						t.Error(err)
						return
					}
					text, err := io.ReadAll(response.Body)
					response.Body.Close()
					if err != nil || response.StatusCode != http.StatusOK {
						t.Errorf("answered %s, %v", response.Status, err)
						return
					}
					// tryLater would be no answer either.
					if got, err := xocsp.ParseResponse(text, nil); err != nil || got.Status != xocsp.Good || got.SerialNumber.Cmp(about.SerialNumber) != 0 {
						t.Errorf("got %+v, %v", got, err)
						return
					}
					answered.Add(1)
				}
			})
		}
		all.Wait()
		if got := answered.Load(); got != clients*questions {
			t.Errorf("%d of %d were answered", got, clients*questions)
		}
	})
}
