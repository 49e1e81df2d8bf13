package main

import (
	"context"
	"crypto"
	"fmt"
	"os"
	"path/filepath"

	"github.com/altamga/altamga/internal/keys"
	"github.com/altamga/altamga/interop"
	"github.com/altamga/altamga/interop/truststore"
)

// interopPackage packs what lists vouch for.
type interopPackage struct {
	List []string `arg:"" help:"The lists: files or http addresses."`
	pinned
	Output    string   `short:"o" required:"" help:"The zip to write, or with --format dir the folder." type:"path" placeholder:"FILE"`
	Format    string   `help:"zip or dir." enum:"zip,dir" default:"zip"`
	Key       string   `help:"URI of the key that signs the zip's manifest." placeholder:"URI"`
	Territory []string `help:"Take this territory only; may be repeated."`
	Type      []string `help:"Take services of this type only, such as CA/QC; may be repeated."`
	Status    []string `help:"Take services of this status only, such as withdrawn. Default: those that are relied on."`
	Algorithm []string `help:"Take certificates with keys of this kind only: rsa, ecdsa, ed25519, gost3410-2012 or an object identifier."`
	Archived  bool     `help:"Take lists that are not in force any more, too."`
}

func (c interopPackage) Run(ctx context.Context, std streams) error {
	var lists []*interop.Verified
	for _, from := range c.List {
		v, err := interopVerify{List: from, pinned: c.pinned, Archived: c.Archived}.verify(ctx)
		if err != nil {
			return err
		}
		lists = append(lists, v)
	}
	anchors := truststore.Select(interop.NewTrust(lists...), truststore.Filter{Territories: c.Territory, Types: c.Type, Statuses: c.Status, Algorithms: c.Algorithm})
	if c.Format == "dir" {
		return c.folder(std, anchors)
	}
	var key crypto.Signer
	if c.Key != "" {
		var err error
		if key, err = keys.Open(c.Key, "."); err != nil {
			return err
		}
	}
	data, err := truststore.Bundle(anchors, key)
	if err != nil {
		return withHint(fmt.Errorf("packing: %w", err), "filters compare with the ends of URIs: --type CA/QC --status granted")
	}
	if err := writeFile(c.Output, data, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%s: %d services of %d lists\n", c.Output, len(anchors), len(lists))
	return nil
}

// folder writes the files beside one another.
func (c interopPackage) folder(std streams, anchors []truststore.Anchor) error {
	files, err := truststore.Files(anchors)
	if err != nil {
		return withHint(fmt.Errorf("packing: %w", err), "filters compare with the ends of URIs: --type CA/QC --status granted")
	}
	for _, f := range files {
		name := filepath.Join(c.Output, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := writeFile(name, f.Data, 0o644); err != nil {
			return err
		}
	}
	fmt.Fprintf(std.out, "%s: %d files, %d services\n", c.Output, len(files), len(anchors))
	return nil
}
