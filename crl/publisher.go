package crl

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/altamga/altamga/internal/pki"
)

// Source is where the entries of lists come from.
type Source interface {
	// List numbers the issuer's next list, makes the number durable so that it
	// is never given out again, and returns the state of the register at it.
	List(ctx context.Context, issuer string) (Snapshot, error)
	// Published tells the source that the public can read the issuer's list of
	// that number. It may be told twice.
	Published(ctx context.Context, issuer string, number uint64) error
}

// Snapshot is what a list says.
type Snapshot struct {
	// Number is the journal position that the snapshot was taken at: every
	// change up to it is in the entries, and none after it.
	Number uint64
	// At is when the snapshot was taken; the list's thisUpdate.
	At time.Time
	// Entries are the revoked and held certificates. An entry's only
	// ExtraExtension is invalidityDate; Extensions and Raw are not used.
	Entries []x509.RevocationListEntry
}

// Journal tells which lists a change makes old.
type Journal interface {
	// Entries returns at most limit entries after a position, in order.
	Entries(ctx context.Context, after uint64, limit int) ([]Change, error)
	// Wait returns when there is an entry after the position.
	Wait(ctx context.Context, after uint64) error
}

// Change is an entry of the journal, as far as a list is concerned.
type Change struct {
	Position uint64
	Issuer   string
	// Status is set when the entry held, released or revoked a certificate:
	// the issuer's next list differs from the last. An entry that says that a
	// certificate was issued or has expired or that a list was numbered does not
	// have it.
	Status bool
}

// Issuer is an authority whose lists are published.
type Issuer struct {
	// ID is the register's short name of the authority.
	ID          string
	Certificate *x509.Certificate
	// Key belongs to Certificate. RFC 5280, Section 5.1.1.3: lists are signed by
	// the key that certificates are signed with (no indirect lists).
	Key crypto.Signer
	// Path is the list's name under the server's root and in the published
	// folder, unescaped, ending in .crl: "ehm.crl", "cdp/AZ Root (RCA).crl".
	Path string
	// CertificatePath is the same for the authority's certificate, ending in
	// .cer; empty leaves it unpublished.
	CertificatePath string
}

// Defaults of [Config].
const (
	// DefaultValidity keeps a list good for relying parties through a day
	// without the centre. Relying parties abroad ask for 24 to 27 hours.
	DefaultValidity = 25 * time.Hour
	// DefaultInterval renews lists well before the 3 hours that the Cabinet of
	// Ministers' rules of 2006 on certificate centres allow.
	DefaultInterval = 2*time.Hour + 45*time.Minute
	DefaultDelay    = time.Second
	DefaultMaxAge   = time.Minute
)

// Config is what a [Publisher] is made of.
type Config struct {
	// Issuers whose lists are published; at least one.
	Issuers []Issuer
	// Source of the entries; required.
	Source Source
	// Journal tells of changes; nil leaves a revocation out of the lists until
	// the interval is over.
	Journal Journal
	// Lint judges a list that was signed with a throw-away key; a list that it
	// rejects is not signed. Required.
	Lint func(*x509.RevocationList) error
	// Dir is the existing folder that lists are published in.
	Dir string
	// Validity is nextUpdate less thisUpdate; 0 means [DefaultValidity].
	Validity time.Duration
	// Interval is the longest time between two lists of an issuer; 0 means
	// [DefaultInterval]. It must leave room for trouble: at most half of Validity.
	Interval time.Duration
	// Delay gathers changes: a list is published this long after the first
	// change that it misses; 0 means [DefaultDelay].
	Delay time.Duration
	// MaxAge is how long HTTP caches may keep a list without asking again, and
	// so by how much they may delay a change; 0 means [DefaultMaxAge]. Less is
	// granted near nextUpdate.
	MaxAge time.Duration
	// Audit writes a line before each signature; its error prevents it.
	// Required.
	Audit func(ctx context.Context, action string, attrs ...slog.Attr) error
	// Log is told of publications and failures; nil discards.
	Log *slog.Logger
	// Observe counts publications: reason is "published" or one of "source",
	// "entries", "number", "lint", "audit", "sign", "store"; nil for none.
	Observe func(reason string, took time.Duration)
}

