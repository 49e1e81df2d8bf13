package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/ca/ceremony"
	"github.com/altamga/altamga/crl"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/keys"
	"github.com/altamga/altamga/internal/lint"
	"github.com/altamga/altamga/internal/register"
)

type ceremonyCommands struct {
	Run     ceremonyRun     `cmd:"" default:"withargs" help:"Carry out the plan, or go on where it was interrupted."`
	Confirm ceremonyConfirm `cmd:"" help:"Confirm a plan and all that it brings in, as one of its officers."`
	Sign    ceremonySign    `cmd:"" help:"Sign the closed minutes, as one of the plan's officers."`
	Verify  ceremonyVerify  `cmd:"" help:"Check minutes and the files that they name, offline."`
}

// planFlag names the plan that a command is about.
type planFlag struct {
	Plan string `required:"" help:"The plan (TOML). Paths in it start from its folder." type:"existingfile" placeholder:"FILE"`
}

type ceremonyRun struct {
	planFlag
	DryRun bool `help:"Show what would be signed, with throw-away keys and the same lints. Writes nothing."`
}

type ceremonyConfirm struct {
	planFlag
	Key string `required:"" help:"The URI of the officer's key; a file: path starts from the present folder." placeholder:"URI"`
	Out string `help:"The file to write. Default: OFFICER.json in the plan's folder of confirmations." type:"path" placeholder:"FILE"`
}

type ceremonySign struct {
	planFlag
	Key string `required:"" help:"The URI of the officer's key; a file: path starts from the present folder." placeholder:"URI"`
}

type ceremonyVerify struct {
	Minutes string `arg:"" help:"The minutes: the .jsonl file." type:"existingfile"`
	Plan    string `help:"The reviewed plan, to compare the minutes with." type:"existingfile" placeholder:"FILE"`
	Roots   string `help:"Roots (PEM) of the time-stamp. Default: the file that the minutes name." type:"existingfile" placeholder:"FILE"`
}

// ceremonyPlan is a plan as a configuration file.
type ceremonyPlan struct{ ceremony.Plan }

// Validate gives the plan's faults their places in the file.
func (p *ceremonyPlan) Validate() error {
	var faults []error
	for _, f := range p.Check() {
		faults = append(faults, config.Wrong(f.Key, "%s", f.Detail))
	}
	return errors.Join(faults...)
}

// load reads the plan and its text.
func (f planFlag) load() (*ceremony.Plan, []byte, error) {
	text, err := os.ReadFile(f.Plan)
	if err != nil {
		return nil, nil, fmt.Errorf("reading plan: %w", err)
	}
	var p ceremonyPlan
	if err := config.Parse(f.Plan, text, &p); err != nil {
		return nil, nil, withHint(err, "put the plan right before anybody confirms it; --dry-run shows what it would do")
	}
	return &p.Plan, text, nil
}

// open makes the ceremony of the plan; registers is how its register is opened.
func (f planFlag) open(std streams, registers func(ctx context.Context, path string) (ceremony.Register, error)) (*ceremony.Ceremony, error) {
	plan, text, err := f.load()
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(f.Plan)
	profiles, err := ca.BuiltinProfiles()
	if plan.Profiles != "" {
		profiles, err = ca.LoadProfiles(os.DirFS(filepath.Join(dir, filepath.FromSlash(plan.Profiles))))
	}
	if err != nil {
		return nil, fmt.Errorf("reading profiles: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("reading the machine's name: %w", err)
	}
	return ceremony.New(ceremony.Config{
		Plan: plan, Text: text, Name: filepath.Base(f.Plan), Dir: dir, Profiles: profiles,
		Register: func(ctx context.Context) (ceremony.Register, error) {
			return registers(ctx, filepath.Join(dir, filepath.FromSlash(plan.Register)))
		},
		Keys: keysBelow{dir}, Lint: lint.Certificate, Lists: ceremonyLists{}, Stamps: stamps{}, Tool: "altamga " + version(), Host: host, Out: std.out,
	})
}

func (c ceremonyRun) Run(ctx context.Context, std streams) error {
	if c.DryRun {
		rehearsal, err := c.open(std, openCopy)
		if err != nil {
			return err
		}
		return rehearsal.Rehearse(ctx)
	}
	real, err := c.open(std, func(ctx context.Context, path string) (ceremony.Register, error) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		opened, err := register.Open(ctx, path)
		if err != nil {
			return nil, err
		}
		return ceremonyRegister{opened, func() error { return nil }}, nil
	})
	if err != nil {
		return err
	}
	return real.Run(ctx)
}

