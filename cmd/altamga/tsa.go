package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/altamga/altamga/internal/serve"
	"github.com/altamga/altamga/tsa"
)

type tsaCommands struct {
	Serve   tsaServe   `cmd:"" help:"Serve time stamps over HTTP."`
	Prove   tsaProve   `cmd:"" help:"Write the proof that a token is in the authority's journal."`
	Verify  tsaVerify  `cmd:"" help:"Check a token and its proof, offline, with public keys alone."`
	Journal tsaJournal `cmd:"" help:"Hold every record of a token journal to its signed roots."`
	Key     tsaKey     `cmd:"" help:"Print the public key of the token journal."`
	Secret  tsaSecret  `cmd:"" help:"Make a password for a client and the hash of it for the configuration."`
}

type tsaServe struct {
	serveFlags
}

func (c tsaServe) Run(ctx context.Context, std streams) error {
	return c.serve(ctx, std, (*process).addTSA)
}

// addTSA adds the time-stamping authority to the process.
func (p *process) addTSA(ctx context.Context) error {
	c := p.config.TSA
	if c == nil {
		return noSection("tsa")
	}
	config := tsa.Config{
		MaxInflight: c.MaxInflight, StandingEvery: c.StandingInterval, StandingGrace: c.StandingGrace,
		Audit: p.audit.Append, Log: p.log.With("server", "tsa"), Observe: p.admin.Observer("tsa"),
	}
	var renewals []*unitRenewal
	for _, unit := range c.Units {
		r := &unitRenewal{unit: unit, dir: p.dir, keep: p.keep, log: config.Log}
		opened, err := r.open(p)
		if err != nil {
			return err
		}
		config.Units, renewals = append(config.Units, opened...), append(renewals, r)
	}
	var err error
	if config.Policies, err = tsaPolicies(c.Policies); err != nil {
		return err
	}
	if config.Clients, err = tsaClients(c.Clients); err != nil {
		return err
	}
	if config.Clock, err = p.tsaClock(c, config.Policies); err != nil {
		return err
	}
	journal, err := p.tokenJournal(c)
	if err != nil {
		return err
	}
	if c.TLS == nil && slices.ContainsFunc(config.Clients, func(c tsa.Client) bool { return c.Secret != [32]byte{} }) {
		config.Log.Warn("clients send their passwords in the clear unless something in front speaks TLS: there is no [tsa.tls]")
	}
	config.Journal, config.Since = journal.append, journal.log.Latest()
	standing := newUnitStanding(config.Units, config.Log)
	config.Standing = standing.ask
	authority, err := tsa.New(config)
	if err != nil {
		return withHint(fmt.Errorf("configuring tsa: %w", err), "correct [tsa], its policies, units or clients, and try it with --check")
	}
	journal.authority = authority
	err = p.renewsUnits(c, renewals, func(u tsa.Unit) error {
		standing.add(u)
		return authority.AddUnit(u)
	})
	if err != nil {
		return err
	}
	listener, err := p.tsaTLS(c.TLS)
	if err != nil {
		return err
	}
	p.add("tsa", c.Listen, listener, authority, func(s *serve.Server) { s.Plain = authority.Plain() })
	p.loops = append(p.loops, serve.Loop{Name: "tsa units", Run: authority.Run}, serve.Loop{Name: "tsa journal", Run: journal.log.Run})
	for _, ready := range []func(context.Context) error{p.audit.Ready, journal.log.Ready, authority.Ready} {
		p.admin.Add("tsa", ready)
	}
	p.tsaGauges(authority)
	p.slack = make([]byte, tokenSlack)
	return nil
}

// tokenSlack is an allocation that nothing is written to, so that it takes no
// memory: the garbage collector lets as much garbage come together before it
// runs as there is in use, and that is so little here that it would run after
// every few hundred tokens, which cost it a sixth of the processor.
const tokenSlack = 16 << 20

// tsaGauges publish what statistics and rollover need.
func (p *process) tsaGauges(authority *tsa.Authority) {
	for i, client := range authority.Counts() {
		p.admin.Gauge("tsa", "tokens", "Tokens made since the start, by client.",
			func() float64 { return float64(authority.Counts()[i].Granted) }, "client", client.Client)
		p.admin.Gauge("tsa", "refusals", "Queries refused since the start, by client.",
			func() float64 { return float64(authority.Counts()[i].Refused) }, "client", client.Client)
	}
	p.admin.Gauge("tsa", "units_seconds_left", "How long the units' keys may be used, without a gap from now.", func() float64 {
		return max(0, time.Until(authority.Until(time.Now())).Seconds())
	})
}

// verifyEachOfFile: Go's own signatures are not wrong by themselves. What is
// looked for is a machine that fails, and that shows in a sample, too.
const verifyEachOfFile = 64

func tsaPolicies(configured []tsaPolicyConfig) ([]tsa.Policy, error) {
	var policies []tsa.Policy
	for _, c := range configured {
		oid, err := parseOID(c.ID)
		if err != nil {
			return nil, fmt.Errorf("reading tsa.policy: %w", err)
		}
		digits := 3
		if c.Digits != nil {
			digits = *c.Digits
		}
		policies = append(policies, tsa.Policy{
			ID: oid, Accuracy: c.Accuracy, Fraction: digits, Ordering: c.Ordering, Name: c.Name, Qualified: c.Qualified, SHA1: c.SHA1,
		})
	}
	return policies, nil
}

func tsaClients(configured []tsaClientConfig) ([]tsa.Client, error) {
	var clients []tsa.Client
	for _, c := range configured {
		client := tsa.Client{Name: c.Name, Certificate: c.Certificate, Rate: c.Rate, Burst: c.Burst, Daily: c.Daily}
		if c.Secret != "" {
			hash, err := hex.DecodeString(c.Secret)
			if err != nil || len(hash) != len(client.Secret) {
				return nil, withHint(fmt.Errorf("tsa.client %s: secret is not a SHA-256 hash in hexadecimal", c.Name), "`altamga tsa secret` makes a password and its hash")
			}
			client.Secret = [32]byte(hash)
		}
		clients = append(clients, client)
	}
	return clients, nil
}

// tsaTLS makes the listener's TLS, nil for none. Who shows no certificate may
// still have a password, or be everybody.
func (p *process) tsaTLS(c *tsaTLSConfig) (*tls.Config, error) {
	if c == nil {
		return nil, nil
	}
	made, err := p.serverTLS(serverTLSConfig{Certificate: c.Certificate, Key: c.Key})
	if err != nil {
		return nil, fmt.Errorf("configuring tsa.tls: %w", err)
	}
	if c.Peers != "" {
		roots, err := readCertificates(c.Peers)
		if err != nil {
			return nil, fmt.Errorf("configuring tsa.tls: %w", err)
		}
		made.ClientAuth, made.ClientCAs = tls.VerifyClientCertIfGiven, x509.NewCertPool()
		for _, root := range roots {
			made.ClientCAs.AddCert(root)
		}
	}
	return made, nil
}

// parseOID reads an object identifier in dotted form.
func parseOID(s string) (asn1.ObjectIdentifier, error) {
	checked, err := x509.ParseOID(s)
	if err != nil {
		return nil, fmt.Errorf("%q is not an object identifier", s)
	}
	der, err := checked.MarshalBinary()
	if err != nil {
		return nil, err
	}
	var oid asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(append([]byte{6, byte(len(der))}, der...), &oid); err != nil {
		return nil, fmt.Errorf("%q has a number that is too large", s)
	}
	return oid, nil
}
