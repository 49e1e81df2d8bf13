package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/altamga/altamga/crl"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/lint"
	"github.com/altamga/altamga/internal/register"
	"github.com/altamga/altamga/internal/serve"
)

type crlCommands struct {
	Serve crlServe `cmd:"" help:"Publish revocation lists and serve them over HTTP."`
	Check crlCheck `cmd:"" help:"Compare the published lists with the register's table."`
}

type crlServe struct {
	serveFlags
}

func (c crlServe) Run(ctx context.Context, std streams) error {
	return c.serve(ctx, std, (*process).addCRL)
}

// addCRL adds the CRL publisher, or a mirror, to the process.
func (p *process) addCRL(ctx context.Context) error {
	c := p.config.CRL
	if c == nil {
		return noSection("crl")
	}
	if len(c.Pull) > 0 {
		return p.addPuller(c)
	}
	if err := p.config.checkLists(); err != nil {
		return err
	}
	settings, err := p.crlSettings(c)
	if err != nil {
		return err
	}
	publisher, err := crl.New(settings)
	if err != nil {
		return withHint(fmt.Errorf("configuring crl: %w", err), crlHint)
	}
	p.add("crl", c.Listen, nil, publisher)
	p.loops = append(p.loops, serve.Loop{Name: "crl publisher", Run: publisher.Run})
	p.admin.Add("crl", publisher.Ready)
	for _, issuer := range c.Issuers {
		p.admin.Gauge("crl", "crl_seconds_left", "Time until the first of the issuer's lists runs out.",
			func() float64 { return publisher.Remaining(issuer.ID).Seconds() }, "issuer", issuer.ID)
		p.admin.Gauge("crl", "crl_alarm", "1 while a list of the issuer is missing, late or could not be renewed, else 0.", func() float64 {
			if publisher.InOrder(issuer.ID) != nil {
				return 1
			}
			return 0
		}, "issuer", issuer.ID)
	}
	return nil
}

const crlHint = "mend the [crl] section of the configuration; its folders must exist, and hold no lists of others under the paths in it"

// crlSettings opens what the publisher needs.
func (p *process) crlSettings(c *crlConfig) (crl.Config, error) {
	settings := crl.Config{
		Source: listSource{p.register}, Journal: crlJournal{p.register}, Lint: lint.CRL, Dir: string(c.Dir),
		Archive: string(c.Archive), ArchiveFor: c.ArchiveFor, Validity: c.Validity, Interval: c.Interval, Deadline: c.Deadline, Delay: c.Delay,
		DeltaInterval: c.DeltaInterval, DeltaValidity: c.DeltaValidity, DeltaDelay: c.DeltaDelay, Recheck: c.Recheck, MaxAge: c.MaxAge,
		Audit: p.audit.Append, Log: p.log.With("server", "crl"), Observe: p.admin.Observer("crl"),
	}
	for _, configured := range c.Issuers {
		issuer, err := p.crlIssuer(configured)
		if err != nil {
			return settings, err
		}
		settings.Issuers = append(settings.Issuers, issuer)
	}
	for _, b := range c.Buckets {
		secret, err := readSecret("secret of bucket "+b.Bucket, string(b.SecretKeyFile))
		if err != nil {
			return settings, err
		}
		bucket, err := crl.NewBucket(crl.BucketConfig{
			Endpoint: string(b.Endpoint), Bucket: b.Bucket, Prefix: b.Prefix, Region: b.Region,
			AccessKey: b.AccessKey, SecretKey: strings.TrimSpace(string(secret)), MaxAge: c.MaxAge,
		})
		if err != nil {
			return settings, fmt.Errorf("configuring bucket %s: %w", b.Bucket, err)
		}
		settings.Mirrors = append(settings.Mirrors, bucket)
	}
	return settings, nil
}

