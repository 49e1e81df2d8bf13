package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/altamga/altamga/internal/audit"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/durable"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/register"
	"github.com/altamga/altamga/internal/replica"
)

// registerSnapshot writes what a responder on another host begins with.
type registerSnapshot struct {
	Config string `short:"c" required:"" help:"The configuration file of the ca (TOML): its [register] is read, and the key of its [audit] signs." type:"existingfile" placeholder:"FILE"`
	Out    string `required:"" help:"The file to write. It holds serial numbers, profiles and statuses, no certificate and nothing personal." type:"path" placeholder:"FILE"`
}

func (c registerSnapshot) Run(ctx context.Context, std streams) (err error) {
	var suite suiteConfig
	if err := config.Load(c.Config, &suite); err != nil {
		return err
	}
	if suite.Register == nil {
		return noSection("register")
	}
	if suite.Audit == nil {
		return noSection("audit")
	}
	if err := keepOthers(c.Out, "snapshot", `{"snapshot":`); err != nil {
		return err
	}
	opened, err := openRegister(ctx, suite.Register)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	signer, err := auditSigner(suite.Audit, filepath.Dir(c.Config))
	if err != nil {
		return err
	}
	var head snapshotHead
	err = durable.Stream(c.Out, 0o644, func(to io.Writer) (err error) {
		head, err = writeSnapshot(ctx, to, opened, signer, std.err)
		return err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%s: %d statuses up to position %d of the journal\n", c.Out, head.statuses, head.last.Position)
	fmt.Fprintf(std.out, "Signed as %s. Take it to the responder's host with log.pub, and there: altamga ocsp begin -c FILE --snapshot %s\n", signer.Name(), filepath.Base(c.Out))
	return nil
}

type snapshotHead struct {
	last     journal.Entry
	statuses int64
}

// writeSnapshot writes a snapshot of a register, and shows how far it is.
func writeSnapshot(ctx context.Context, to io.Writer, from *register.Register, signer *audit.Signer, show io.Writer) (head snapshotHead, err error) {
	var out *replica.SnapshotWriter
	var shown *progress
	// Taken before the statuses are read: as of then they are certain.
	at := time.Now()
	err = from.Statuses(ctx, func(last journal.Entry, statuses int64) (err error) {
		head = snapshotHead{last, statuses}
		shown = newProgress(show, "statuses", int(statuses))
		out, err = replica.NewSnapshot(to, signer, last, at, statuses)
		return err
	}, func(s journal.Standing) error {
		shown.step()
		return out.Add(s)
	})
	if shown != nil {
		shown.end()
	}
	if err == nil {
		err = out.Close()
	}
	return head, err
}

// snapshots is how the ca offers them over its API.
func (p *process) snapshots() (func(context.Context, io.Writer) error, error) {
	signer, err := auditSigner(p.config.Audit, p.dir)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, to io.Writer) error {
		_, err := writeSnapshot(ctx, to, p.register, signer, io.Discard)
		return err
	}, nil
}
