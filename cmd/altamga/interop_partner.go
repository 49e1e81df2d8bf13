package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/interop"
)

// interopPartner is the way of another state into our list.
type interopPartner struct {
	Import  partnerImport  `cmd:"" help:"Show what is in what a partner handed over: certificates, folders, PKCS #7, the Kamu SM depot, a trust list. Writes nothing."`
	Propose partnerPropose `cmd:"" help:"Propose a partner: what a TOML file says, and the material that it names."`
	Test    partnerTest    `cmd:"" help:"Try a proposed partner on certificates that its authorities issued."`
	Accept  partnerAccept  `cmd:"" help:"Accept a tested partner, as another officer than the one who proposed it. The next list has it."`
	Suspend partnerSuspend `cmd:"" help:"End what was accepted; the next list says so."`
	Show    partnerShow    `cmd:"" help:"Show the partners, or the whole record of one."`
}

// partnerImport shows material.
type partnerImport struct {
	Material []string `arg:"" help:"Files, folders, and http addresses."`
}

func (c partnerImport) Run(ctx context.Context, std streams) error {
	m, err := interop.ReadMaterial(ctx, anyAddress().Get, c.Material...)
	if err != nil {
		return withHint(err, "certificates as DER, PEM or base64, PKCS #7, the Kamu SM depot (XML), or one trust list")
	}
	for _, source := range m.Sources {
		fmt.Fprintln(std.out, source)
	}
	for _, one := range m.Certificates {
		facts, err := one.Facts()
		if err != nil {
			return err
		}
		note := ""
		if !facts.Verifiable() {
			note = ", not verifiable by this build"
		}
		fmt.Fprintf(std.out, "%s  %s  until %s  %s%s\n", one.Fingerprint(), facts.Algorithm(), facts.NotAfter.Format(time.DateOnly), interop.NameText(facts.Subject), note)
	}
	return nil
}

// partnerPropose proposes a partner.
type partnerPropose struct {
	Plan string `arg:"" help:"The file (TOML) that says who the partner is and names its material. Paths in it are relative to it." type:"existingfile"`
	deskFlags
}

func (c partnerPropose) Run(ctx context.Context, std streams) error {
	return c.atDesk(func(o officer) error {
		plan, material, files, err := loadPartner(ctx, c.Plan, o.section)
		if err != nil {
			return err
		}
		p, err := o.Propose(ctx, o.token, plan, material, files)
		if err != nil {
			return partnerFault(fmt.Errorf("proposing the partner: %w", err))
		}
		showPartner(std, p)
		fmt.Fprintf(std.out, "Try it: altamga interop partner test %s -c %s --token FILE --sample CERTIFICATE\n", p.Territory, c.Config)
		return nil
	})
}

// loadPartner reads what an officer proposes of a partner, and the material
// that it names. Addresses in it are public ones, and those that lists may lead
// to.
func loadPartner(ctx context.Context, file string, c *interopConfig) (*interop.PartnerPlan, *interop.Material, interop.CertificateFiles, error) {
	var plan interop.PartnerPlan
	if err := config.Load(file, &plan); err != nil {
		return nil, nil, nil, err
	}
	beside := func(name string) string {
		if filepath.IsAbs(name) || strings.Contains(name, "://") {
			return name
		}
		return filepath.Join(filepath.Dir(file), name)
	}
	var names []string
	for _, name := range plan.Material {
		names = append(names, beside(name))
	}
	var policy interop.Policy
	if c.Follow != nil {
		policy.Allow = c.Follow.Allow
	}
	material, err := interop.ReadMaterial(ctx, interop.NewWeb(policy).Get, names...)
	if err != nil {
		return nil, nil, nil, withHint(err, "look at it with `altamga interop partner import`")
	}
	return &plan, material, func(name string) ([]*interop.Certificate, error) { return interop.ReadCertificates(beside(name)) }, nil
}

// partnerTest tries a partner.
type partnerTest struct {
	Territory string `arg:"" help:"The partner's country code."`
	deskFlags
	Sample []string  `required:"" help:"A certificate that one of the partner's authorities issued; may be repeated." type:"existingfile" placeholder:"FILE"`
	At     time.Time `help:"The moment at which the samples have to be recognised. Default: now." placeholder:"2026-01-31T12:00:00Z"`
}

