package crl

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/altamga/altamga/internal/durable"
)

// Pulled is a list that a [Puller] fetches and publishes again.
type Pulled struct {
	// URL is where the list is.
	URL string
	// Certificate is that of who signs it.
	Certificate *x509.Certificate
	// Path is where it is published, as in [Place].
	Path string
	// Delta says that it is a delta list. One that is the other kind is refused.
	Delta bool
}

// PullerConfig is what a [Puller] is made of.
type PullerConfig struct {
	Lists []Pulled
	// Dir is the existing folder that lists are published in.
	Dir string
	// Interval is how often a list is asked for; 0 means 30 seconds.
	Interval time.Duration
	// MaxAge is that of [Config].
	MaxAge time.Duration
	// MaxSize bounds a list, in octets; 0 means 1 GiB.
	MaxSize int64
	// Client sends the requests; nil is one of its own.
	Client *http.Client
	Log    *slog.Logger
	// Observe counts attempts: "pulled", "unchanged" or "pull"; nil for none.
	Observe func(reason string, took time.Duration)
}

// Puller is a mirror that holds no key and needs no register: it fetches lists
// over HTTP, verifies them, and publishes what is newer than what it has, to
// its folder and over HTTP.
type Puller struct {
	config PullerConfig
	slots  []*pulledSlot
	files  map[string]file
	store  *Publisher // of the folder; it has no key
}

type pulledSlot struct {
	Pulled
	*slot
	authority *authority

	pulling sync.Mutex // held while the list is asked for, which may take minutes
	etag    string     // of the source's
	failed  atomic.Pointer[error]
}

// NewPuller checks the configuration and reads the lists that the folder holds.
func NewPuller(config PullerConfig) (*Puller, error) {
	if config.Interval == 0 {
		config.Interval = 30 * time.Second
	}
	if config.MaxAge == 0 {
		config.MaxAge = DefaultMaxAge
	}
	if config.MaxSize == 0 {
		config.MaxSize = 1 << 30
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.Observe == nil {
		config.Observe = func(string, time.Duration) {}
	}
	if config.Client == nil {
		config.Client = &http.Client{Timeout: 5 * time.Minute, CheckRedirect: stayThere}
	}
	info, err := os.Stat(config.Dir)
	if err != nil || !info.IsDir() {
		return nil, fmt.Errorf("crl: the folder %q does not exist", config.Dir)
	}
	if len(config.Lists) == 0 || config.Interval < 0 || config.MaxAge < 0 || config.MaxSize < 0 {
		return nil, errors.New("crl: there is no list to pull, or a limit is negative")
	}
	p := &Puller{config: config, files: make(map[string]file), store: &Publisher{config: Config{Dir: config.Dir, Log: config.Log}}}
	for _, l := range config.Lists {
		s, err := p.slot(l)
		if err != nil {
			return nil, fmt.Errorf("crl: list %s: %w", l.Path, err)
		}
		p.slots = append(p.slots, s)
		p.files["/"+l.Path] = file{slot: s.slot}
	}
	return p, nil
}

// stayThere follows redirects within a host, to https at the most: who is asked
// for a list does not choose whom this machine sends requests to.
func stayThere(r *http.Request, via []*http.Request) error {
	first := via[0].URL
	switch {
	case len(via) >= 5:
		return errors.New("it redirects again and again")
	case r.URL.Hostname() != first.Hostname() || r.URL.Scheme != first.Scheme && r.URL.Scheme != "https":
		return fmt.Errorf("it redirects to %s: is that where the list is?", r.URL.Redacted())
	}
	return nil
}

func (p *Puller) slot(l Pulled) (*pulledSlot, error) {
	if err := checkPath(l.Path, ".crl"); err != nil {
		return nil, err
	}
	if _, twice := p.files["/"+l.Path]; twice {
		return nil, errors.New("the path is used twice")
	}
	if u, err := url.Parse(l.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is not an http or https URL", l.URL)
	}
	if l.Certificate == nil {
		return nil, errors.New("the certificate is missing")
	}
	s := &pulledSlot{Pulled: l, slot: &slot{path: l.Path, delta: l.Delta}, authority: &authority{Issuer: Issuer{ID: l.Path, Certificate: l.Certificate}}}
	if err := removeStray(p.store.filename(l.Path)); err != nil {
		return nil, err
	}
	found, info, err := p.store.read(s.authority, s.slot)
	switch s.onDisk = info; {
	case errors.Is(err, errDamaged):
		p.config.Log.Error("published list is not served", "path", l.Path, "err", err)
	case err != nil:
		return nil, err
	case found != nil:
		s.current.Store(found)
	}
	return s, nil
}

// ServeHTTP answers as [Publisher.ServeHTTP] does.
func (p *Puller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	serveFiles(w, r, p.files, p.config.MaxAge)
}

// Run fetches the lists until ctx ends, then returns nil.
func (p *Puller) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, s := range p.slots {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := p.Pull(ctx, s.Path); err != nil && ctx.Err() == nil {
					p.config.Log.ErrorContext(ctx, "list not pulled", "err", err)
				}
				pause(ctx, p.config.Interval, nil)
			}
		})
	}
	all.Wait()
	return nil
}

