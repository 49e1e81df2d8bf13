package main

import (
	"context"
	"fmt"
	"time"

	"github.com/altamga/altamga/internal/ntp"
	"github.com/altamga/altamga/internal/serve"
	"github.com/altamga/altamga/tsa"
)

// tsaClock makes the clock: one that time sources prove, or for demonstrations
// the machine's own.
func (p *process) tsaClock(c *tsaConfig, policies []tsa.Policy) (tsa.Clock, error) {
	if c.Clock == nil {
		clock, err := tsa.NewSystemClock(0)
		if err != nil {
			return nil, fmt.Errorf("reading clock: %w", err)
		}
		p.log.Warn("the clock is not attested: nobody proves it, as the policies of the tokens say", "server", "tsa")
		return clock, nil
	}
	sources, err := timeSources(c.Clock)
	if err != nil {
		return nil, err
	}
	coarsest := time.Duration(0)
	for _, policy := range policies {
		if policy.Accuracy == 0 {
			policy.Accuracy = time.Second
		}
		coarsest = max(coarsest, policy.Accuracy)
	}
	clock, err := tsa.NewProvenClock(tsa.ProvenConfig{
		Sources: sources, Accuracy: coarsest, Poll: c.Clock.Poll, MaxAge: c.Clock.MaxAge, Elapsed: ntp.Elapsed(), Drift: c.Clock.Drift, Step: c.Clock.Step,
		Record: c.Clock.Record, Audit: p.audit.Append, Log: p.log.With("server", "tsa"),
	})
	if err != nil {
		return nil, fmt.Errorf("configuring tsa.clock: %w", err)
	}
	p.loops = append(p.loops, serve.Loop{Name: "tsa clock", Run: clock.Run})
	p.admin.Gauge("tsa", "clock_within_seconds", "How far UTC may be from the clock; -1 while that is not proven.", func() float64 {
		if _, within, err := clock.Now(); err == nil {
			return within.Seconds()
		}
		return -1
	})
	return clock, nil
}

// timeSources makes the sources that the clock asks.
func timeSources(c *tsaClockConfig) ([]tsa.Source, error) {
	var keys map[uint32]ntp.Key
	if c.Keys != "" {
		var err error
		if keys, err = ntp.ReadKeys(string(c.Keys)); err != nil {
			return nil, withHint(err, "tsa.clock.keys names it; a line of it is: number, algorithm (SHA1, SHA256, AES128, ...), secret (HEX:...)")
		}
	}
	var sources []tsa.Source
	for _, s := range c.Sources {
		server := &ntp.Server{Address: s.Address}
		if s.Key != 0 {
			key, ok := keys[s.Key]
			if !ok {
				return nil, withHint(fmt.Errorf("tsa.clock: %s has no key %d", c.Keys, s.Key), "a line of it is: number, algorithm (SHA1, SHA256, AES128, ...), secret (HEX:...)")
			}
			server.Key = &key
		}
		sources = append(sources, tsa.Source{Name: s.Address, Measure: func(ctx context.Context) (tsa.Measurement, error) { return measure(ctx, server) }})
	}
	return sources, nil
}

// measure asks a time server in the authority's words.
func measure(ctx context.Context, server *ntp.Server) (tsa.Measurement, error) {
	a, err := server.Query(ctx)
	if err != nil {
		return tsa.Measurement{}, err
	}
	proof := "not authenticated"
	if a.Authenticated {
		proof = fmt.Sprintf("authenticated with key %d (%s)", server.Key.ID, server.Key.Algorithm)
	}
	m := tsa.Measurement{UTC: a.UTC, Taken: a.Taken, Distance: a.Distance,
		Evidence: fmt.Sprintf("stratum %d, reference %s, delay %v, %s", a.Stratum, a.Reference, a.Delay, proof)}
	switch a.Leap {
	case ntp.LeapInsert:
		m.Leap = tsa.LeapInsert
	case ntp.LeapDelete:
		m.Leap = tsa.LeapDelete
	}
	return m, nil
}