func (c partnerTest) Run(ctx context.Context, std streams) error {
	var samples []*interop.Certificate
	for _, name := range c.Sample {
		all, err := listCertificates(config.Path(name))
		if err != nil {
			return err
		}
		samples = append(samples, all...)
	}
	if c.At.IsZero() {
		c.At = time.Now()
	}
	return c.atDesk(func(o officer) error {
		p, err := o.TestPartner(ctx, o.token, c.Territory, samples, c.At)
		if err != nil {
			return partnerFault(fmt.Errorf("testing the partner: %w", err))
		}
		showPartner(std, p)
		fmt.Fprintf(std.out, "Another officer than %s looks at it and accepts: altamga interop partner accept %s -c %s --token FILE --digest %s\n",
			p.ProposedBy, p.Territory, c.Config, p.Tested)
		return nil
	})
}

// partnerAccept accepts a partner.
type partnerAccept struct {
	Territory string `arg:"" help:"The partner's country code."`
	deskFlags
	Digest string `required:"" help:"The digest of the offer, as it was looked at." placeholder:"HEX"`
}

func (c partnerAccept) Run(ctx context.Context, std streams) error {
	return c.atDesk(func(o officer) error {
		p, err := o.AcceptPartner(ctx, o.token, c.Territory, c.Digest)
		if err != nil {
			return partnerFault(fmt.Errorf("accepting the partner: %w", err))
		}
		fmt.Fprintf(std.out, "%s is accepted. The next list has it: altamga interop prepare -c %s --token FILE\n", p.Territory, c.Config)
		return nil
	})
}

// partnerSuspend suspends a partner.
type partnerSuspend struct {
	Territory string `arg:"" help:"The partner's country code."`
	deskFlags
	Reason string `required:"" help:"Why, for the audit log." placeholder:"TEXT"`
}

func (c partnerSuspend) Run(ctx context.Context, std streams) error {
	return c.atDesk(func(o officer) error {
		p, err := o.SuspendPartner(ctx, o.token, c.Territory, c.Reason)
		if err != nil {
			return partnerFault(fmt.Errorf("suspending the partner: %w", err))
		}
		fmt.Fprintf(std.out, "%s is suspended. The public learns of it by the next list: altamga interop prepare -c %s --token FILE\n", p.Territory, c.Config)
		return nil
	})
}

// partnerShow shows records.
type partnerShow struct {
	Territory string `arg:"" optional:"" help:"The partner's country code. Without it, all are named."`
	deskFlags
	JSON bool `help:"The record as it is, in JSON."`
}

func (c partnerShow) Run(_ context.Context, std streams) error {
	return c.atDesk(func(o officer) error {
		if c.Territory == "" {
			all, err := o.Partners()
			for _, p := range all {
				fmt.Fprintf(std.out, "%s  %-9s  %s\n", p.Territory, p.State, p.Offer.Operator["en"])
			}
			return err
		}
		p, err := o.Partner(c.Territory)
		if err != nil {
			return partnerFault(err)
		}
		if c.JSON {
			encoder := json.NewEncoder(std.out)
			encoder.SetIndent("", "  ")
			return encoder.Encode(p)
		}
		showPartner(std, p)
		return nil
	})
}

func showPartner(std streams, p *interop.Partner) {
	fmt.Fprintf(std.out, "%s, %s: %s, digest %s\n", p.Territory, p.Offer.Operator["en"], p.State, p.Offer.Digest())
	for _, source := range p.Offer.Sources {
		fmt.Fprintf(std.out, "    from %s\n", source)
	}
	for _, finding := range p.Findings {
		fmt.Fprintf(std.out, "    %s\n", finding)
	}
	for _, s := range p.Steps {
		fmt.Fprintf(std.out, "    %s %s by %s %s\n", s.At.Format(time.RFC3339), s.To, s.Officer, s.Reason)
	}
}

// partnerFault says what an officer can do.
func partnerFault(err error) error {
	switch {
	case errors.Is(err, interop.ErrContradicted):
		return withHint(err, contradictedHint)
	case errors.Is(err, interop.ErrOutOfOrder), errors.Is(err, fs.ErrNotExist):
		return withHint(err, "a partner is proposed, tested, accepted, published by the next list, and suspended: see `altamga interop partner show`")
	case errors.Is(err, interop.ErrBusy):
		return withHint(err, busyHint)
	case errors.Is(err, interop.ErrSameOfficer):
		return withHint(err, "ask another officer, with a token of their own")
	case errors.Is(err, interop.ErrToken):
		return withHint(err, "name the file of an officer's token with --token")
	}
	return withHint(err, "see what is on record with `altamga interop partner show`")
}