func (p *process) crlIssuer(c crlIssuerConfig) (crl.Issuer, error) {
	certificate, err := readCertificate(c.Certificate)
	if err != nil {
		return crl.Issuer{}, err
	}
	issuer := crl.Issuer{
		ID: c.ID, Certificate: certificate, Place: c.place(), CertificatePath: c.CertificatePath,
		OnlyUsers: c.OnlyUsers, ExpiredSince: c.ExpiredSince, Last: c.Last,
	}
	signer := certificate
	if c.Signer != "" {
		if signer, err = readCertificate(c.Signer); err != nil {
			return issuer, err
		}
		issuer.Signer = signer
	}
	for _, o := range c.Others {
		other, err := readCertificate(o.Certificate)
		if err != nil {
			return issuer, err
		}
		issuer.Others = append(issuer.Others, crl.Other{ID: o.ID, Certificate: other})
	}
	if issuer.Key, err = p.key(c.Key, signer); err != nil {
		return issuer, fmt.Errorf("opening key of issuer %s: %w", c.ID, err)
	}
	for _, set := range c.Partitions {
		issuer.Partitions = append(issuer.Partitions, crl.Partition{Shards: set.Shards, Place: set.place()})
	}
	return issuer, nil
}

func (c *crlPlaceConfig) place() crl.Place {
	return crl.Place{Path: c.Path, URL: string(c.URL), DeltaPath: c.DeltaPath, DeltaURL: string(c.DeltaURL)}
}

// addPuller adds a mirror of others' lists to the process.
func (p *process) addPuller(c *crlConfig) error {
	settings := crl.PullerConfig{
		Dir: string(c.Dir), Interval: c.PullInterval, MaxAge: c.MaxAge, Log: p.log.With("server", "crl"), Observe: p.admin.Observer("crl"),
	}
	for _, pulled := range c.Pull {
		certificate, err := readCertificate(pulled.Certificate)
		if err != nil {
			return err
		}
		settings.Lists = append(settings.Lists, crl.Pulled{URL: string(pulled.URL), Certificate: certificate, Path: pulled.Path, Delta: pulled.Delta})
	}
	puller, err := crl.NewPuller(settings)
	if err != nil {
		return withHint(fmt.Errorf("configuring crl: %w", err), crlHint)
	}
	p.add("crl", c.Listen, nil, puller)
	p.loops = append(p.loops, serve.Loop{Name: "crl mirror", Run: puller.Run})
	p.admin.Add("crl", puller.Ready)
	return nil
}

// listSource lets the publisher number and read lists.
type listSource struct{ register *register.Register }

func (s listSource) Number(ctx context.Context, issuer string) (crl.Numbered, error) {
	n, err := s.register.Number(ctx, issuer)
	return crl.Numbered(n), err
}

func (s listSource) Each(ctx context.Context, issuer string, at crl.Point, do func(crl.Entry) error) error {
	return listFault(s.register.EachListed(ctx, issuer, register.Point(at), func(l register.Listed) error { return do(listEntry(l)) }))
}

func (s listSource) Changes(ctx context.Context, issuer string, from, to crl.Point, limit int) ([]crl.Entry, error) {
	changes, err := s.register.Changes(ctx, issuer, register.Point(from), register.Point(to), limit)
	if errors.Is(err, register.ErrTooMany) {
		return nil, crl.ErrTooMany
	}
	entries := make([]crl.Entry, len(changes))
	for i, l := range changes {
		entries[i] = listEntry(l)
	}
	return entries, listFault(err)
}

func (s listSource) Told(ctx context.Context, issuer string, serial []byte, at crl.Point) (crl.Entry, error) {
	l, err := s.register.Told(ctx, issuer, serial, register.Point(at))
	return listEntry(l), listFault(err)
}

// listFault lets the publisher see what is an alarm.
func listFault(err error) error {
	if errors.Is(err, register.ErrContradiction) {
		return fmt.Errorf("%w: %w", crl.ErrContradiction, err)
	}
	return err
}

func (s listSource) Published(ctx context.Context, issuer string, number uint64) error {
	return s.register.Published(ctx, issuer, number)
}

func listEntry(l register.Listed) crl.Entry {
	return crl.Entry{Serial: l.Serial, Since: l.Since, Reason: l.Reason, InvalidityDate: l.InvalidityDate}
}

// crlJournal lets the publisher follow the journal.
type crlJournal struct{ register *register.Register }

func (j crlJournal) Wait(ctx context.Context, after uint64) error {
	return j.register.Wait(ctx, after)
}

func (j crlJournal) Entries(ctx context.Context, after uint64, limit int) ([]crl.Change, error) {
	entries, err := j.register.Entries(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	changes := make([]crl.Change, len(entries))
	for i, e := range entries {
		status := e.Kind == journal.Held || e.Kind == journal.Released || e.Kind == journal.Revoked || e.Kind == journal.Abandoned
		changes[i] = crl.Change{Position: e.Position, Issuer: e.Issuer, Status: status}
	}
	return changes, nil
}
