package main

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/conformance"
)

// conformanceHold measures how long a hold and its end take to be seen. That a
// certificate is named here is the consent to both.
type conformanceHold struct {
	watching
	Cert           string `arg:"" name:"cert" help:"A good certificate. It is PUT ON HOLD by this test, and released: have one issued for it." type:"path"`
	HoldCommand    string `help:"The command that puts the certificate on hold and ends when that was acknowledged. The shell runs it, with ALTAMGA_CERTIFICATE_FILE and ALTAMGA_CERTIFICATE_SERIAL in its environment." placeholder:"COMMAND"`
	ReleaseCommand string `help:"The command that releases it, likewise." placeholder:"COMMAND"`
}

func (c conformanceHold) Run(ctx context.Context, std streams) error {
	return c.changed(ctx, std, 2, c.judge)
}

func (c conformanceHold) judge(ctx context.Context, t *conformance.Tester) error {
	hold, release, err := c.how()
	if err != nil {
		return err
	}
	responder, list, err := c.sources(c.Cert)
	if err != nil {
		return err
	}
	return t.Hold(ctx, conformance.HoldTarget{Wait: c.Wait, Hold: hold, Release: release, Responder: responder, List: list})
}

// how returns what puts the certificate on hold and what releases it: two
// commands, or the ca.
func (c conformanceHold) how() (hold, release conformance.Act, err error) {
	commands, connected := c.HoldCommand != "" && c.ReleaseCommand != "", c.Centre != "" || c.CA != ""
	if commands == connected || !commands && c.HoldCommand+c.ReleaseCommand != "" {
		return nil, nil, wrong(errors.New("one way to put the certificate on hold and to release it is needed"), "give --hold-command and --release-command, or a ca with --centre or --ca; in a target.toml command and release_command, or ca_api")
	}
	if commands {
		return byCommand(c.HoldCommand, c.Cert), byCommand(c.ReleaseCommand, c.Cert), nil
	}
	client, err := c.open()
	if err != nil {
		return nil, nil, err
	}
	request := ca.ChangeRequest{Owner: c.Owner}
	return byCA(client.Hold, c.Cert, request), byCA(client.Release, c.Cert, request), nil
}

// mayHold is a target's consent to the hold of one certificate, in a
// target.toml as [mayRevoke] is.
type mayHold struct {
	Certificate    string        `toml:"certificate"`
	Command        string        `toml:"command"`
	ReleaseCommand string        `toml:"release_command"`
	Owner          string        `toml:"owner"`
	Wait           time.Duration `toml:"wait"`
}

// judgeHold has the certificate put on hold and released that the target lets
// be, by its commands or else by its ca.
func (c conformanceAll) judgeHold(ctx context.Context, t *conformance.Tester, at centreEndpoints, in func(string) string) error {
	m := at.MayHold
	if m.Certificate == "" {
		return nil
	}
	if m.Command+m.ReleaseCommand != "" {
		at.CAAPI = ""
	}
	flags, err := c.at(at, in, cmp.Or(m.Owner, "holder"), m.Wait)
	if err != nil {
		return err
	}
	return conformanceHold{watching: flags, Cert: in(m.Certificate), HoldCommand: m.Command, ReleaseCommand: m.ReleaseCommand}.judge(ctx, t)
}
