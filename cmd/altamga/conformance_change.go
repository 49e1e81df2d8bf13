package main

import (
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

// watching are the flags of the commands that have a certificate's status
// changed, and measure how long it takes to be seen.
type watching struct {
	judging
	caConnection
	Issuer string        `help:"The authority's certificate." required:"" type:"path" placeholder:"FILE"`
	OCSP   string        `name:"ocsp" help:"The responder." placeholder:"URL"`
	CRL    string        `name:"crl" help:"The distribution point." placeholder:"URL"`
	Delta  string        `help:"The URL of the delta list." placeholder:"URL"`
	Owner  string        `help:"In whose right the ca is asked: holder, organisation, court or centre, which takes a second person." default:"holder"`
	Wait   time.Duration `help:"How long to wait until all say so, after each change." default:"2m"`
}

// changed runs a test that waits for so many changes.
func (c watching) changed(ctx context.Context, std streams, changes int, test func(context.Context, *conformance.Tester) error) error {
	if c.Wait <= 0 {
		return wrong(errors.New("--wait is no time"), "leave it out for two minutes")
	}
	c.Deadline += time.Duration(changes) * c.Wait
	return c.run(ctx, std, test)
}

// sources reads what tells the status of the certificate in a file.
func (c watching) sources(file string) (responder conformance.OCSPTarget, list conformance.ListTarget, err error) {
	var certificate, issuer []byte
	for _, f := range []certificateFile{{file, &certificate}, {c.Issuer, &issuer}} {
		if err := f.read(); err != nil {
			return responder, list, err
		}
	}
	return conformance.OCSPTarget{URL: c.OCSP, Issuer: issuer, Good: certificate},
		conformance.ListTarget{URL: c.CRL, Issuer: issuer, Leaf: certificate, Delta: c.Delta}, nil
}

// at are the flags for a centre that a file describes.
func (c conformanceAll) at(at centreEndpoints, in func(string) string, owner string, wait time.Duration) (watching, error) {
	one := watching{judging: c.judging, Issuer: in(at.Issuer), OCSP: at.OCSP, CRL: at.CRL, Delta: at.DeltaCRL, Owner: owner, Wait: wait}
	if at.CAAPI == "" {
		return one, nil
	}
	key, err := filepath.Abs(in(at.CAKey))
	one.caConnection = caConnection{CA: at.CAAPI, Certificate: in(at.CAClient), Key: "file:" + key, Root: in(at.CARoot)}
	return one, err
}

// byCommand has a change made by a command, which ends when that was
// acknowledged.
func byCommand(line, file string) conformance.Act {
	return func(ctx context.Context) (acknowledged time.Time, err error) {
		certificate, err := readCertificate(config.Path(file))
		if err != nil {
			return acknowledged, err
		}
		command := exec.CommandContext(ctx, "/bin/sh", "-c", line)
		serial := certificate.SerialNumber.Text(16)
		command.Env = append(os.Environ(), "ALTAMGA_CERTIFICATE_FILE="+file, "ALTAMGA_CERTIFICATE_SERIAL="+serial, "ALTAMGA_REVOKE_FILE="+file, "ALTAMGA_REVOKE_SERIAL="+serial)
		// What it starts and leaves behind does not hold up the test.
		command.WaitDelay = time.Second
		if output, err := command.CombinedOutput(); err != nil {
			text := strings.TrimSpace(string(output))
			return acknowledged, fmt.Errorf("%w: %s", err, text[:min(len(text), 500)])
		}
		return acknowledged, nil
	}
}

// byCA has a change made by the ca.
func byCA(change func(context.Context, journal.Serial, ca.ChangeRequest, string) (*ca.ChangeAnswer, error), file string, request ca.ChangeRequest) conformance.Act {
	return func(ctx context.Context) (acknowledged time.Time, err error) {
		certificate, err := readCertificate(config.Path(file))
		if err != nil {
			return acknowledged, err
		}
		_, err = change(ctx, journal.SerialOf(certificate.SerialNumber), request, "")
		return acknowledged, err
	}
}
