package main

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/durable"
	"github.com/altamga/altamga/internal/keys"
	"github.com/altamga/altamga/internal/problem"
)

// caRequest asks for a certificate.
type caRequest struct {
	caConnection
	Issuer  string `required:"" help:"The issuer's short name." placeholder:"ID"`
	Profile string `required:"" help:"The profile." placeholder:"NAME"`

	CSR       string `name:"csr" xor:"key" required:"" help:"A certification request (PEM)." type:"existingfile" placeholder:"FILE"`
	NewKey    string `xor:"key" required:"" help:"Make a key in this new file instead." placeholder:"FILE"`
	Algorithm string `default:"p256" enum:"p256,p384,p521,rsa3072,rsa4096,ed25519" help:"Of the new key: p256, p384, p521, rsa3072, rsa4096 or ed25519."`

	Subject map[string]string `short:"s" help:"An attribute of the subject, by its key in the profile; may stand several times." placeholder:"KEY=VALUE" mapsep:"none"`
	DNS     []string          `name:"dns" sep:"none" help:"An alternative host name; may stand several times."`
	IP      []string          `name:"ip" sep:"none" help:"An alternative address; may stand several times."`
	Email   []string          `sep:"none" help:"An alternative mailbox; may stand several times."`
	Set     string            `help:"The name of the set that the certificate belongs to." placeholder:"NAME"`
	Out     string            `short:"o" help:"Where to write certificate and chain (PEM). Default: standard output." placeholder:"FILE"`
}

func (c caRequest) Run(ctx context.Context, std streams) error {
	if c.Out != "" {
		if err := keepOthers(c.Out, "certificate"); err != nil {
			return err
		}
	}
	client, err := c.open()
	if err != nil {
		return err
	}
	csr, err := c.certificationRequest()
	if err != nil {
		return err
	}
	issued, err := client.Issue(ctx, ca.IssueRequest{
		Issuer: c.Issuer, Profile: c.Profile, CSR: csr, Subject: c.Subject,
		DNSNames: c.DNS, IPAddresses: c.IP, Emails: c.Email, Set: c.Set,
	}, rand.Text())
	if err != nil {
		// The answer came: the new key is certainly nobody's.
		if _, refused := errors.AsType[*problem.Details](err); refused && c.NewKey != "" {
			err = errors.Join(err, os.Remove(c.NewKey))
		}
		return advise(ctx, client, err)
	}
	text := issued.Certificate + issued.Chain
	if c.Out == "" {
		fmt.Fprint(std.out, text)
		fmt.Fprintf(std.err, "issued %s by %s\n", issued.Serial, issued.Issuer)
		return nil
	}
	if err := durable.Write(c.Out, []byte(text), 0o644); err != nil {
		return withHint(err, "the certificate was issued: `altamga ca show --pem "+string(issued.Serial)+"` prints it")
	}
	fmt.Fprintf(std.out, "%s: %s, issued by %s\n", c.Out, issued.Serial, issued.Issuer)
	return nil
}

// certificationRequest reads the request, or makes one for a new key. Its
// subject is empty: who the certificate is for stands in the flags.
func (c caRequest) certificationRequest() (string, error) {
	if c.CSR != "" {
		text, err := os.ReadFile(c.CSR)
		if err != nil {
			return "", fmt.Errorf("reading request: %w", err)
		}
		if _, err := ca.DecodeCSR(text); err != nil {
			return "", withHint(fmt.Errorf("reading request: %s %w", c.CSR, err), "openssl req -new -key KEY -subj / makes one")
		}
		return string(text), nil
	}
	path, err := filepath.Abs(c.NewKey)
	if err != nil {
		return "", err
	}
	key, err := keys.Generate("file:"+filepath.Base(path), filepath.Dir(path), c.Algorithm)
	if err != nil {
		return "", err
	}
	raw, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return "", fmt.Errorf("making request: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: raw})), nil
}