// Publisher publishes lists. It answers HTTP from the moment it is made, with
// the lists found in the folder; [Publisher.Run] keeps them fresh.
type Publisher struct {
	config Config
	lists  []*list
	byID   map[string]*list
	// files maps the unescaped paths of URLs to what is served there.
	files map[string]file

	mu sync.Mutex
	// behind is why the journal cannot be followed, or nil.
	behind error
}

// list is one issuer's list and the state of its publication.
type list struct {
	Issuer
	current atomic.Pointer[List]
	// wanted is the highest journal position that the list must tell of.
	wanted atomic.Uint64
	// wake, of capacity 1, interrupts the wait for the interval's end.
	wake chan struct{}

	// publishing is held from the numbering of a list until it is served.
	publishing sync.Mutex
	// onDisk is the published file as it was last read or written; nil when there
	// was none. Guarded by publishing.
	onDisk os.FileInfo
	// rehearsal is the throw-away key, made when first needed. Guarded by
	// publishing.
	rehearsal crypto.Signer

	mu       sync.Mutex
	failed   error // of the last attempt
	failures int   // attempts since the last success
}

// List is a published list.
type List struct {
	Issuer                 string
	Number                 uint64
	ThisUpdate, NextUpdate time.Time
	// Entries is the number of certificates on the list.
	Entries int
	// DER is the CertificateList; it must not be modified.
	DER []byte

	etag string
	// modified is the Last-Modified date; zero when an earlier list of the same
	// second makes it ambiguous.
	modified time.Time
}

// New checks the configuration and reads the lists that the folder holds. It
// writes nothing.
//
// A list in the folder that does not decode or verify is reported to Log, not
// served, and replaced by the next publication. One that another authority
// signed is an error: two configurations share the folder or a path is wrong.
func New(config Config) (*Publisher, error) {
	p := &Publisher{config: config, byID: make(map[string]*list), files: make(map[string]file)}
	p.defaults()
	if err := p.validate(); err != nil {
		return nil, fmt.Errorf("crl: %w", err)
	}
	for _, issuer := range config.Issuers {
		l := &list{Issuer: issuer, wake: make(chan struct{}, 1)}
		p.lists = append(p.lists, l)
		p.byID[l.ID] = l
		p.files["/"+l.Path] = file{list: l}
		if l.CertificatePath != "" {
			p.files["/"+l.CertificatePath] = certificateFile(l.Certificate)
		}
		if err := p.load(l); err != nil {
			return nil, fmt.Errorf("crl: issuer %s: %w", l.ID, err)
		}
	}
	return p, nil
}

