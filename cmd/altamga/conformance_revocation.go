package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/conformance"
)

// conformanceRevocation measures how long a revocation takes to be seen. That a
// certificate is named here is the consent to its end.
type conformanceRevocation struct {
	watching
	Cert    string `arg:"" name:"cert" help:"A good certificate. It is REVOKED FOR GOOD by this test: have one issued for it." type:"path"`
	Command string `help:"The command that revokes the certificate and ends when that was acknowledged. The shell runs it, with ALTAMGA_REVOKE_FILE and ALTAMGA_REVOKE_SERIAL in its environment." placeholder:"COMMAND"`
	ByHand  bool   `help:"Somebody revokes the certificate by hand, once the test has begun."`
}

func (c conformanceRevocation) Run(ctx context.Context, std streams) error {
	return c.changed(ctx, std, 1, func(ctx context.Context, t *conformance.Tester) error { return c.judge(ctx, std, t) })
}

func (c conformanceRevocation) judge(ctx context.Context, std streams, t *conformance.Tester) error {
	revoke, err := c.how(std)
	if err != nil {
		return err
	}
	responder, list, err := c.sources(c.Cert)
	if err != nil {
		return err
	}
	return t.Change(ctx, conformance.ChangeTarget{Wait: c.Wait, Revoke: revoke, Responder: responder, List: list})
}

// how returns what revokes the certificate: exactly one way is named.
func (c conformanceRevocation) how(std streams) (conformance.Act, error) {
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
		return byCommand(c.Command, c.Cert), nil
	}
	client, err := c.open()
	if err != nil {
		return nil, err
	}
	return byCA(client.Revoke, c.Cert, ca.ChangeRequest{Reason: "superseded", Owner: c.Owner}), nil
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
	if m.Command != "" || m.ByHand {
		at.CAAPI = ""
	}
	flags, err := c.at(at, in, cmp.Or(m.Owner, "holder"), m.Wait)
	if err != nil {
		return err
	}
	return conformanceRevocation{watching: flags, Cert: in(m.Certificate), Command: m.Command, ByHand: m.ByHand}.judge(ctx, std, t)
}
