package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/durable"
	"github.com/altamga/altamga/internal/serve"
)

// renewal keeps one of the suite's own TLS certificates from running out: it
// has a successor issued for the same key before two thirds of the
// certificate's life have passed, writes it to the file, and shows it in every
// handshake from then on. Nothing is restarted.
//
// The key stays: it may be in a token, and a file for the certificate and one
// for the key cannot be replaced in one step.
type renewal struct {
	// name tells which one in logs ("ca.tls").
	name     string
	file     string
	identity *serve.Identity
	// issue returns the successor of a certificate and the chain above it.
	issue func(ctx context.Context, current *x509.Certificate) ([]*x509.Certificate, error)
	// replaced is called after the new certificate is shown; nil for nothing.
	replaced func()
	log      *slog.Logger

	issued []*x509.Certificate // and not written yet
}

func (r *renewal) life() lifetime { return lifeOf(r.identity.Leaf()) }

func (r *renewal) tell(ctx context.Context, err error) {
	current := r.identity.Leaf()
	if err != nil {
		r.log.ErrorContext(ctx, "TLS certificate was not renewed", "certificate", r.name, "not_after", current.NotAfter, "error", err)
		return
	}
	r.log.InfoContext(ctx, "TLS certificate renewed", "certificate", r.name, "serial", current.SerialNumber.Text(16), "not_after", current.NotAfter)
}

// renew has the successor issued, writes it and shows it. A successor that
// could not be written is kept for the next try.
func (r *renewal) renew(ctx context.Context) (err error) {
	if r.issued == nil {
		if r.issued, err = r.issue(ctx, r.identity.Leaf()); err != nil {
			return err
		}
	}
	var text bytes.Buffer
	for _, c := range r.issued {
		if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}); err != nil {
			return err
		}
	}
	if err := durable.Write(r.file, text.Bytes(), 0o644); err != nil {
		return err
	}
	if err := r.identity.Replace(r.issued); err != nil {
		return err
	}
	r.issued = nil
	if r.replaced != nil {
		r.replaced()
	}
	return nil
}

// ready is red when the certificate is about to end although it should have
// been renewed long ago.
func (r *renewal) ready(context.Context) error {
	if life := r.life(); life.nearEnd() {
		return fmt.Errorf("the TLS certificate of %s ends at %s", r.name, life.to.Format(time.RFC3339))
	}
	return nil
}

// renews adds the loop that renews a certificate of a component, unless there
// is one for it.
func (p *process) renews(component string, r *renewal) {
	if slices.ContainsFunc(p.renewals, func(other *renewal) bool { return other.identity == r.identity }) {
		return
	}
	r.log = p.log.With("server", component)
	p.renewals = append(p.renewals, r)
	p.loops = append(p.loops, serve.Loop{Name: r.name + " renewal", Run: func(ctx context.Context) error { return keepRenewed(ctx, r) }})
	p.admin.Add(component, r.ready)
	p.admin.Gauge(component, "tls_certificate_seconds_left", "Time until the server's own TLS certificate ends.",
		func() float64 { return time.Until(r.identity.Leaf().NotAfter).Seconds() })
}

// renewHere has the certificate renewed by the authority in this process.
func renewHere(authority *ca.Authority, name string) func(context.Context, *x509.Certificate) ([]*x509.Certificate, error) {
	return func(ctx context.Context, current *x509.Certificate) ([]*x509.Certificate, error) {
		issued, err := authority.Renew(ctx, current, nil, name)
		if err != nil {
			return nil, err
		}
		certificate, err := issued.Certificate()
		return append([]*x509.Certificate{certificate}, issued.Chain...), err
	}
}

// renewOverHTTP has it renewed by the authority that it is shown to.
func renewOverHTTP(client *ca.Client, identity *serve.Identity) func(context.Context, *x509.Certificate) ([]*x509.Certificate, error) {
	return func(ctx context.Context, current *x509.Certificate) ([]*x509.Certificate, error) {
		csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: current.Subject.CommonName}}, identity.Key())
		if err != nil {
			return nil, fmt.Errorf("making certification request: %w", err)
		}
		answer, err := client.Renew(ctx, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})), "")
		if err != nil {
			return nil, err
		}
		var chain []*x509.Certificate
		for rest := []byte(answer.Certificate + answer.Chain); ; {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				break
			}
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("reading renewed certificate: %w", err)
			}
			chain = append(chain, c)
		}
		if len(chain) == 0 {
			return nil, errors.New("reading renewed certificate: the answer holds none")
		}
		return chain, nil
	}
}