func (c ceremonyConfirm) Run(std streams) error {
	plan, text, err := c.load()
	if err != nil {
		return err
	}
	key, err := keys.Open(c.Key, ".")
	if err != nil {
		return err
	}
	dir := filepath.Dir(c.Plan)
	confirmation, err := ceremony.Confirm(plan, dir, filepath.Base(c.Plan), text, key, time.Now())
	if err != nil {
		return err
	}
	data, err := confirmation.Encode()
	if err != nil {
		return err
	}
	if c.Out == "" {
		folder := filepath.Join(dir, filepath.FromSlash(plan.Confirmations))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("writing confirmation: %w", err)
		}
		c.Out = filepath.Join(folder, confirmation.Officer+".json")
	}
	f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return withHint(fmt.Errorf("writing confirmation: %w", err), "a confirmation is not overwritten; move the old one away")
	}
	if _, err := f.Write(data); err != nil {
		return errors.Join(fmt.Errorf("writing confirmation: %w", err), f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing confirmation: %w", err)
	}
	fmt.Fprintf(std.out, "%s confirms the plan with the hash %s: %s\n", confirmation.Officer, confirmation.Plan, c.Out)
	return nil
}

func (c ceremonySign) Run(std streams) error {
	opened, err := c.open(std, openCopy)
	if err != nil {
		return err
	}
	key, err := keys.Open(c.Key, ".")
	if err != nil {
		return err
	}
	return opened.Sign(key)
}

func (c ceremonyVerify) Run(std streams) error {
	v := ceremony.Verification{Minutes: c.Minutes, Stamps: stamps{}}
	if c.Plan != "" {
		flag := planFlag{c.Plan}
		plan, text, err := flag.load()
		if err != nil {
			return err
		}
		if v.Expected, err = ceremony.Expect(plan, filepath.Dir(c.Plan), filepath.Base(c.Plan), text); err != nil {
			return err
		}
	}
	if c.Roots != "" {
		var err error
		if v.Roots, err = os.ReadFile(c.Roots); err != nil {
			return fmt.Errorf("reading roots: %w", err)
		}
	}
	report, err := ceremony.Verify(v)
	if err != nil {
		return err
	}
	fmt.Fprintf(std.out, "ceremony %s, plan hash %s\n", report.Ceremony, report.PlanHash)
	for _, fact := range report.Facts {
		fmt.Fprintln(std.out, "holds:", fact)
	}
	for _, fault := range report.Faults {
		fmt.Fprintln(std.out, "WRONG:", fault)
	}
	if len(report.Faults) > 0 {
		return withHint(fmt.Errorf("verifying %s: %d things are wrong: %s", c.Minutes, len(report.Faults), strings.Join(report.Faults, "; ")),
			"keep everything as it is, and compare it with the copies that the officers have")
	}
	fmt.Fprintf(std.out, "%s: %d lines, whole, complete and signed\n", c.Minutes, report.Lines)
	return nil
}

// keysBelow opens keys whose file: paths start from a folder.
type keysBelow struct{ dir string }

func (k keysBelow) Open(uri string) (crypto.Signer, error) { return keys.Open(uri, k.dir) }

func (k keysBelow) Generate(uri, algorithm string) (crypto.Signer, error) {
	return keys.Generate(uri, k.dir, algorithm)
}

// ceremonyRegister is the register in the ceremony's words.
type ceremonyRegister struct {
	*register.Register
	remove func() error
}

func (r ceremonyRegister) List(ctx context.Context, issuer string) (ceremony.Snapshot, error) {
	snapshot, err := r.Register.List(ctx, issuer)
	return ceremony.Snapshot(snapshot), err
}

func (r ceremonyRegister) Close() error { return errors.Join(r.Register.Close(), r.remove()) }

// openCopy opens a copy of the register at path, or an empty one if there is
// none, which goes away when it is closed.
func openCopy(ctx context.Context, path string) (ceremony.Register, error) {
	dir, err := os.MkdirTemp("", "altamga-rehearsal-")
	if err != nil {
		return nil, err
	}
	remove := func() error { return os.RemoveAll(dir) }
	// What was committed lately stands in the write-ahead log beside it.
	for _, ending := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + ending)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "register.db"+ending), data, 0o600)
		}
		if err != nil {
			return nil, errors.Join(err, remove())
		}
	}
	opened, err := register.Open(ctx, filepath.Join(dir, "register.db"))
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	return ceremonyRegister{opened, remove}, nil
}

// ceremonyLists makes revocation lists by package crl.
type ceremonyLists struct{}

func (ceremonyLists) Prepare(certificate *x509.Certificate, key crypto.Signer, snapshot ceremony.Snapshot, validity time.Duration) (ceremony.List, error) {
	return crl.Prepare(crl.Order{Certificate: certificate, Key: key, Snapshot: crl.Snapshot(snapshot), Validity: validity, Lint: lint.CRL})
}

func (ceremonyLists) Resume(certificate *x509.Certificate, key crypto.Signer, toBeSigned []byte) (ceremony.List, error) {
	return crl.Resume(crl.Order{Certificate: certificate, Key: key, Lint: lint.CRL}, toBeSigned)
}
