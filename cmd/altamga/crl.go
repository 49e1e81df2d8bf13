package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/altamga/altamga/crl"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/lint"
	"github.com/altamga/altamga/internal/register"
	"github.com/altamga/altamga/internal/serve"
)

type crlCommands struct {
	Serve crlServe `cmd:"" help:"Publish revocation lists and serve them over HTTP."`
}

type crlServe struct {
	serveFlags
}

func (c crlServe) Run(ctx context.Context, std streams) error {
	return c.serve(ctx, std, (*process).addCRL)
}

// addCRL adds the CRL publisher to the process.
func (p *process) addCRL(ctx context.Context) error {
	c := p.config.CRL
	if c == nil {
		return noSection("crl")
	}
	issuers := make([]crl.Issuer, len(c.Issuers))
	for i, configured := range c.Issuers {
		certificate, err := readCertificate(configured.Certificate)
		if err != nil {
			return err
		}
		key, err := p.key(configured.Key, certificate)
		if err != nil {
			return fmt.Errorf("opening key of issuer %s: %w", configured.ID, err)
		}
		issuers[i] = crl.Issuer{ID: configured.ID, Certificate: certificate, Key: key, Place: crl.Place{Path: configured.Path}, CertificatePath: configured.CertificatePath}
	}
	publisher, err := crl.New(crl.Config{
		Issuers: issuers, Source: listSource{p.register}, Journal: crlJournal{p.register},
		Lint: lint.CRL, Dir: string(c.Dir), Validity: c.Validity, Interval: c.Interval, Delay: c.Delay,
		Audit: p.audit.Append, Log: p.log.With("server", "crl"), Observe: p.admin.Observer("crl"),
	})
	if err != nil {
		return fmt.Errorf("configuring crl: %w", err)
	}
	p.add("crl", c.Listen, nil, publisher)
	p.loops = append(p.loops, serve.Loop{Name: "crl publisher", Run: publisher.Run})
	p.admin.Add("crl", publisher.Ready)
	return nil
}

// listSource lets the publisher number and read lists.
type listSource struct{ register *register.Register }

func (s listSource) Number(ctx context.Context, issuer string) (crl.Numbered, error) {
	n, err := s.register.Number(ctx, issuer)
	return crl.Numbered(n), err
}

func (s listSource) Each(ctx context.Context, issuer string, at crl.Point, do func(crl.Entry) error) error {
	return s.register.EachListed(ctx, issuer, register.Point(at), func(l register.Listed) error { return do(listEntry(l)) })
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
	return entries, err
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
