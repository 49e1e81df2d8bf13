package main

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/altamga/altamga/ocsp"
	"github.com/altamga/altamga/ocsp/rediscache"
)

// ocspWarm signs answers before anyone asks.
type ocspWarm struct {
	Config string   `short:"c" required:"" help:"The configuration file (TOML) of a responder with a Redis." type:"path" placeholder:"FILE"`
	Hash   []string `help:"The hash functions that clients name certificates by." enum:"sha1,sha256" default:"sha256"`
	Budget int64    `help:"How many MiB the answers may take in Redis; 0 for what they take." default:"0"`
}

// Run walks over the certificates that are not expired.
func (c ocspWarm) Run(ctx context.Context, std streams) (err error) {
	p, err := newProcess(ctx, c.Config, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	switch {
	case p.config.OCSP == nil:
		return noSection("ocsp")
	case p.config.OCSP.Redis == nil:
		return withHint(errors.New("the configuration has no section [ocsp.redis]"), "answers are signed ahead of time for responders to find in Redis; a responder without one keeps what it was asked for")
	case p.register == nil:
		return noSection("register")
	}
	responder, kept, err := p.warming()
	if err != nil {
		return err
	}
	w := &warming{responder: responder, kept: kept, most: math.MaxInt64, progress: newProgress(std.err, "answers signed:", 0)}
	if c.Budget > 0 {
		w.most = c.Budget << 20
	}
	for _, hash := range c.Hash {
		w.hashes = append(w.hashes, map[string]crypto.Hash{"sha1": crypto.SHA1, "sha256": crypto.SHA256}[hash])
	}
	began := time.Now()
	for _, issuer := range p.config.OCSP.Issuers {
		if err = w.issuer(ctx, p, issuer.ID); err != nil {
			break
		}
	}
	w.progress.end()
	fmt.Fprintf(std.out, "%d answers signed in %v, %d MiB in Redis\n", w.progress.done, time.Since(began).Round(time.Millisecond), w.octets>>20)
	if errors.Is(err, errWarmFull) {
		fmt.Fprintf(std.out, "the budget of %d MiB is used up; the certificates behind it are signed when they are asked for\n", c.Budget)
		return nil
	}
	return err
}

// warming is one run of the command.
type warming struct {
	responder    *ocsp.Responder
	kept         *keeping
	hashes       []crypto.Hash
	octets, most int64
	progress     *progress
}

var errWarmFull = errors.New("the budget is used up")

// besideAnswer is about what Redis needs for an answer besides its octets: key,
// header, and its own accounts.
const besideAnswer = 300

// issuer signs for the certificates of one issuer, in the order of their issue.
func (w *warming) issuer(ctx context.Context, p *process, id string) error {
	for serial, err := range unexpired(ctx, p.register, id) {
		if err != nil {
			return err
		}
		for _, hash := range w.hashes {
			if w.octets >= w.most {
				return errWarmFull
			}
			n, err := w.responder.Warm(ctx, id, serial.Int(), hash)
			if err = errors.Join(err, w.kept.failed); err != nil {
				return fmt.Errorf("signing for %s: %w", serial, err)
			}
			w.octets += int64(n + besideAnswer)
			w.progress.step()
		}
	}
	return nil
}

// warming makes a responder whose answers go to Redis at once.
func (p *process) warming() (*ocsp.Responder, *keeping, error) {
	c := p.config.OCSP
	var issuers []ocsp.Issuer
	for _, configured := range c.Issuers {
		issuer, err := p.ocspIssuer(configured)
		if err != nil {
			return nil, nil, fmt.Errorf("configuring ocsp issuer %s: %w", configured.ID, err)
		}
		issuers = append(issuers, issuer)
	}
	cache, err := p.redisCache(*c.Redis)
	if err != nil {
		return nil, nil, fmt.Errorf("configuring ocsp.redis: %w", err)
	}
	kept := &keeping{Cache: cache}
	responder, err := ocsp.New(ocsp.Config{
		Issuers: issuers, Source: statusSource{p.register}, Memory: -1, Cache: kept,
		Validity: c.Validity, MaxAge: c.MaxAge, NonIssued: c.NonIssued,
	})
	return responder, kept, err
}

// keeping writes to Redis while the answer is waited for, and reads nothing from
// there: what is kept is made anew.
type keeping struct {
	*rediscache.Cache
	// failed is why an answer could not be written. One answer is made at a
	// time.
	failed error
}

// Get implements [ocsp.Cache].
func (*keeping) Get(context.Context, ocsp.Key) (*ocsp.Answer, bool) { return nil, false }

// Put implements [ocsp.Cache].
func (k *keeping) Put(ctx context.Context, key ocsp.Key, answer *ocsp.Answer) {
	if err := k.Keep(ctx, key, answer); err != nil && k.failed == nil {
		k.failed = fmt.Errorf("writing to redis: %w", err)
	}
}
