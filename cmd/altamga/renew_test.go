package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/serve"
)

// TestTLSCertificatesRenewThemselves lets three years pass over the ca and its
// client, whose certificates live for one. They meet once a week, without a
// restart of either, and the register's database, the audit log, the lints and
// the TLS handshakes are the real ones.
func TestTLSCertificatesRenewThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := foundCentre(t)
		ctx, stop := context.WithCancel(t.Context())
		p, err := newProcess(ctx, filepath.Join(dir, configFile), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		if err := p.addCA(ctx); err != nil {
			t.Fatal(err)
		}
		if err := p.addRA(ctx); err != nil {
			t.Fatal(err)
		}
		network, hangUp := servesPipes(p)
		byCA, byRA := p.renewals[0], p.renewals[1]
		client := overPipes(t, p, network, byRA.identity)
		byRA.issue = renewOverHTTP(client, byRA.identity)
		for _, r := range p.renewals {
			go keepRenewed(ctx, r)
		}
		seen := map[string]map[string]bool{"ca.tls": {}, "ra.client": {}}
		for range 3 * 52 {
			time.Sleep(7 * 24 * time.Hour)
			synctest.Wait()
			if _, err := client.Issuers(ctx); err != nil {
				t.Fatalf("after %v: %v", time.Now(), err)
			}
			for _, r := range []*renewal{byCA, byRA} {
				shown := r.identity.Leaf()
				seen[r.name][shown.SerialNumber.String()] = true
				if age, life := time.Since(shown.NotBefore), shown.NotAfter.Sub(shown.NotBefore); age > life*2/3 {
					t.Errorf("%s shows a certificate that is %v of %v old", r.name, age, life)
				}
				written, err := readCertificate(config.Path(r.file))
				if err != nil || !bytes.Equal(written.Raw, shown.Raw) {
					t.Errorf("%s: the file holds another certificate than is shown, %v", r.name, err)
				}
				if err := r.ready(ctx); err != nil {
					t.Error(err)
				}
			}
		}
		for name, serials := range seen {
			if len(serials) < 4 || len(serials) > 6 {
				t.Errorf("%s had %d certificates in three years", name, len(serials))
			}
		}
		if err := p.register.Check(ctx); err != nil {
			t.Error(err)
		}
		stop()
		hangUp()
	})
}

// servesPipes lets the ca of the process answer what comes through pipes.
func servesPipes(p *process) (network *pipes, hangUp func()) {
	network = &pipes{connections: make(chan net.Conn)}
	server := &http.Server{Handler: p.servers[0].Handler, TLSConfig: p.servers[0].TLS, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	go server.ServeTLS(network, "", "")
	return network, func() {
		server.Close()
		network.Close()
		// A TLS connection waits a few seconds for its goodbye to be read.
		time.Sleep(time.Minute)
	}
}

// clientOverPipes is a client of the ca with the certificate that `init` gives
// the server of that name, which may have signers issued and nothing else.
func clientOverPipes(t *testing.T, p *process, name string) (client *ca.Client, hangUp func()) {
	t.Helper()
	in := func(name string) config.Path { return config.Path(filepath.Join(p.dir, "tls", name)) }
	identity, _, err := p.tls(tlsConfig{Certificate: in(name + ".pem"), Key: "file:keys/tls-" + name + ".key", Peers: in("root.pem")})
	if err != nil {
		t.Fatal(err)
	}
	network, hangUp := servesPipes(p)
	client = overPipes(t, p, network, identity)
	if _, err := client.Certificate(t.Context(), "1"); !isForbidden(err) {
		t.Errorf("it reads certificates: %v", err)
	}
	return client, hangUp
}

// overPipes is a client of the ca through the pipes, each request by a
// connection, and so a handshake, of its own.
func overPipes(t *testing.T, p *process, network *pipes, identity *serve.Identity) *ca.Client {
	t.Helper()
	peers, err := readCertificates(p.config.RA.Client.Peers)
	if err != nil {
		t.Fatal(err)
	}
	mutual, err := identity.ClientTLS(peers...)
	if err != nil {
		t.Fatal(err)
	}
	client, err := ca.NewClient("https://localhost", &http.Client{Transport: &http.Transport{
		DialContext: network.dial, TLSClientConfig: mutual, DisableKeepAlives: true,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// pipes is a network that stands still with the bubble's clock.
type pipes struct {
	connections chan net.Conn
	closed      bool
}

func (n *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case n.connections <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *pipes) Accept() (net.Conn, error) {
	c, ok := <-n.connections
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (n *pipes) Close() error {
	if !n.closed {
		n.closed = true
		close(n.connections)
	}
	return nil
}

func (n *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// TestRenewalFails: what cannot be issued or written is tried again, one
// certificate is not issued twice for a file that cannot be written, and
// readiness tells before the end.
func TestRenewalFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, key := selfSigned(t, 30*24*time.Hour)
		identity, err := serve.NewIdentity([]*x509.Certificate{first}, key)
		if err != nil {
			t.Fatal(err)
		}
		var issued atomic.Int32
		var away atomic.Bool
		away.Store(true)
		folder := filepath.Join(t.TempDir(), "not yet")
		r := &renewal{
			name: "test", file: filepath.Join(folder, "tls.pem"), identity: identity, log: slog.New(slog.DiscardHandler),
			issue: func(context.Context, *x509.Certificate) ([]*x509.Certificate, error) {
				if away.Load() {
					return nil, errors.New("the ca is away")
				}
				issued.Add(1)
				return []*x509.Certificate{resigned(t, first, key)}, nil
			},
		}
		ctx, stop := context.WithCancel(t.Context())
		go keepRenewed(ctx, r)
		time.Sleep(28 * 24 * time.Hour)
		if err := r.ready(ctx); err == nil || identity.Leaf() != first {
			t.Errorf("with the ca away until shortly before the end: ready says %v", err)
		}
		away.Store(false)
		time.Sleep(12 * time.Hour)
		if issued.Load() != 1 || identity.Leaf() != first {
			t.Errorf("%d certificates issued, the file cannot be written", issued.Load())
		}
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		time.Sleep(12 * time.Hour)
		if issued.Load() != 1 || identity.Leaf() == first || r.ready(ctx) != nil {
			t.Errorf("%d certificates issued, ready says %v", issued.Load(), r.ready(ctx))
		}
		stop()
	})
}

// selfSigned is a certificate that lives from now for some time.
func selfSigned(t *testing.T, life time.Duration) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now(), NotAfter: time.Now().Add(life)}
	return resigned(t, template, key), key
}

// resigned is a certificate for the same time span, beginning now.
func resigned(t *testing.T, old *x509.Certificate, key crypto.Signer) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: new(big.Int).Add(old.SerialNumber, big.NewInt(1)), Subject: old.Subject,
		NotBefore: time.Now(), NotAfter: time.Now().Add(old.NotAfter.Sub(old.NotBefore)),
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
