package main

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/audit"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/keys"
	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/internal/register"
	"github.com/altamga/altamga/internal/serve"
)

// process is one process of the suite: the plumbing that its servers share and
// the servers themselves. Each server's file has a method that adds it.
type process struct {
	config *suiteConfig
	// dir is where the configuration file is; key URIs are relative to it.
	dir   string
	log   *slog.Logger
	admin *serve.Admin
	// listen opens a server's address. The demonstration hands in listeners
	// that it already holds.
	listen func(config.Address) (net.Listener, error)

	register *register.Register
	audit    *audit.Log
	// authority is the ca of this process, when it has one.
	authority *ca.Authority

	// follower, when not nil, writes the journal's hashes into the audit log.
	follower *audit.Follower

	servers []serve.Server
	loops   []serve.Loop
	closers []io.Closer
	// onTokens are the keys that a token has. keyMu guards both: renewals add keys
	// while the process runs.
	onTokens []crypto.Signer
	keyMu    sync.Mutex
	// slack is never looked at: see tokenSlack.
	slack []byte
	// identities are those of TLS, by the names of certificate and key; renewals
	// keep their certificates fresh.
	identities map[[2]string]*serve.Identity
	renewals   []*renewal
	// signers keep the OCSP signers of this process fresh, and units its
	// time-stamping units.
	signers []*signerRenewal
	units   []*unitRenewal
}

// listenTCP opens an address.
func listenTCP(address config.Address) (net.Listener, error) {
	listener, err := net.Listen("tcp", string(address))
	if err != nil {
		return nil, withHint(fmt.Errorf("listening on %s: %w", address, err), "is another process using the address? change `listen` or end that process")
	}
	return listener, nil
}

// newProcess reads the configuration file and opens what its servers share.
// The caller closes the process.
func newProcess(ctx context.Context, file string, log *slog.Logger) (*process, error) {
	var c suiteConfig
	if err := config.Load(file, &c); err != nil {
		return nil, err
	}
	p := &process{config: &c, dir: filepath.Dir(file), log: log, admin: serve.NewAdmin(), listen: listenTCP}
	if err := p.open(ctx); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *process) open(ctx context.Context) error {
	if c := p.config.Register; c != nil {
		opened, err := openRegister(ctx, c)
		if err != nil {
			return err
		}
		p.register = opened
		p.closers = append(p.closers, opened)
	}
	if c := p.config.Audit; c != nil {
		opened, err := openAudit(c, p.dir)
		if err != nil {
			return err
		}
		p.audit = opened
		p.closers = append(p.closers, opened)
	}
	return nil
}

// add makes a server part of the process.
func (p *process) add(name string, address config.Address, tls *tls.Config, handler http.Handler, more ...func(*serve.Server)) {
	server := serve.Server{Name: name, TLS: tls, Handler: fromWhere(handler), Listener: pending{address: address}}
	for _, change := range more {
		change(&server)
	}
	p.servers = append(p.servers, server)
}

// pending stands for a listener until the process runs: a check of the
// configuration opens no ports.
type pending struct {
	net.Listener
	address config.Address
}

// run opens the listeners and serves until ctx ends.
func (p *process) run(ctx context.Context) error {
	if c := p.config.Admin; c != nil {
		p.add("admin", c.Listen, nil, p.admin.Handler())
	}
	for i := range p.servers {
		address := p.servers[i].Listener.(pending).address
		listener, err := p.listen(address)
		if err != nil {
			for _, opened := range p.servers[:i] {
				opened.Listener.Close()
			}
			return err
		}
		p.servers[i].Listener = listener
		p.log.LogAttrs(ctx, slog.LevelInfo, "listening", slog.String("server", p.servers[i].Name), slog.String("address", listener.Addr().String()))
	}
	err := serve.Run(ctx, p.log, p.servers, p.loops)
	p.followLast(ctx)
	return err
}

// close gives back what open took, in reverse order.
func (p *process) close() error {
	var faults []error
	for _, c := range slices.Backward(p.closers) {
		faults = append(faults, c.Close())
	}
	p.closers = nil
	return errors.Join(faults...)
}

// key opens a private key and checks that it belongs to the certificate.
func (p *process) key(uri string, certificate *x509.Certificate) (crypto.Signer, error) {
	key, err := keys.Open(uri, p.dir)
	if err != nil {
		return nil, err
	}
	p.keep(key)
	return key, checkPair(certificate, key, uri)
}

// checkPair reports a key that is not the certificate's, by its name.
func checkPair(certificate *x509.Certificate, key crypto.Signer, uri string) error {
	if err := pki.CheckKeyPair(certificate, key); err != nil {
		return withHint(fmt.Errorf("opening key %s: %w", uri, err), "name the key that the certificate was issued for, or that key's certificate: `altamga keys show` tells a key's public half")
	}
	return nil
}

// readCertificate reads the first certificate of a PEM file.
func readCertificate(path config.Path) (*x509.Certificate, error) {
	certificates, err := readCertificates(path)
	if err != nil {
		return nil, err
	}
	return certificates[0], nil
}

// readCertificates reads every certificate of a PEM file, at least one.
func readCertificates(path config.Path) ([]*x509.Certificate, error) {
	rest, err := os.ReadFile(string(path))
	if err != nil {
		return nil, fmt.Errorf("reading certificate: %w", err)
	}
	var certificates []*x509.Certificate
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("reading certificate: %s holds a %s", path, block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("reading certificate: %s: %w", path, err)
		}
		certificates = append(certificates, certificate)
	}
	if len(certificates) == 0 {
		return nil, fmt.Errorf("reading certificate: %s holds none", path)
	}
	return certificates, nil
}

// tls opens what one end of a TLS connection needs. Who names the same
// certificate gets the same identity, which is renewed once for all.
func (p *process) tls(c tlsConfig) (identity *serve.Identity, peers []*x509.Certificate, err error) {
	peers, err = readCertificates(c.Peers)
	if err != nil {
		return nil, nil, err
	}
	name := [2]string{string(c.Certificate), c.Key}
	if identity, ok := p.identities[name]; ok {
		return identity, peers, nil
	}
	chain, err := readCertificates(c.Certificate)
	if err != nil {
		return nil, nil, err
	}
	key, err := p.key(c.Key, chain[0])
	if err != nil {
		return nil, nil, err
	}
	if identity, err = serve.NewIdentity(chain, key); err != nil {
		return nil, nil, err
	}
	if p.identities == nil {
		p.identities = map[[2]string]*serve.Identity{}
	}
	p.identities[name] = identity
	return identity, peers, nil
}
