package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/durable"
	"github.com/altamga/altamga/interop"
)

// deskFlags are those of every command of the officers.
type deskFlags struct {
	Config string `short:"c" required:"" help:"The configuration file (TOML)." type:"path" placeholder:"FILE"`
	Token  string `required:"" help:"The file of the officer's token." type:"existingfile" placeholder:"FILE"`
}

// officer is one at the open desk.
type officer struct {
	*interop.Desk
	token string
	// section is that of the configuration.
	section *interopConfig
}

// atDesk opens the desk, lets the officer do something there, and closes it.
func (f deskFlags) atDesk(do func(officer) error) error {
	section, err := loadInterop(f.Config)
	if err != nil {
		return err
	}
	token, err := os.ReadFile(f.Token)
	if err != nil {
		return fmt.Errorf("reading token: %w", err)
	}
	desk, closing, err := openDesk(section, filepath.Dir(f.Config))
	if err != nil {
		return err
	}
	return errors.Join(do(officer{desk, strings.TrimSpace(string(token)), section}), closing())
}

// loadInterop reads the section [interop] of a configuration file.
func loadInterop(file string) (*interopConfig, error) {
	var c suiteConfig
	if err := config.Load(file, &c); err != nil {
		return nil, err
	}
	if c.Interop == nil {
		return nil, noSection("interop")
	}
	return c.Interop, nil
}

// loadListPlan reads the plan of a list, and returns how its certificates are
// opened.
func loadListPlan(path string) (*interop.Plan, interop.CertificateFiles, error) {
	var plan interop.Plan
	if err := config.Load(path, &plan); err != nil {
		return nil, nil, err
	}
	return &plan, func(name string) ([]*interop.Certificate, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(path), name)
		}
		return interop.ReadCertificates(name)
	}, nil
}

// interopPrepare prepares the next list.
type interopPrepare struct {
	deskFlags
	DryRun bool   `help:"Show what it would change, and write nothing."`
	Output string `short:"o" help:"Also write the unsigned list to a file." type:"path" placeholder:"FILE"`
}

func (c interopPrepare) Run(ctx context.Context, std streams) error {
	if c.Output != "" {
		if err := keepOthers(c.Output, "list"); err != nil {
			return err
		}
	}
	return c.atDesk(func(o officer) error {
		plan, files, err := loadListPlan(string(o.section.Plan))
		if err != nil {
			return err
		}
		var draft *interop.Draft
		var data []byte
		if c.DryRun {
			draft, data, err = o.Rehearse(plan, files)
		} else {
			draft, data, err = o.Prepare(ctx, o.token, plan, files)
		}
		if errors.Is(err, interop.ErrBusy) {
			return deskFault(fmt.Errorf("preparing the list: %w", err))
		}
		if err != nil {
			return withHint(fmt.Errorf("preparing the list: %w", err), "mend "+string(o.section.Plan)+", or take the token of an officer")
		}
		if c.Output != "" {
			if err := durable.Write(c.Output, data, 0o644); err != nil {
				return err
			}
		}
		showDraft(std, draft)
		if c.DryRun {
			fmt.Fprintln(std.out, "Nothing was written.")
			return nil
		}
		fmt.Fprintf(std.out, "Another officer looks at it and signs: altamga interop sign -c %s --token FILE --digest %s\n", c.Config, draft.Digest)
		return nil
	})
}

func showDraft(std streams, d *interop.Draft) {
	fmt.Fprintf(std.out, "list %d, digest %s\n", d.Sequence, d.Digest)
	for _, change := range d.Changes {
		fmt.Fprintf(std.out, "    %s\n", change)
	}
}

// interopSign signs what another officer prepared.
type interopSign struct {
	deskFlags
	Digest string `help:"The digest of the draft, as it was looked at. Without it, the draft is shown and nothing is signed." placeholder:"HEX"`
}

func (c interopSign) Run(ctx context.Context, std streams) error {
	return c.atDesk(func(o officer) error {
		if c.Digest == "" {
			draft, data, err := o.Draft()
			if err != nil {
				return deskFault(err)
			}
			showDraft(std, draft)
			fmt.Fprintf(std.out, "prepared by %s\n\n%s", draft.PreparedBy, data)
			return nil
		}
		draft, err := o.Sign(ctx, o.token, c.Digest)
		if err != nil {
			return deskFault(fmt.Errorf("signing the list: %w", err))
		}
		fmt.Fprintf(std.out, "list %d, prepared by %s, is signed by %s. Publish it: altamga interop publish -c %s --token FILE\n", draft.Sequence, draft.PreparedBy, draft.SignedBy, c.Config)
		return nil
	})
}

// interopPublish puts the signed list before the public.
type interopPublish struct {
	deskFlags
}

func (c interopPublish) Run(ctx context.Context, std streams) error {
	return c.atDesk(func(o officer) error {
		v, err := o.Publish(ctx, o.token)
		if err != nil {
			return deskFault(fmt.Errorf("publishing the list: %w", err))
		}
		fmt.Fprintf(std.out, "list %d is published in %s, sha256 %x\n", v.Scheme.SequenceNumber, filepath.Join(string(o.section.Dir), "current"), v.Digest)
		return nil
	})
}

// busyHint is for an officer who was not alone at the desk.
const busyHint = "wait until the other command is over, and look again at what is there before you repeat yours"

// contradictedHint is for an officer whose folder is not as the desk left it.
const contradictedHint = "keep the folder as it is and find out who changed it; the audit log says who did what"

// deskFault says what an officer can do.
func deskFault(err error) error {
	switch {
	case errors.Is(err, interop.ErrContradicted):
		return withHint(err, contradictedHint)
	case errors.Is(err, fs.ErrNotExist):
		return withHint(err, "prepare one first: altamga interop prepare")
	case errors.Is(err, interop.ErrBusy):
		return withHint(err, busyHint)
	case errors.Is(err, interop.ErrSameOfficer):
		return withHint(err, "ask another officer, with a token of their own")
	case errors.Is(err, interop.ErrToken):
		return withHint(err, "name the file of an officer's token with --token")
	}
	return withHint(err, "see it with `altamga interop sign` without --digest, or prepare it again")
}
