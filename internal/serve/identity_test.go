package serve_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/serve"
)

// TestIdentity replaces the certificates of both ends while a listener and a
// client live on.
func TestIdentity(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certificate := func(serial int64) *x509.Certificate {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"localhost"},
			NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
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
	first, second := certificate(1), certificate(2)
	identity, err := serve.NewIdentity([]*x509.Certificate{first}, key)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", identity.ServerTLS(first, second))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := identity.ClientTLS(first, second)
	if err != nil {
		t.Fatal(err)
	}
	client.ServerName = "localhost"
	seen := make(chan *x509.Certificate, 1)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func(conn *tls.Conn) {
				defer conn.Close()
				if conn.Handshake() == nil {
					seen <- conn.ConnectionState().PeerCertificates[0]
				}
			}(conn.(*tls.Conn))
		}
	}()
	connect := func(want int64) {
		t.Helper()
		raw, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn := tls.Client(raw, client)
		defer conn.Close()
		if err := conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		if got := conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64(); got != want {
			t.Errorf("the server shows certificate %d, want %d", got, want)
		}
		if got := (<-seen).SerialNumber.Int64(); got != want {
			t.Errorf("the client shows certificate %d, want %d", got, want)
		}
	}
	connect(1)
	if err := identity.Replace([]*x509.Certificate{second}); err != nil {
		t.Fatal(err)
	}
	connect(2)
	if identity.Leaf() != second {
		t.Error("Leaf is another certificate than is shown")
	}
	foreign, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if _, err := serve.NewIdentity([]*x509.Certificate{first}, foreign); err == nil {
		t.Error("a foreign key was accepted")
	}
	if err := identity.Replace(nil); err == nil || identity.Leaf() != second {
		t.Errorf("replacing by nothing: %v", err)
	}
	if _, err := identity.ClientTLS(); err == nil {
		t.Error("a client without a root was accepted")
	}
}
