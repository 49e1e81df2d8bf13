package serve

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"sync/atomic"
)

// Identity is a certificate and its key by which one end of TLS connections
// proves itself. The certificate can be replaced while connections are made:
// those that stand keep the old one, every later handshake shows the new one.
type Identity struct {
	current atomic.Pointer[tls.Certificate]
}

// NewIdentity returns the identity of chain (its own certificate first) and
// the key that belongs to it.
func NewIdentity(chain []*x509.Certificate, key crypto.Signer) (*Identity, error) {
	certificate, err := tlsCertificate(chain, key)
	if err != nil {
		return nil, err
	}
	i := new(Identity)
	i.current.Store(&certificate)
	return i, nil
}

// Leaf is the certificate that is shown now.
func (i *Identity) Leaf() *x509.Certificate { return i.current.Load().Leaf }

// Key is the key of the identity; a replacement keeps it.
func (i *Identity) Key() crypto.Signer { return i.current.Load().PrivateKey.(crypto.Signer) }

// Replace shows another chain for the same key from now on.
func (i *Identity) Replace(chain []*x509.Certificate) error {
	certificate, err := tlsCertificate(chain, i.Key())
	if err != nil {
		return err
	}
	i.current.Store(&certificate)
	return nil
}

// ServerTLS is [ServerTLS] with a certificate that can be replaced.
func (i *Identity) ServerTLS(clientRoots ...*x509.Certificate) *tls.Config {
	c := &tls.Config{
		MinVersion:     tls.VersionTLS13,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return i.current.Load(), nil },
	}
	if len(clientRoots) > 0 {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, pool(clientRoots)
	}
	return c
}

// ClientTLS is [ClientTLS] with a certificate that can be replaced.
func (i *Identity) ClientTLS(serverRoots ...*x509.Certificate) (*tls.Config, error) {
	if len(serverRoots) == 0 {
		return nil, errors.New("configuring TLS client: no root to trust")
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: pool(serverRoots),
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return i.current.Load(), nil },
	}, nil
}
