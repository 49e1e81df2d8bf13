package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/replica"
)

// ocspBegin makes the store of [ocsp.ca].
type ocspBegin struct {
	Config   string        `short:"c" required:"" help:"The configuration file of the responder (TOML)." type:"existingfile" placeholder:"FILE"`
	Snapshot string        `help:"What \"altamga register snapshot\" wrote. Default: the journal is read from its first entry on." type:"existingfile" placeholder:"FILE" xor:"from"`
	Fetch    bool          `help:"Fetch the snapshot from the ca, over the API that ocsp.ca.url names." xor:"from"`
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
	if errors.Is(err, fs.ErrExist) && c.Replace && (c.Fetch || c.Snapshot != "") {
		store, err = replica.Open(ctx, string(at.Store), nil)
	}
	if errors.Is(err, fs.ErrExist) {
		return withHint(err, "the store is in use; a later snapshot takes its place with --replace and --fetch or --snapshot FILE")
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if c.Snapshot == "" && !c.Fetch {
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
	in, name, err := c.open(ctx, *at)
	if err != nil {
		return err
	}
	defer in.Close()
	show, wipe := statusLine(std.err)
	head, err := store.Load(ctx, in, key, c.MaxAge, func(read, of int64) { show(fmt.Sprintf("statuses %d of %d", read, of)) })
	wipe()
	switch {
	case errors.Is(err, replica.ErrSnapshot):
		return withHint(fmt.Errorf("%s: %w", name, err), "fetch it again, or write it anew with `altamga register snapshot`; ocsp.ca.log must be that ca's log.pub. Nothing was taken over")
	case errors.Is(err, replica.ErrOld):
		return withHint(fmt.Errorf("%s: %w", name, err), "write a new one with `altamga register snapshot`. Nothing was taken over")
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintf(std.out, "%s: %d statuses up to position %d, signed as %s\n", at.Store, head.Statuses, head.Position, head.Origin)
	return nil
}

// open opens the snapshot, and says what it is called.
func (c ocspBegin) open(ctx context.Context, at ocspCAConfig) (io.ReadCloser, string, error) {
	if !c.Fetch {
		file, err := os.Open(c.Snapshot)
		if err != nil {
			return nil, "", fmt.Errorf("reading snapshot: %w", err)
		}
		return file, c.Snapshot, nil
	}
	client, err := caConnection{
		Centre: filepath.Dir(c.Config), CA: string(at.URL),
		Certificate: string(at.Client.Certificate), Key: at.Client.Key, Root: string(at.Client.Peers),
	}.open()
	if err != nil {
		return nil, "", err
	}
	body, err := client.Snapshot(ctx)
	return body, "snapshot of " + string(at.URL), err
}