func (p *Publisher) defaults() {
	c := &p.config
	for _, d := range []struct {
		value  *time.Duration
		preset time.Duration
	}{{&c.Validity, DefaultValidity}, {&c.Interval, DefaultInterval}, {&c.Delay, DefaultDelay}, {&c.MaxAge, DefaultMaxAge}} {
		if *d.value == 0 {
			*d.value = d.preset
		}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Observe == nil {
		c.Observe = func(string, time.Duration) {}
	}
}

// validate returns everything that is wrong with the configuration.
func (p *Publisher) validate() error {
	c := &p.config
	var problems []error
	must := func(holds bool, format string, args ...any) {
		if !holds {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	must(len(c.Issuers) > 0, "there is no issuer")
	must(c.Source != nil, "Source is missing")
	must(c.Lint != nil, "Lint is missing")
	must(c.Audit != nil, "Audit is missing")
	must(c.Validity >= time.Second && c.Interval > 0 && c.Delay > 0 && c.MaxAge > 0, "a duration is negative or too short")
	must(c.Interval <= c.Validity/2, "the interval of %v is longer than half of the validity of %v", c.Interval, c.Validity)
	info, err := os.Stat(c.Dir)
	must(err == nil && info.IsDir(), "the folder %q does not exist", c.Dir)
	ids, paths := make(map[string]bool), make(map[string]bool)
	for _, issuer := range c.Issuers {
		must(issuer.ID != "" && !ids[issuer.ID], "issuer %q is there twice or has no name", issuer.ID)
		ids[issuer.ID] = true
		if err := issuer.validate(); err != nil {
			problems = append(problems, fmt.Errorf("issuer %s: %w", issuer.ID, err))
		}
		for _, name := range []string{issuer.Path, issuer.CertificatePath} {
			must(name == "" || !paths[name], "issuer %s: the path %q is used twice", issuer.ID, name)
			paths[name] = true
		}
	}
	return errors.Join(problems...)
}

func (i Issuer) validate() error {
	// RFC 2585, Section 3: the extensions of files that hold one certificate or
	// one CRL.
	if err := checkPath(i.Path, ".crl"); err != nil {
		return err
	}
	if i.CertificatePath != "" {
		if err := checkPath(i.CertificatePath, ".cer"); err != nil {
			return err
		}
	}
	if i.Certificate == nil || i.Key == nil {
		return errors.New("the certificate or the key is missing")
	}
	if err := pki.CheckKeyPair(i.Certificate, i.Key); err != nil {
		return err
	}
	if _, _, err := pki.SignatureAlgorithm(i.Key.Public()); err != nil {
		return err
	}
	switch {
	case !i.Certificate.BasicConstraintsValid || !i.Certificate.IsCA:
		return errors.New("the certificate is not an authority's")
	// RFC 5280, Section 4.2.1.3: cRLSign is asserted when the key verifies
	// signatures on revocation lists.
	case i.Certificate.KeyUsage&x509.KeyUsageCRLSign == 0:
		return errors.New("the certificate's keyUsage has no cRLSign")
	// RFC 5280, Section 5.2.1: the list names its key by the identifier in the
	// issuer's certificate.
	case len(i.Certificate.SubjectKeyId) == 0:
		return errors.New("the certificate has no subjectKeyIdentifier")
	}
	return nil
}

// checkPath checks a name that is both a path in a URL and one in the folder.
func checkPath(name, extension string) error {
	switch {
	case !fs.ValidPath(name) || strings.ContainsAny(name, "\\\x00") || !filepath.IsLocal(filepath.FromSlash(name)):
		return fmt.Errorf("the path %q is not a plain relative path", name)
	case path.Ext(name) != extension:
		return fmt.Errorf("the path %q does not end in %s", name, extension)
	}
	for element := range strings.SplitSeq(name, "/") {
		// Such names are those of files in the making.
		if strings.HasPrefix(element, ".") {
			return fmt.Errorf("the path %q has an element that begins with a dot", name)
		}
	}
	return nil
}

// Current returns the list that is being served for the issuer.
func (p *Publisher) Current(issuer string) (List, bool) {
	l, ok := p.byID[issuer]
	if !ok {
		return List{}, false
	}
	current := l.current.Load()
	if current == nil {
		return List{}, false
	}
	return *current, true
}

// Ready returns why the lists are not all in order, or nil. A list that is
// missing, past the first half of its validity, or could not be renewed when
// it was last tried is not; nor are lists while the journal cannot be read.
func (p *Publisher) Ready(context.Context) error {
	var problems []error
	for _, l := range p.lists {
		if err := l.ready(time.Now()); err != nil {
			problems = append(problems, fmt.Errorf("list of %s: %w", l.ID, err))
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.behind != nil {
		problems = append(problems, p.behind)
	}
	return errors.Join(problems...)
}

func (l *list) ready(now time.Time) error {
	l.mu.Lock()
	failed := l.failed
	l.mu.Unlock()
	current := l.current.Load()
	switch {
	case failed != nil:
		return failed
	case current == nil:
		return errors.New("it was not published yet")
	case now.After(current.NextUpdate):
		return fmt.Errorf("it ran out at %s", current.NextUpdate.Format(time.RFC3339))
	case now.After(current.ThisUpdate.Add(current.NextUpdate.Sub(current.ThisUpdate) / 2)):
		return fmt.Errorf("it is past half of its validity, which ends at %s", current.NextUpdate.Format(time.RFC3339))
	}
	return nil
}
