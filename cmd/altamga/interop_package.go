package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/durable"
	"github.com/altamga/altamga/internal/keys"
	"github.com/altamga/altamga/interop"
	"github.com/altamga/altamga/interop/truststore"
)

// interopPackage packs what lists vouch for.
type interopPackage struct {
	List []string `arg:"" help:"The lists: files or http addresses."`
	pinned
	Output      string   `short:"o" required:"" help:"The zip to write, or with --format dir the folder." type:"path" placeholder:"FILE"`
	Format      string   `help:"zip or dir." enum:"zip,dir" default:"zip"`
	Key         string   `help:"URI of the key that signs the manifest and, with its certificate, the list of trusted entities." placeholder:"URI"`
	Certificate string   `help:"PEM file of the key's certificate, and of what goes with it." type:"existingfile" placeholder:"FILE"`
	Territory   []string `help:"Take this territory only; may be repeated."`
	Type        []string `help:"Take services of this type only, such as CA/QC; may be repeated."`
	Status      []string `help:"Take services of this status only, such as withdrawn. Default: those that are relied on."`
	Algorithm   []string `help:"Take certificates with keys of this kind only: rsa, ecdsa, ed25519, brainpool, gost3410-2012 or an object identifier."`
	Archived    bool     `help:"Take lists that are not in force any more, too."`
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
	if err := c.write(anchors); err != nil {
		return withHint(fmt.Errorf("packing: %w", err), "filters compare with the ends of URIs: --type CA/QC --status granted")
	}
	if c.Key == "" {
		fmt.Fprintln(std.err, "the manifest is not signed: name a key with --key, and its certificate with --certificate, such as those that init makes: keys/packages.key, certificates/packages.pem")
	}
	fmt.Fprintf(std.out, "%s: %d services of %d lists\n", c.Output, len(anchors), len(lists))
	return nil
}

// write writes the package.
func (c interopPackage) write(anchors []truststore.Anchor) error {
	signer, err := c.signer()
	if err != nil {
		return err
	}
	if c.Format == "zip" {
		if err := keepOthers(c.Output, "package", "anchors."); err != nil {
			return err
		}
		data, err := truststore.Bundle(anchors, signer)
		if err != nil {
			return err
		}
		return durable.Write(c.Output, data, 0o644)
	}
	if err := keepOtherFolder(c.Output, "manifest.json"); err != nil {
		return err
	}
	files, err := truststore.Package(anchors, signer)
	if err != nil {
		return err
	}
	for _, f := range files {
		name := filepath.Join(c.Output, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := durable.Write(name, f.Data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// signer opens the key, if one is named.
func (c interopPackage) signer() (*truststore.Signer, error) {
	if c.Key == "" {
		return nil, nil
	}
	key, err := keys.Open(c.Key, ".")
	if err != nil {
		return nil, err
	}
	s := &truststore.Signer{Key: key}
	if c.Certificate == "" {
		return s, nil
	}
	all, err := readCertificates(config.Path(c.Certificate))
	if err != nil {
		return nil, err
	}
	s.Certificate, s.Chain = all[0], all[1:]
	return s, checkPair(s.Certificate, key, c.Key)
}
