package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/replica"
	"github.com/altamga/altamga/internal/serve"
	"github.com/altamga/altamga/ocsp"
)

// ocspSource is where a responder's statuses come from: the register of this
// host, a replica of another's, revocation lists, or some of these.
type ocspSource struct {
	status  ocsp.Source
	journal ocsp.Journal
	head    func(context.Context) (uint64, error)
	lists   map[string]*ocspList
	// standings lists certificates; nil where lists alone are known.
	standings standings
	// client is that of [ocsp.ca]; nil when there is none.
	client *ca.Client
}

// ocspSource opens the sources that the configuration names.
func (p *process) ocspSource(ctx context.Context, c *ocspConfig, issuers []ocsp.Issuer) (*ocspSource, error) {
	s := &ocspSource{lists: map[string]*ocspList{}}
	for i, issuer := range c.Issuers {
		if issuer.List == nil {
			continue
		}
		list, err := p.ocspList(ctx, issuers[i], *issuer.List)
		if err != nil {
			return nil, fmt.Errorf("configuring ocsp issuer %s: %w", issuer.ID, err)
		}
		s.lists[issuer.ID] = list
	}
	if c.CA != nil {
		var err error
		if s.client, err = p.clientOf("ocsp", c.CA.URL, c.CA.Client); err != nil {
			return nil, err
		}
	}
	switch {
	case c.CA != nil && c.CA.Store != "":
		opened, err := p.ocspReplica(ctx, s, *c.CA)
		if err != nil {
			return nil, err
		}
		s.status, s.journal, s.head, s.standings = replicaSource{opened}, replicaJournal{opened}, opened.Position, opened
	case len(s.lists) == len(c.Issuers):
		s.status, s.journal = nil, silence{}
		s.head = func(context.Context) (uint64, error) { return 0, nil }
	default:
		s.status, s.journal, s.head, s.standings = statusSource{p.register}, ocspJournal{p.register}, p.register.Head, p.register
	}
	if len(s.lists) > 0 {
		s.status = listsBefore{s.lists, s.status}
	}
	return s, nil
}

// clientOf connects a server to the authority of its section [SERVER.ca], and
// keeps the certificate fresh by which it does.
func (p *process) clientOf(server string, url config.URL, c tlsConfig) (*ca.Client, error) {
	name := server + ".ca.client"
	client, connection, err := p.connectCA(name, string(url), c)
	if err != nil {
		return nil, err
	}
	if !c.External {
		p.renews(server, &renewal{
			name: name, file: string(c.Certificate), identity: connection.identity,
			issue: renewOverHTTP(client, connection.identity), replaced: connection.transport.CloseIdleConnections,
		})
	}
	return client, nil
}

// ocspReplica opens the replica and lets it follow.
func (p *process) ocspReplica(ctx context.Context, s *ocspSource, c ocspCAConfig) (*replica.Replica, error) {
	opened, err := replica.Open(ctx, string(c.Store), p.log.With("server", "ocsp"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, replica.ErrNotBegun) {
		return nil, withHint(err, "`altamga ocsp begin -c FILE --fetch` makes the store from a snapshot of the ca's; --snapshot takes a file that `altamga register snapshot` wrote there")
	}
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, opened)
	p.loops = append(p.loops, serve.Loop{Name: "ocsp replica", Run: func(ctx context.Context) error {
		return opened.Follow(ctx, feed{s.client})
	}})
	grace := c.LostAfter
	grace = cmp.Or(grace, time.Minute)
	p.admin.Add("ocsp", func(ctx context.Context) error { return opened.Ready(ctx, grace) })
	p.admin.Gauge("ocsp", "authority_lag_seconds", "Time since the authority's journal was last read to its end; negative when it never was.",
		func() float64 { return opened.Lag(context.Background()).Seconds() })
	p.admin.Gauge("ocsp", "authority_alarm", "1 while the authority's journal contradicts what was followed, and nothing of it is taken over.", func() float64 {
		if opened.Alarm() {
			return 1
		}
		return 0
	})
	return opened, nil
}

// serves lets what is not followed through a journal reach the responder.
func (s *ocspSource) serves(p *process, responder *ocsp.Responder) {
	for id, list := range s.lists {
		list.changed = func(position uint64) { responder.InvalidateAll(id, position) }
		p.loops = append(p.loops, serve.Loop{Name: "ocsp list of " + id, Run: list.run})
		p.admin.Add("ocsp", list.ready)
	}
}

// replicaSource lets the responder read a replica.
type replicaSource struct{ replica *replica.Replica }

func (s replicaSource) Status(ctx context.Context, issuer string, serial *big.Int) (ocsp.Status, error) {
	known, err := s.replica.Status(ctx, issuer, journal.SerialOf(serial))
	if err != nil {
		return ocsp.Status{}, err
	}
	status := ocspStatus(known.Status, known.Position)
	status.Class = ocspClass(known.Profile)
	// What is revoked for good is so now, however long ago that was learnt.
	if known.Status.State != journal.Gone {
		status.ThisUpdate = known.AsOf
	}
	return status, nil
}

// replicaJournal lets the responder follow a replica.
type replicaJournal struct{ *replica.Replica }

func (j replicaJournal) Entries(ctx context.Context, after uint64, limit int) ([]ocsp.Change, error) {
	entries, err := j.Changes(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	changes := make([]ocsp.Change, len(entries))
	for i, e := range entries {
		changes[i] = ocspChange(e.Position, e.Issuer, e.Serial)
	}
	return changes, nil
}

// feed is an authority's journal over its API.
type feed struct{ client *ca.Client }

func (f feed) Journal(ctx context.Context, after uint64, limit int, wait time.Duration) ([]journal.Entry, error) {
	entries, err := f.client.Journal(ctx, after, limit, wait)
	if errors.Is(err, ca.ErrDisorder) {
		return nil, fmt.Errorf("%w: %w", replica.ErrContradiction, err)
	}
	return entries, err
}

// silence is the journal of a responder that has none.
type silence struct{}

func (silence) Entries(context.Context, uint64, int) ([]ocsp.Change, error) { return nil, nil }

func (silence) Wait(ctx context.Context, _ uint64) error {
	<-ctx.Done()
	return ctx.Err()
}

// listsBefore asks the lists of the issuers that have some, and rest for the
// others.
type listsBefore struct {
	lists map[string]*ocspList
	rest  ocsp.Source
}

func (s listsBefore) Status(ctx context.Context, issuer string, serial *big.Int) (ocsp.Status, error) {
	if list, ok := s.lists[issuer]; ok {
		return list.list.Status(ctx, issuer, serial)
	}
	return s.rest.Status(ctx, issuer, serial)
}