// Ready returns why the lists are not all in order, or nil: one is missing or
// could not be asked for, or is past half of its validity.
func (p *Puller) Ready(context.Context) error {
	var problems []error
	for _, s := range p.slots {
		var err error
		current := s.current.Load()
		switch failed := s.failed.Load(); {
		case failed != nil:
			err = *failed
		case current == nil:
			err = errors.New("it was not pulled yet")
		case time.Now().After(current.ThisUpdate.Add(current.NextUpdate.Sub(current.ThisUpdate) / 2)):
			err = fmt.Errorf("it is past half of its validity, which ends at %s", current.NextUpdate.Format(time.RFC3339))
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("list %s: %w", s.Path, err))
		}
	}
	return errors.Join(problems...)
}

// Pull asks for one list now.
func (p *Puller) Pull(ctx context.Context, path string) error {
	for _, s := range p.slots {
		if s.Path != path {
			continue
		}
		s.pulling.Lock()
		defer s.pulling.Unlock()
		began := time.Now()
		reason, err := p.pull(ctx, s)
		if ctx.Err() == nil {
			p.config.Observe(reason, time.Since(began))
			s.failed.Store(nil)
			if err != nil {
				s.failed.Store(&err)
			}
		}
		if err != nil {
			return fmt.Errorf("pulling list %s from %s: %w", s.Path, s.URL, err)
		}
		return nil
	}
	return fmt.Errorf("pulling list %s: %w", path, os.ErrNotExist)
}

func (p *Puller) pull(ctx context.Context, s *pulledSlot) (reason string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return "pull", err
	}
	info, err := os.Stat(p.store.filename(s.Path))
	if current := s.current.Load(); err != nil || !same(info, s.onDisk) || current != nil && current.altered() {
		// The folder does not hold what was put there.
		s.etag = ""
		s.stale.Store(true)
	}
	if s.etag != "" {
		r.Header.Set("If-None-Match", s.etag)
	}
	answer, err := p.config.Client.Do(r)
	if err != nil {
		return "pull", err
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusNotModified:
		return "unchanged", nil
	case http.StatusOK:
	default:
		return "pull", fmt.Errorf("the answer is %s", answer.Status)
	}
	name := p.store.filename(s.Path)
	if err := makeDir(filepath.Dir(name)); err != nil {
		return "pull", err
	}
	prefix, suffix := temporary(name)
	f, err := os.CreateTemp(filepath.Dir(name), prefix+"*"+suffix)
	if err != nil {
		return "pull", err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	// It is read as it comes, so that the first octet that does not belong there
	// ends it.
	body := &io.LimitedReader{R: answer.Body, N: p.config.MaxSize + 1}
	next, err := readList(s.authority, s.slot, io.TeeReader(body, f), f)
	switch {
	case body.N == 0:
		return "pull", fmt.Errorf("it is longer than %d octets", p.config.MaxSize)
	case err != nil:
		return "pull", err
	}
	return p.accept(s, f, next, answer.Header.Get("ETag"))
}

// accept publishes what was fetched when it is newer than what there is.
func (p *Puller) accept(s *pulledSlot, f *os.File, next *List, etag string) (reason string, err error) {
	if now := time.Now(); now.After(next.NextUpdate) || next.ThisUpdate.After(now.Add(maxAhead)) {
		return "pull", fmt.Errorf("it is good from %s to %s and not now", next.ThisUpdate.Format(time.RFC3339), next.NextUpdate.Format(time.RFC3339))
	}
	if current := s.current.Load(); current != nil {
		switch {
		// RFC 5280, Section 5.2.3: a relying party goes by the number.
		case next.Number < current.Number:
			return "pull", fmt.Errorf("its number is %d, after %d", next.Number, current.Number)
		case next.Number == current.Number && next.etag != current.etag:
			return "pull", fmt.Errorf("it is another list of the number %d", next.Number)
		case !bytes.Equal(next.scope, current.scope) && !s.stale.Load():
			return "pull", errors.New("it is about other certificates than the list before it: is the URL right? move the list away if it is")
		case next.Number == current.Number && !s.stale.Load():
			s.etag = etag
			return "unchanged", nil
		}
	}
	if err := f.Chmod(0o644); err != nil {
		return "pull", err
	}
	if err := f.Sync(); err != nil {
		return "pull", err
	}
	name := p.store.filename(s.Path)
	if err := os.Rename(f.Name(), name); err != nil {
		return "pull", err
	}
	if err := durable.SyncDir(filepath.Dir(name)); err != nil {
		return "pull", err
	}
	opened, err := os.Open(name)
	if err != nil {
		return "pull", err
	}
	if s.onDisk, err = opened.Stat(); err == nil {
		err = next.hold(opened)
	}
	if err != nil {
		return "pull", err
	}
	s.serve(next)
	s.stale.Store(false)
	s.etag = etag
	p.config.Log.Info("list pulled", "path", s.Path, "number", next.Number, "entries", next.Entries, "next_update", next.NextUpdate)
	return "pulled", nil
}
