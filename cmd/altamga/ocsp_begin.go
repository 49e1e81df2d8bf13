package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/altamga/altamga/internal/audit"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/keys"
	"github.com/altamga/altamga/internal/register"
	"github.com/altamga/altamga/internal/replica"
)

// registerSnapshot writes what a responder on another host begins with.
type registerSnapshot struct {
	Config string `short:"c" required:"" help:"The configuration file of the ca (TOML): its [register] is read, and the key of its [audit] signs." type:"existingfile" placeholder:"FILE"`
	Out    string `required:"" help:"The file to write. It holds serial numbers and statuses, no certificate and nothing personal." type:"path" placeholder:"FILE"`
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
	opened, err := openRegister(ctx, suite.Register)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	key, err := keys.Open(suite.Audit.Key, filepath.Dir(c.Config))
	if err != nil {
		return fmt.Errorf("opening key of audit log: %w", err)
	}
	signer, err := audit.NewSigner(suite.Audit.Origin, key)
	if err != nil {
		return fmt.Errorf("configuring audit log: %w", err)
	}
	head, err := c.write(ctx, opened, signer, std)
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

// write writes the snapshot, whole or not at all.
func (c registerSnapshot) write(ctx context.Context, from *register.Register, signer *audit.Signer, std streams) (head snapshotHead, err error) {
	file, err := os.CreateTemp(filepath.Dir(c.Out), "."+filepath.Base(c.Out)+"-*")
	if err != nil {
		return head, fmt.Errorf("writing snapshot: %w", err)
	}
	defer func() {
		if err != nil {
			os.Remove(file.Name())
		}
	}()
	var out *replica.SnapshotWriter
	var shown *progress
	// Taken before the statuses are read: as of then they are certain.
	at := time.Now()
	err = from.Statuses(ctx, func(last journal.Entry, statuses int64) (err error) {
		head = snapshotHead{last, statuses}
		shown = newProgress(std.err, "statuses", int(statuses))
		out, err = replica.NewSnapshot(file, signer, last, at, statuses)
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
	if err = errors.Join(err, file.Chmod(0o644), file.Sync(), file.Close()); err != nil {
		return head, err
	}
	if err := os.Rename(file.Name(), c.Out); err != nil {
		return head, fmt.Errorf("writing snapshot: %w", err)
	}
	return head, nil
}

// ocspBegin makes the store of [ocsp.ca].
type ocspBegin struct {
	Config   string        `short:"c" required:"" help:"The configuration file of the responder (TOML)." type:"existingfile" placeholder:"FILE"`
	Snapshot string        `help:"What \"altamga register snapshot\" wrote. Default: the journal is read from its first entry on." type:"existingfile" placeholder:"FILE"`
	MaxAge   time.Duration `help:"Refuse a snapshot that is older." default:"168h"`
	Replace  bool          `help:"Take the snapshot over into a store that is in use already, unless it knows less. Stop the responder first."`
}

func (c ocspBegin) Run(ctx context.Context, std streams) (err error) {
	var suite suiteConfig
	if err := config.Load(c.Config, &suite); err != nil {
		return err
	}
	if suite.OCSP == nil {
		return noSection("ocsp")
	}
	at := suite.OCSP.CA
	if at == nil || at.Store == "" {
		return withHint(errors.New("the configuration has no ocsp.ca.store"), "a responder on another host than the ca's has a section [ocsp.ca] with url, client, store and log")
	}
	store, err := replica.Create(ctx, string(at.Store), nil)
	if errors.Is(err, fs.ErrExist) && c.Replace && c.Snapshot != "" {
		store, err = replica.Open(ctx, string(at.Store), nil)
	}
	if errors.Is(err, fs.ErrExist) {
		return withHint(err, "the store is in use; a later snapshot takes its place with --replace --snapshot FILE")
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if c.Snapshot == "" {
		if err := store.Begin(ctx); err != nil {
			return err
		}
		fmt.Fprintf(std.out, "%s: to be filled from the journal of %s\n", at.Store, at.URL)
		return nil
	}
	key, err := readLogKey(string(at.Log))
	if err != nil {
		return err
	}
	in, err := os.Open(c.Snapshot)
	if err != nil {
		return fmt.Errorf("reading snapshot: %w", err)
	}
	defer in.Close()
	show, wipe := statusLine(std.err)
	head, err := store.Load(ctx, in, key, c.MaxAge, func(read, of int64) { show(fmt.Sprintf("statuses %d of %d", read, of)) })
	wipe()
	switch {
	case errors.Is(err, replica.ErrSnapshot):
		return withHint(fmt.Errorf("%s: %w", c.Snapshot, err), "write it anew with `altamga register snapshot`; ocsp.ca.log must be that ca's log.pub. Nothing was taken over")
	case errors.Is(err, replica.ErrOld):
		return withHint(fmt.Errorf("%s: %w", c.Snapshot, err), "write a new one with `altamga register snapshot`. Nothing was taken over")
	case err != nil:
		return fmt.Errorf("%s: %w", c.Snapshot, err)
	}
	fmt.Fprintf(std.out, "%s: %d statuses up to position %d, signed as %s\n", at.Store, head.Statuses, head.Position, head.Origin)
	return nil
}
