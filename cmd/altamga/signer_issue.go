package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/altamga/altamga/ca"
)

// signerRequest asks for the next certificate of a service: that of an OCSP
// signer or a time-stamping unit. It has a name, so that asking again for want
// of an answer does not have a second one issued.
type signerRequest struct {
	name, issuer, profile string
	csr                   []byte
	subject               map[string]string
}

type signerIssuer func(context.Context, signerRequest) (*x509.Certificate, error)

// newSignerRequest asks for a successor of the certificate, for the key.
func newSignerRequest(current *x509.Certificate, issuer, profile string, key crypto.Signer) (signerRequest, error) {
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: current.Subject.CommonName}}, key)
	if err != nil {
		return signerRequest{}, fmt.Errorf("making certification request: %w", err)
	}
	return signerRequest{name: rand.Text(), issuer: issuer, profile: profile, csr: csr, subject: signerSubject(current)}, nil
}

// successor is what there is so far of the next certificate of a service, kept
// from one try to the next.
type successor struct {
	// issue is nil when nobody is there to ask.
	issue   signerIssuer
	next    crypto.Signer     // the key to come
	request signerRequest     // for its certificate
	issued  *x509.Certificate // and not in use yet
}

// obtain makes the key, and has it certified like the current one, as far as an
// earlier try has not.
func (s *successor) obtain(ctx context.Context, current *x509.Certificate, issuer, profile string, makeKey func() (crypto.Signer, error)) (err error) {
	if s.next == nil {
		key, err := makeKey()
		if err != nil {
			return err
		}
		if s.request, err = newSignerRequest(current, issuer, profile, key); err != nil {
			return err
		}
		s.next = key
	}
	if s.issued == nil {
		s.issued, err = s.issue(ctx, s.request)
	}
	return err
}

// algorithmWord is what [keys.Generate] calls the algorithm of a key.
func algorithmWord(public crypto.PublicKey) string {
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		return fmt.Sprintf("p%d", public.Curve.Params().BitSize)
	case *rsa.PublicKey:
		return fmt.Sprintf("rsa%d", public.N.BitLen())
	case ed25519.PublicKey:
		return "ed25519"
	}
	return fmt.Sprintf("%T", public)
}

// signerSubject is the subject of a signer's certificate in the words of a
// request for the next one.
func signerSubject(c *x509.Certificate) map[string]string {
	subject := map[string]string{"CN": c.Subject.CommonName}
	if len(c.Subject.Organization) > 0 {
		subject["O"] = c.Subject.Organization[0]
	}
	for _, name := range c.Subject.Names {
		// ETSI EN 319 412-1, Section 5.1.4: NTR, country, hyphen, number.
		if value, ok := name.Value.(string); ok && strings.HasPrefix(value, "NTR") && len(value) > 6 {
			subject["voen"] = value[6:]
		}
	}
	return subject
}

// issueSignerHere has a signer's certificate issued by the authority of this
// process.
func issueSignerHere(authority *ca.Authority, actor string) signerIssuer {
	return func(ctx context.Context, r signerRequest) (*x509.Certificate, error) {
		// The service here comes in by the same door as one on another host.
		admitted, err := authority.Admit((&http.Request{}).WithContext(ctx), actor)
		if err != nil {
			return nil, err
		}
		ctx = admitted.Context()
		prepared, err := authority.Prepare(ctx, ca.Request{Issuer: r.issuer, Profile: r.profile, CSR: r.csr, Subject: r.subject, Actor: actor})
		if err != nil {
			return nil, err
		}
		issued, err := authority.Issue(ctx, prepared)
		if err != nil {
			return nil, err
		}
		return issued.Certificate()
	}
}

// issueSignerOverHTTP has it issued by an authority on another host, which has
// to allow this client the profile.
func issueSignerOverHTTP(client *ca.Client) signerIssuer {
	return func(ctx context.Context, r signerRequest) (*x509.Certificate, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		answer, err := client.Issue(ctx, ca.IssueRequest{
			Issuer: r.issuer, Profile: r.profile, Subject: r.subject,
			CSR: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: r.csr})),
		}, r.name)
		if err != nil {
			return nil, err
		}
		block, rest := pem.Decode([]byte(answer.Certificate))
		if block == nil || len(bytes.TrimSpace(rest)) > 0 {
			return nil, errors.New("reading issued certificate: the answer holds none")
		}
		return x509.ParseCertificate(block.Bytes)
	}
}
