package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"time"

	"github.com/altamga/altamga/internal/durable"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/serve"
	"github.com/altamga/altamga/ocsp"
)

// Which answers a responder makes ahead of requests, beside those that are asked
// for while their time ends.
const (
	presignHot = "hot" // those that were in memory before a restart
	presignAll = "all" // as many as the memory holds
)

// presigning makes answers ahead of requests, in the background.
type presigning struct {
	responder *ocsp.Responder
	source    *ocspSource
	issuers   []string
	// hot is the file that remembers which answers were in memory.
	hot string
	// round is how often all of them are looked at.
	round time.Duration
	log   *slog.Logger
}

// rememberEvery is how often the hot set is written, beside at the end.
const rememberEvery = 10 * time.Minute

// presigns adds the loop that the configuration asks for.
func (p *process) presigns(c *ocspConfig, responder *ocsp.Responder, source *ocspSource) {
	s := &presigning{responder: responder, source: source, hot: string(c.HotSet), log: p.log.With("server", "ocsp"), round: time.Minute / 8}
	if c.MaxAge > 0 {
		s.round = max(time.Second, c.MaxAge/8)
	}
	for _, issuer := range c.Issuers {
		if issuer.List == nil {
			s.issuers = append(s.issuers, issuer.ID)
		}
	}
	switch c.Presign {
	case presignHot:
		p.loops = append(p.loops, serve.Loop{Name: "ocsp hot set", Run: s.keepHot})
	case presignAll:
		p.loops = append(p.loops, serve.Loop{Name: "ocsp presigning", Run: s.keepAll})
	}
}

// keepHot makes warm what was hot before the restart, and remembers what is hot
// now.
func (s *presigning) keepHot(ctx context.Context) error {
	s.until(ctx, s.remembered)
	for {
		again := wait(ctx, rememberEvery)
		if err := s.remember(); err != nil {
			s.log.WarnContext(ctx, "the hot set is not remembered over a restart", "error", err)
		}
		if !again {
			return nil
		}
	}
}

// keepAll keeps the answers about all certificates warm, as far as the memory's
// budget goes.
func (s *presigning) keepAll(ctx context.Context) error {
	for again := true; again; again = wait(ctx, s.round) {
		s.until(ctx, s.all)
	}
	return nil
}

// wait reports false when ctx has ended.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// until makes the answers to keys, and tries again while that fails: the
// authority may be away, or a token.
func (s *presigning) until(ctx context.Context, keys func(context.Context) iter.Seq2[ocsp.Key, error]) {
	began := time.Now()
	for {
		done, err := s.responder.Presign(ctx, keys(ctx))
		if err == nil {
			if done.Made > 0 {
				s.log.DebugContext(ctx, "answers made ahead of requests", "made", done.Made, "kept", done.Kept, "left", done.Left, "took", time.Since(began))
			}
			return
		}
		if ctx.Err() == nil {
			s.log.WarnContext(ctx, "answers are not made ahead of requests", "made", done.Made, "error", err)
		}
		if !wait(ctx, 5*time.Second) {
			return
		}
	}
}

// remember writes the keys of the answers in memory, one to a line. A key is the
// CertID that clients send: hashes of the issuer and a serial number.
func (s *presigning) remember() error {
	var text bytes.Buffer
	for _, key := range s.responder.Keys() {
		text.WriteString(base64.StdEncoding.EncodeToString([]byte(key)))
		text.WriteByte('\n')
	}
	return durable.Write(s.hot, text.Bytes(), 0o644)
}

// remembered reads them. A line that is none is left out: what it stood for is
// signed when it is asked for.
func (s *presigning) remembered(ctx context.Context) iter.Seq2[ocsp.Key, error] {
	return func(yield func(ocsp.Key, error) bool) {
		file, err := os.Open(s.hot)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield("", err)
			return
		}
		defer file.Close()
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			key, err := base64.StdEncoding.DecodeString(lines.Text())
			if err == nil && !yield(ocsp.Key(key), ctx.Err()) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			s.log.WarnContext(ctx, "the hot set was remembered in part only", "file", s.hot, "error", err)
		}
	}
}

// all walks over the certificates that are not expired, in the order of their
// issue, each by SHA-256 and by SHA-1, as clients of today and of yesterday ask.
func (s *presigning) all(ctx context.Context) iter.Seq2[ocsp.Key, error] {
	return func(yield func(ocsp.Key, error) bool) {
		for _, issuer := range s.issuers {
			for serial, err := range unexpired(ctx, s.source.standings, issuer) {
				for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA1} {
					var key ocsp.Key
					if err == nil {
						key, err = s.responder.KeyOf(issuer, serial.Int(), hash)
					}
					if !yield(key, err) || err != nil {
						return
					}
				}
			}
		}
	}
}

// standingPage is how many certificates are read at a time.
const standingPage = 1000

// standings are a register's or a replica's.
type standings interface {
	Standings(ctx context.Context, issuer string, after journal.Serial, limit int) ([]journal.Standing, error)
}

// unexpired are the serials of an issuer's certificates that are not expired.
func unexpired(ctx context.Context, from standings, issuer string) iter.Seq2[journal.Serial, error] {
	return func(yield func(journal.Serial, error) bool) {
		after := journal.Serial("")
		for {
			page, err := from.Standings(ctx, issuer, after, standingPage)
			if err != nil {
				yield("", err)
				return
			}
			for _, s := range page {
				if !s.Expired && !yield(s.Serial, nil) {
					return
				}
			}
			if len(page) < standingPage {
				return
			}
			after = page[len(page)-1].Serial
		}
	}
}
