package serve

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
)

// ServerTLS returns the configuration of a TLS 1.3 server that shows chain (its
// own certificate first) and, when clientRoots are given, accepts only clients
// with a certificate below one of them: their handshake fails otherwise, and
// handlers find the client in r.TLS.VerifiedChains.
func ServerTLS(chain []*x509.Certificate, key crypto.Signer, clientRoots ...*x509.Certificate) (*tls.Config, error) {
	certificate, err := tlsCertificate(chain, key)
	if err != nil {
		return nil, fmt.Errorf("configuring TLS server: %w", err)
	}
	c := &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{certificate},
	}
	if len(clientRoots) > 0 {
		c.ClientAuth = tls.RequireAndVerifyClientCert
		c.ClientCAs = pool(clientRoots)
	}
	return c, nil
}

// ClientTLS returns the configuration of a TLS 1.3 client that trusts only
// serverRoots and shows chain (its own certificate first) when asked. An empty
// chain and a nil key make a client without a certificate.
func ClientTLS(chain []*x509.Certificate, key crypto.Signer, serverRoots ...*x509.Certificate) (*tls.Config, error) {
	if len(serverRoots) == 0 {
		// A nil pool would mean the machine's own roots.
		return nil, errors.New("configuring TLS client: no root to trust")
	}
	c := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool(serverRoots)}
	if len(chain) == 0 && key == nil {
		return c, nil
	}
	certificate, err := tlsCertificate(chain, key)
	if err != nil {
		return nil, fmt.Errorf("configuring TLS client: %w", err)
	}
	c.Certificates = []tls.Certificate{certificate}
	return c, nil
}

func pool(roots []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, root := range roots {
		p.AddCert(root)
	}
	return p
}

func tlsCertificate(chain []*x509.Certificate, key crypto.Signer) (tls.Certificate, error) {
	if len(chain) == 0 || key == nil {
		return tls.Certificate{}, errors.New("a certificate and its key are needed")
	}
	public, ok := chain[0].PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(key.Public()) {
		return tls.Certificate{}, fmt.Errorf("the key does not belong to the certificate of %q", chain[0].Subject.CommonName)
	}
	c := tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, cert := range chain {
		c.Certificate = append(c.Certificate, cert.Raw)
	}
	return c, nil
}

// LoopbackOnly returns an error unless address is reachable from this machine
// alone.
func LoopbackOnly(address net.Addr) error {
	switch a := address.(type) {
	case *net.TCPAddr:
		if a.IP.IsLoopback() {
			return nil
		}
	case *net.UnixAddr:
		return nil
	}
	return fmt.Errorf("listening on %s: not a loopback address", address)
}
