package serve_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/serve"
)

// identity is a certificate and its key.
type identity struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes an identity below parent, or a root for nil.
func issue(t *testing.T, name string, parent *identity) identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	issuer, signer := template, key
	if parent == nil {
		template.IsCA, template.BasicConstraintsValid, template.ExtKeyUsage = true, true, nil
		template.KeyUsage = x509.KeyUsageCertSign
	} else {
		issuer, signer = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return identity{cert, key}
}

func loopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestMutualTLS(t *testing.T) {
	root := issue(t, "root", nil)
	stranger := issue(t, "stranger root", nil)
	server := issue(t, "server", &root)
	ra := issue(t, "ra", &root)
	thief := issue(t, "ra", &stranger)

	config, err := serve.ServerTLS([]*x509.Certificate{server.cert}, server.key, root.cert)
	if err != nil {
		t.Fatal(err)
	}
	l := loopback(t)
	whoami := func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.TLS.VerifiedChains[0][0].Subject.CommonName)
	}
	group := start(nil, []serve.Server{{Name: "ca", Listener: l, TLS: config, Handler: http.HandlerFunc(whoami), LongPoll: func(*http.Request) bool { return true }}})
	defer func() {
		if err := group.end(); err != nil {
			t.Error(err)
		}
	}()
	ask := func(config *tls.Config) (string, error) {
		transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		response, err := (&http.Client{Transport: transport}).Get("https://" + l.Addr().String())
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return string(body), err
	}
	client := func(who *identity, roots ...*x509.Certificate) *tls.Config {
		t.Helper()
		var chain []*x509.Certificate
		var key crypto.Signer
		if who != nil {
			chain, key = []*x509.Certificate{who.cert}, who.key
		}
		config, err := serve.ClientTLS(chain, key, roots...)
		if err != nil {
			t.Fatal(err)
		}
		return config
	}
	if got, err := ask(client(&ra, root.cert)); err != nil || got != "ra" {
		t.Errorf("a client of the suite: got %q, %v", got, err)
	}
	old := client(&ra, root.cert)
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	for _, row := range []struct {
		name   string
		config *tls.Config
	}{
		{"client without a certificate", client(nil, root.cert)},
		{"client of another root", client(&thief, root.cert)},
		{"client that trusts another root", client(&ra, stranger.cert)},
		{"TLS 1.2", old},
	} {
		if got, err := ask(row.config); err == nil {
			t.Errorf("%s: got %q", row.name, got)
		}
	}
}

func TestTLSRefuses(t *testing.T) {
	root := issue(t, "root", nil)
	a, b := issue(t, "a", &root), issue(t, "b", &root)
	chain := []*x509.Certificate{a.cert}
	if _, err := serve.ServerTLS(chain, b.key); err == nil || !strings.Contains(err.Error(), `"a"`) {
		t.Errorf("a key of another certificate: %v", err)
	}
	if _, err := serve.ServerTLS(nil, a.key); err == nil {
		t.Error("no certificate was accepted")
	}
	if _, err := serve.ClientTLS(chain, nil, root.cert); err == nil {
		t.Error("a certificate without its key was accepted")
	}
	if _, err := serve.ClientTLS(chain, a.key); err == nil {
		t.Error("a client without a root was accepted")
	}
}

// A server that was given no certificate says so at its start.
func TestTLSWithoutCertificate(t *testing.T) {
	err := serve.Run(context.Background(), nil, []serve.Server{{Name: "ca", Listener: loopback(t), TLS: &tls.Config{}, Handler: http.HandlerFunc(ok)}}, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "serving ca: ") {
		t.Errorf("got %v", err)
	}
}

func TestLoopbackOnly(t *testing.T) {
	for _, row := range []struct {
		address net.Addr
		ok      bool
	}{
		{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}, true},
		{&net.TCPAddr{IP: net.IPv4(127, 9, 9, 9), Port: 80}, true},
		{&net.TCPAddr{IP: net.IPv6loopback, Port: 80}, true},
		{&net.UnixAddr{Name: "/run/altamga", Net: "unix"}, true},
		{&net.TCPAddr{Port: 80}, false},
		{&net.TCPAddr{IP: net.IPv6unspecified, Port: 80}, false},
		{&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}, false},
	} {
		if err := serve.LoopbackOnly(row.address); (err == nil) != row.ok {
			t.Errorf("%v: %v", row.address, err)
		}
	}
}
