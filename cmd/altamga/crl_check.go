package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/altamga/altamga/crl"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/internal/register"
)

// crlCheck holds what is published against the register's table: an account
// that is independent of how the lists were made.
type crlCheck struct {
	Config string `short:"c" required:"" help:"The configuration file (TOML)." type:"existingfile" placeholder:"FILE"`
}

func (c crlCheck) Run(ctx context.Context, std streams) (err error) {
	var suite suiteConfig
	if err := config.Load(c.Config, &suite); err != nil {
		return err
	}
	if suite.CRL == nil || len(suite.CRL.Issuers) == 0 {
		return noSection("crl")
	}
	opened, err := openRegister(ctx, suite.Register)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	var faults []error
	for _, issuer := range suite.CRL.Issuers {
		signer, err := readCertificate(issuer.Certificate)
		if err == nil && issuer.Signer != "" {
			signer, err = readCertificate(issuer.Signer)
		}
		if err != nil {
			return err
		}
		places := []crlPartitionConfig{{Shards: 1, crlPlaceConfig: issuer.crlPlaceConfig}}
		for _, place := range append(places, issuer.Partitions...) {
			for shard := range max(1, place.Shards) {
				path := pki.ShardAddress(place.Path, shard)
				check := listCheck{register: opened, issuer: issuer, shard: shard, shards: max(1, place.Shards)}
				file, err := os.Open(filepath.Join(string(suite.CRL.Dir), filepath.FromSlash(path)))
				if err == nil {
					check.list, err = crl.Load(file, signer)
					err = errors.Join(err, file.Close())
				}
				if err == nil && time.Now().After(check.list.NextUpdate) {
					err = fmt.Errorf("it ran out at %s", check.list.NextUpdate.Format(time.RFC3339))
				}
				if err == nil {
					err = check.all(ctx)
				}
				if err != nil {
					faults = append(faults, fmt.Errorf("%s: %w", path, err))
					continue
				}
				fmt.Fprintf(std.out, "%s: number %v, %d entries, as in the register\n", path, check.list.CRLNumber, check.list.Len())
			}
		}
	}
	if err := errors.Join(faults...); err != nil {
		return withHint(fmt.Errorf("comparing lists with the register: %w", err), checkHint(err))
	}
	return nil
}

// errDiffers is a list that says something else than the register.
var errDiffers = errors.New("the register differs")

// checkHint says what may be done about the worst of the faults.
func checkHint(err error) string {
	switch {
	case errors.Is(err, errDiffers):
		return "nothing is published while the register contradicts itself: restore it from a copy, or find out with `altamga audit verify --journal` what was changed"
	case errors.Is(err, fs.ErrNotExist):
		return "`altamga crl serve` publishes a list as soon as it starts; is crl.dir right?"
	}
	return "`altamga crl serve` makes a list that is damaged or has run out anew within a minute, and leaves one of another authority alone: move that away"
}

// listCheck compares one list with the table.
type listCheck struct {
	register *register.Register
	issuer   crlIssuerConfig
	id       string // of the authority
	list     *crl.Set

	shard, shards int
}

// all compares what the list says of each of its authorities.
func (c listCheck) all(ctx context.Context) error {
	if len(c.issuer.Others) == 0 {
		c.id = c.issuer.ID
		return c.run(ctx)
	}
	whole, entries := c.list, 0
	for _, authority := range append(c.issuer.Others, crlOtherConfig{c.issuer.ID, c.issuer.Certificate}) {
		certificate, err := readCertificate(authority.Certificate)
		if err != nil {
			return err
		}
		c.id, c.list = authority.ID, whole.Of(certificate.RawSubject)
		if err := c.run(ctx); err != nil {
			return fmt.Errorf("authority %s: %w", c.id, err)
		}
		entries += c.list.Len()
	}
	if entries != whole.Len() {
		return fmt.Errorf("%d entries are about other authorities", whole.Len()-entries)
	}
	return nil
}

func (c *listCheck) run(ctx context.Context) error {
	if c.list.CRLNumber == nil || !c.list.CRLNumber.IsUint64() {
		return errors.New("its number is missing")
	}
	i := 0
	// Certificates that have expired may have left the list, and are skipped
	// where it does not have them.
	at := register.Point{Number: c.list.CRLNumber.Uint64(), At: c.list.ThisUpdate}
	err := c.register.EachListed(ctx, c.id, at, func(l register.Listed) error {
		if c.shards > 1 && pki.Shard(l.Serial, c.shards) != c.shard {
			return nil
		}
		if i >= c.list.Len() {
			return c.missing(ctx, l)
		}
		e := c.list.At(i)
		serial := e.Serial
		if serial[0] == 0 {
			serial = serial[1:]
		}
		switch order := slices.Compare(serial, l.Serial); {
		case order > 0:
			return c.missing(ctx, l)
		case order < 0:
			return fmt.Errorf("%w: serial %x is on the list and not revoked in the register at it", errDiffers, serial)
		case e.Reason != l.Reason:
			return fmt.Errorf("%w: serial %x has reason %d on the list and %d in the register", errDiffers, serial, e.Reason, l.Reason)
		case e.Since.Unix() != l.Since.Unix() && l.Since.Unix() <= c.list.ThisUpdate.Unix():
			return fmt.Errorf("%w: serial %x is revoked since %s on the list and since %s in the register", errDiffers, serial, e.Since, l.Since)
		}
		i++
		return nil
	})
	if err == nil && i < c.list.Len() {
		err = fmt.Errorf("%w: serial %x is on the list and not revoked in the register at it", errDiffers, c.list.At(i).Serial)
	}
	return err
}

// missing judges a certificate that is not on the list.
func (c *listCheck) missing(ctx context.Context, l register.Listed) error {
	expired := false
	records, err := c.register.History(ctx, journal.SerialOf(new(big.Int).SetBytes(l.Serial)))
	if err != nil {
		return err
	}
	for _, e := range records {
		expired = expired || e.Kind == journal.Expired && e.Position < c.list.CRLNumber.Uint64()
	}
	if expired && c.issuer.ExpiredSince.IsZero() {
		return nil
	}
	return fmt.Errorf("%w: serial %x is revoked in the register and not on the list", errDiffers, l.Serial)
}
