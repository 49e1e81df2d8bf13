package main

import (
	"context"
	"fmt"
	"math/big"
	"strings"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/register"
	"github.com/altamga/altamga/internal/serve"
	"github.com/altamga/altamga/ocsp"
	"github.com/altamga/altamga/ocsp/rediscache"
)

type ocspCommands struct {
	Serve ocspServe `cmd:"" help:"Serve OCSP over HTTP."`
	Warm  ocspWarm  `cmd:"" help:"Sign answers ahead of time into the Redis that responders share."`
	Begin ocspBegin `cmd:"" help:"Make the store of a responder that follows a ca on another host."`
}

type ocspServe struct {
	serveFlags
}

func (c ocspServe) Run(ctx context.Context, std streams) error {
	return c.serve(ctx, std, func(p *process, ctx context.Context) error {
		p.loops = append(p.loops, serve.Loop{Name: "collector", Run: collectByStep})
		return p.addOCSP(ctx)
	})
}

// addOCSP adds the OCSP responder to the process.
func (p *process) addOCSP(ctx context.Context) error {
	c := p.config.OCSP
	if c == nil {
		return noSection("ocsp")
	}
	issuers := make([]ocsp.Issuer, len(c.Issuers))
	for i, configured := range c.Issuers {
		issuer, err := p.ocspIssuer(configured)
		if err != nil {
			return fmt.Errorf("configuring ocsp issuer %s: %w", configured.ID, err)
		}
		issuers[i] = issuer
	}
	var cache ocsp.Cache
	if c.Redis != nil {
		shared, err := p.redisCache(*c.Redis)
		if err != nil {
			return fmt.Errorf("configuring ocsp.redis: %w", err)
		}
		cache = shared
	}
	source, err := p.ocspSource(ctx, c, issuers)
	if err != nil {
		return err
	}
	responder, err := ocsp.New(ocsp.Config{
		Issuers: issuers, Source: source.status, Cache: cache,
		Validity: c.Validity, MaxAge: c.MaxAge, NonIssued: c.NonIssued,
		Memory: c.Memory << 20, JournalGrace: c.JournalGrace,
		Log: p.log.With("server", "ocsp"), Observe: p.admin.Observer("ocsp"),
	})
	if err != nil {
		return fmt.Errorf("configuring ocsp: %w", err)
	}
	// Nothing was answered before now, so the journal is followed from here.
	head, err := source.head(ctx)
	if err != nil {
		return fmt.Errorf("reading register: %w", err)
	}
	p.add("ocsp", c.Listen, nil, responder, func(s *serve.Server) { s.Plain = responder.Plain() })
	p.loops = append(p.loops, serve.Loop{Name: "ocsp follower", Run: func(ctx context.Context) error {
		return responder.Follow(ctx, source.journal, head)
	}})
	source.serves(p, responder)
	p.renewsSigners(c, responder, source, issuers)
	p.presigns(c, responder, source)
	p.admin.Add("ocsp", responder.Ready)
	p.ocspCounts(responder)
	p.admin.Gauge("ocsp", "journal_lag", "Entries of the journal that the server has not followed yet.", func() float64 {
		head, err := source.head(context.Background())
		if err != nil {
			return -1
		}
		return float64(head) - float64(min(head, responder.Position()))
	})
	return nil
}

// redisCache opens the cache that responders share.
func (p *process) redisCache(c redisConfig) (*rediscache.Cache, error) {
	config := rediscache.Config{
		Master: c.Master, User: c.User, Budget: c.Budget,
		Log: p.log.With("server", "ocsp"), Observe: p.admin.Observer("ocsp_redis"),
	}
	for _, address := range c.Addresses {
		config.Addresses = append(config.Addresses, string(address))
	}
	if c.PasswordFile != "" {
		password, err := readSecret("password", string(c.PasswordFile))
		if err != nil {
			return nil, err
		}
		config.Password = strings.TrimSpace(string(password))
	}
	if c.Roots != "" {
		roots, err := readCertificates(c.Roots)
		if err != nil {
			return nil, err
		}
		if config.TLS, err = serve.ClientTLS(nil, nil, roots...); err != nil {
			return nil, err
		}
	}
	cache, err := rediscache.New(config)
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, cache)
	p.loops = append(p.loops, serve.Loop{Name: "ocsp redis writer", Run: cache.Run})
	p.admin.Gauge("ocsp", "redis_up", "1 while Redis answers, 0 while it is left alone.", func() float64 {
		if cache.Ready() != nil {
			return 0
		}
		return 1
	})
	return cache, nil
}

func (p *process) ocspIssuer(c ocspIssuerConfig) (issuer ocsp.Issuer, err error) {
	issuer.ID = c.ID
	if issuer.Certificate, err = readCertificate(c.Certificate); err != nil {
		return issuer, err
	}
	if issuer.Signer, err = p.ocspSigner(c.ocspSignerConfig); err != nil {
		return issuer, err
	}
	for _, other := range c.Others {
		signer, err := p.ocspSigner(other)
		if err != nil {
			return issuer, err
		}
		issuer.Others = append(issuer.Others, signer)
	}
	return issuer, nil
}

func (p *process) ocspSigner(c ocspSignerConfig) (*ocsp.Signer, error) {
	if err := p.finishSigner(c); err != nil {
		return nil, err
	}
	certificate, err := readCertificate(c.Signer)
	if err != nil {
		return nil, err
	}
	signer := &ocsp.Signer{Certificate: certificate}
	if signer.Key, err = p.key(c.SignerKey, certificate); err != nil {
		return nil, err
	}
	if c.Chain != "" {
		signer.Chain, err = readCertificates(c.Chain)
	}
	return signer, err
}

// statusSource lets the responder read the register.
type statusSource struct{ register *register.Register }

// Status translates the register's status into the responder's words: a hold
// is a revocation that can still be lifted.
func (s statusSource) Status(ctx context.Context, issuer string, serial *big.Int) (ocsp.Status, error) {
	status, profile, head, err := s.register.Standing(ctx, issuer, journal.SerialOf(serial))
	if err != nil {
		return ocsp.Status{}, err
	}
	translated := ocspStatus(status, head)
	translated.Class = ocspClass(profile)
	return translated, nil
}

func ocspStatus(status journal.Status, head uint64) ocsp.Status {
	translated := ocsp.Status{Reason: int(status.Reason), RevokedAt: status.Since, Expired: status.Expired, Version: status.Version, Position: head}
	switch status.State {
	case journal.Valid:
		translated.State = ocsp.Good
	case journal.OnHold, journal.Gone:
		translated.State = ocsp.Revoked
	default:
		translated.State = ocsp.NonIssued
	}
	return translated
}

// ocspJournal lets the responder follow the journal.
type ocspJournal struct{ *register.Register }

func (j ocspJournal) Entries(ctx context.Context, after uint64, limit int) ([]ocsp.Change, error) {
	entries, err := j.Register.Entries(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	changes := make([]ocsp.Change, len(entries))
	for i, e := range entries {
		changes[i] = ocspChange(e.Position, e.Issuer, e.Serial)
	}
	return changes, nil
}

// ocspChange is an entry as the responder follows it; one that is about no
// certificate, as of a list, has no serial number.
func ocspChange(position uint64, issuer string, serial journal.Serial) ocsp.Change {
	change := ocsp.Change{Position: position, Issuer: issuer}
	if serial != "" {
		change.Serial = serial.Int()
	}
	return change
}
