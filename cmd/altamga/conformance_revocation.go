package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/conformance"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/journal"
)

// conformanceRevocation measures how long a revocation takes to be seen. That a
// certificate is named here is the consent to its end.
type conformanceRevocation struct {
	judging
	caConnection
	Cert    string        `arg:"" name:"cert" help:"A good certificate. It is REVOKED FOR GOOD by this test: have one issued for it." type:"path"`
	Issuer  string        `help:"The authority's certificate." required:"" type:"path" placeholder:"FILE"`
	OCSP    string        `name:"ocsp" help:"The responder." placeholder:"URL"`
	CRL     string        `name:"crl" help:"The distribution point." placeholder:"URL"`
	Delta   string        `help:"The URL of the delta list." placeholder:"URL"`
	Command string        `help:"The command that revokes the certificate and ends when that was acknowledged. The shell runs it, with ALTAMGA_REVOKE_FILE and ALTAMGA_REVOKE_SERIAL in its environment." placeholder:"COMMAND"`
	Owner   string        `help:"In whose right the ca is asked: holder, organisation, court or centre, which takes a second person." default:"holder"`
	ByHand  bool          `help:"Somebody revokes the certificate by hand, once the test has begun."`
	Wait    time.Duration `help:"How long to wait until all say so." default:"2m"`
}

func (c conformanceRevocation) Run(ctx context.Context, std streams) error {
	if c.Wait <= 0 {
		return wrong(errors.New("--wait is no time"), "leave it out for two minutes")
	}
	c.Deadline += c.Wait
	return c.run(ctx, std, func(ctx context.Context, t *conformance.Tester) error { return c.judge(ctx, std, t) })
}

func (c conformanceRevocation) judge(ctx context.Context, std streams, t *conformance.Tester) error {
	revoke, err := c.how(std)
	if err != nil {
		return err
	}
	var certificate, issuer []byte
	for _, f := range []certificateFile{{c.Cert, &certificate}, {c.Issuer, &issuer}} {
		if err := f.read(); err != nil {
			return err
		}
	}
	return t.Change(ctx, conformance.ChangeTarget{Wait: c.Wait, Revoke: revoke,
		Responder: conformance.OCSPTarget{URL: c.OCSP, Issuer: issuer, Good: certificate},
		List:      conformance.ListTarget{URL: c.CRL, Issuer: issuer, Leaf: certificate, Delta: c.Delta}})
}

// how returns what revokes the certificate: exactly one way is named.
func (c conformanceRevocation) how(std streams) (func(context.Context) error, error) {
	ways := 0
	for _, named := range []bool{c.Command != "", c.ByHand, c.Centre != "" || c.CA != ""} {
		if named {
			ways++
		}
	}
	switch {
	case ways != 1:
		return nil, wrong(fmt.Errorf("%d ways to revoke the certificate are named instead of one", ways), "give --command, --by-hand, or a ca with --centre or --ca; in a target.toml command, by_hand or ca_api")
	case c.ByHand:
		fmt.Fprintf(std.err, "revoke %s by hand as soon as you like, within %v\n", c.Cert, c.Wait)
		return nil, nil
	case c.Command != "":
		return func(ctx context.Context) error { return revokeByCommand(ctx, c.Command, c.Cert) }, nil
	}
	client, err := c.open()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { return revokeByCA(ctx, client, c.Cert, c.Owner) }, nil
}

func revokeByCommand(ctx context.Context, line, file string) error {
	certificate, err := readCertificate(config.Path(file))
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, "/bin/sh", "-c", line)
	command.Env = append(os.Environ(), "ALTAMGA_REVOKE_FILE="+file, "ALTAMGA_REVOKE_SERIAL="+certificate.SerialNumber.Text(16))
	// What it starts and leaves behind does not hold up the test.
	command.WaitDelay = time.Second
	if output, err := command.CombinedOutput(); err != nil {
		text := strings.TrimSpace(string(output))
		return fmt.Errorf("%w: %s", err, text[:min(len(text), 500)])
	}
	return nil
}

func revokeByCA(ctx context.Context, client *ca.Client, file, owner string) error {
	certificate, err := readCertificate(config.Path(file))
	if err != nil {
		return err
	}
	_, err = client.Revoke(ctx, journal.SerialOf(certificate.SerialNumber), ca.ChangeRequest{Reason: "superseded", Owner: owner}, "")
	return err
}

// mayRevoke is a target's consent to the end of one certificate. It stands in a
// target.toml alone: a file that a program writes consents to nothing.
type mayRevoke struct {
	Certificate string        `toml:"certificate"`
	Command     string        `toml:"command"`
	ByHand      bool          `toml:"by_hand"`
	Owner       string        `toml:"owner"`
	Wait        time.Duration `toml:"wait"`
}

// judgeRevocation has the certificate revoked that the target lets be, by its
// command, by hand or else by its ca.
func (c conformanceAll) judgeRevocation(ctx context.Context, std streams, t *conformance.Tester, at centreEndpoints, in func(string) string) error {
	m := at.MayRevoke
	if m.Certificate == "" {
		return nil
	}
	one := conformanceRevocation{judging: c.judging, Cert: in(m.Certificate), Issuer: in(at.Issuer), OCSP: at.OCSP, CRL: at.CRL, Delta: at.DeltaCRL,
		Command: m.Command, ByHand: m.ByHand, Owner: cmp.Or(m.Owner, "holder"), Wait: m.Wait}
	if m.Command == "" && !m.ByHand && at.CAAPI != "" {
		key, err := filepath.Abs(in(at.CAKey))
		if err != nil {
			return err
		}
		one.caConnection = caConnection{CA: at.CAAPI, Certificate: in(at.CAClient), Key: "file:" + key, Root: in(at.CARoot)}
	}
	return one.judge(ctx, std, t)
}
