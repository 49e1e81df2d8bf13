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
	"time"

	"github.com/altamga/altamga/internal/pki"
)

// Issuer is an authority whose lists are published.
type Issuer struct {
	// ID is the register's short name of the authority.
	ID          string
	Certificate *x509.Certificate
	// Key signs the lists. It belongs to Signer, or to Certificate when there is
	// none.
	Key crypto.Signer
	// Signer makes the lists indirect: another authority's certificate, whose key
	// signs them. Certificates must then name it as the cRLIssuer of their
	// distribution point (RFC 5280, Section 4.2.1.13). It may sign lists of several
	// issuers. nil for none.
	Signer *x509.Certificate
	// Others are further authorities that the lists of Signer are about, too. Their
	// serial numbers must be random: there are relying parties that take the first
	// entry of a serial for the only one.
	Others []Other
	// Place is that of the list about all certificates of the authority.
	Place
	// Partitions are further sets of lists, each about all certificates of the
	// authority, spread over several lists by serial number. There are several
	// sets while certificates live that were issued when their number was another.
	Partitions []Partition
	// OnlyUsers says that the authority issues no certificates of authorities,
	// which a pathLenConstraint of 0 in its own must bear out (RFC 5280, Section
	// 5.2.5).
	OnlyUsers bool
	// ExpiredSince keeps certificates on the lists for ever when they expire after
	// it, and says so (ETSI EN 319 411-2, Section 6.3.10). Zero takes a certificate
	// off once it was on a list issued after its end.
	ExpiredSince time.Time
	// Last makes lists that are never replaced for their age (ETSI EN 319 411-1,
	// CSS-6.3.9-06): those of an authority that ends.
	Last bool
	// CertificatePath is the published name of the authority's certificate, ending
	// in .cer; empty leaves it unpublished.
	CertificatePath string
}

// Place is where a list is published.
type Place struct {
	// Path is the list's name under the server's root and in the published
	// folder, unescaped, ending in .crl: "ehm.crl", "cdp/AZ Root (RCA).crl".
	Path string
	// URL is the list's address as certificates name it. With it the list carries
	// an issuingDistributionPoint; partitioned lists must have it.
	URL string
	// DeltaPath and DeltaURL are those of the delta list; both or none.
	DeltaPath, DeltaURL string
}

// Partition is a set of lists. Paths and URLs hold [pki.ShardMark] where the
// number of the list goes, from 0 on.
type Partition struct {
	Shards int
	Place
}

// maxShards is as many lists as two octets of a serial number fill evenly.
const maxShards = 4096

// Defaults of [Config].
const (
	// DefaultValidity keeps a list good for relying parties through a day
	// without the centre. Relying parties abroad ask for 24 to 27 hours.
	DefaultValidity = 25 * time.Hour
	// DefaultInterval renews lists well before the 3 hours that the Cabinet of
	// Ministers' rules of 2006 on certificate centres allow, which is
	// DefaultDeadline.
	DefaultInterval = 2*time.Hour + 45*time.Minute
	DefaultDeadline = 3 * time.Hour
	DefaultDelay    = time.Second
	DefaultMaxAge   = time.Minute
	// DefaultDeltaInterval and DefaultDeltaValidity are those of delta lists.
	DefaultDeltaInterval = 15 * time.Minute
	DefaultDeltaValidity = 3 * time.Hour
	// DefaultRecheck reads the register's table once a day.
	DefaultRecheck = 24 * time.Hour
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
	// rejects is not signed. Of a list with more than a thousand entries it sees
	// one of the same form with fewer of them. Required.
	Lint func(*x509.RevocationList) error
	// Dir is the existing folder that lists are published in.
	Dir string
	// Archive is another folder, on the same file system, that every published list
	// stays in; empty for none. ArchiveFor removes them after that time; 0 is never.
	// No number that it keeps is given to another list.
	Archive    string
	ArchiveFor time.Duration
	// Validity is nextUpdate less thisUpdate; 0 means [DefaultValidity].
	Validity time.Duration
	// Interval is the longest time between two complete lists of an issuer; 0
	// means [DefaultInterval]. It must leave room for trouble: at most half of
	// Validity.
	Interval time.Duration
	// Deadline is the age that no published list may reach; 0 means
	// [DefaultDeadline]. Half way between Interval and it, [Publisher.Ready] says
	// that a list is late.
	Deadline time.Duration
	// Delay gathers changes: complete lists are published this long after the
	// first change that they miss; 0 means [DefaultDelay].
	Delay time.Duration
	// DeltaInterval, DeltaValidity and DeltaDelay are the same for delta lists; 0
	// means [DefaultDeltaInterval], [DefaultDeltaValidity] and Delay. Delta lists
	// are made with every complete one, too.
	DeltaInterval, DeltaValidity, DeltaDelay time.Duration
	// Recheck is how often, and at the first list after a start, a list is made
	// from the register's table instead of the list before it and the journal,
	// and the two are compared. 0 means [DefaultRecheck].
	Recheck time.Duration
	// MaxAge is how long HTTP caches may keep a list without asking again, and
	// so by how much they may delay a change; 0 means [DefaultMaxAge]. Less is
	// granted near nextUpdate.
	MaxAge time.Duration
	// Mirrors are told of each list when it is being served.
	Mirrors []Mirror
	// Audit writes a line before each signature; its error prevents it.
	// Required.
	Audit func(ctx context.Context, action string, attrs ...slog.Attr) error
	// Log is told of publications and failures; nil discards.
	Log *slog.Logger
	// Observe counts publications: reason is "published" or one of "source",
	// "contradiction", "entries", "number", "lint", "audit", "sign", "store",
	// and for each list and mirror "mirrored" or "mirror"; nil for none.
	Observe func(reason string, took time.Duration)
}

func (p *Publisher) defaults() {
	c := &p.config
	for _, d := range []struct {
		value  *time.Duration
		preset time.Duration
	}{
		{&c.Validity, DefaultValidity}, {&c.Interval, DefaultInterval}, {&c.Deadline, DefaultDeadline}, {&c.Delay, DefaultDelay},
		{&c.MaxAge, DefaultMaxAge}, {&c.DeltaInterval, DefaultDeltaInterval}, {&c.DeltaValidity, DefaultDeltaValidity}, {&c.Recheck, DefaultRecheck},
	} {
		if *d.value == 0 {
			*d.value = d.preset
		}
	}
	if c.DeltaDelay == 0 {
		c.DeltaDelay = c.Delay
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
	must(c.Validity >= time.Second && c.Interval > 0 && c.Delay > 0 && c.MaxAge > 0 && c.DeltaDelay > 0 && c.DeltaInterval > 0 &&
		c.DeltaValidity >= time.Second && c.Recheck > 0 && c.ArchiveFor >= 0, "a duration is negative or too short")
	must(c.Interval <= c.Validity/2, "the interval of %v is longer than half of the validity of %v", c.Interval, c.Validity)
	must(c.DeltaInterval <= c.DeltaValidity/2, "the delta interval of %v is longer than half of the delta validity of %v", c.DeltaInterval, c.DeltaValidity)
	// ETSI EN 319 411-1, CSS-6.3.9-05: a list at least every 24 hours.
	must(c.Interval <= 24*time.Hour, "the interval of %v is longer than 24 hours", c.Interval)
	must(c.Interval < c.Deadline, "the interval of %v leaves no time before the deadline of %v", c.Interval, c.Deadline)
	for _, dir := range []string{c.Dir, c.Archive} {
		if dir == "" && dir == c.Archive && c.Dir != "" {
			continue
		}
		info, err := os.Stat(dir)
		must(err == nil && info.IsDir(), "the folder %q does not exist", dir)
	}
	if published, err := os.Stat(c.Dir); err == nil && c.Archive != "" {
		kept, err := os.Stat(c.Archive)
		must(err != nil || !os.SameFile(published, kept), "lists are archived in the folder that they are published in")
	}
	ids, paths := make(map[string]bool), make(map[string]bool)
	for _, issuer := range c.Issuers {
		must(issuer.ID != "" && !ids[issuer.ID], "issuer %q is there twice or has no name", issuer.ID)
		ids[issuer.ID] = true
		if err := issuer.validate(); err != nil {
			problems = append(problems, fmt.Errorf("issuer %s: %w", issuer.ID, err))
			continue
		}
		names := []string{issuer.CertificatePath}
		for _, l := range issuer.lists() {
			names = append(names, l.Path, l.DeltaPath)
		}
		for _, name := range names {
			must(name == "" || !paths[name], "issuer %s: the path %q is used twice", issuer.ID, name)
			paths[name] = true
		}
	}
	return errors.Join(problems...)
}

// lists returns all lists of the issuer.
func (i *Issuer) lists() []*list {
	lists := []*list{{Place: i.Place, shards: 1}}
	for _, set := range i.Partitions {
		for shard := range set.Shards {
			lists = append(lists, &list{shard: shard, shards: set.Shards, Place: Place{
				Path: pki.ShardAddress(set.Path, shard), URL: pki.ShardAddress(set.URL, shard),
				DeltaPath: pki.ShardAddress(set.DeltaPath, shard), DeltaURL: pki.ShardAddress(set.DeltaURL, shard),
			}})
		}
	}
	return lists
}

// signer is the certificate that Key belongs to.
func (i *Issuer) signer() *x509.Certificate {
	if i.Signer != nil {
		return i.Signer
	}
	return i.Certificate
}

func (i *Issuer) validate() error {
	if i.CertificatePath != "" {
		if err := checkPath(i.CertificatePath, ".cer"); err != nil {
			return err
		}
	}
	if i.Certificate == nil || i.Key == nil {
		return errors.New("the certificate or the key is missing")
	}
	if err := i.Place.validate(); err != nil {
		return err
	}
	for _, set := range i.Partitions {
		if err := set.validate(); err != nil {
			return err
		}
	}
	signer := i.signer()
	if err := pki.CheckKeyPair(signer, i.Key); err != nil {
		return err
	}
	if _, _, err := pki.SignatureAlgorithm(i.Key.Public()); err != nil {
		return err
	}
	if err := i.validateOthers(); err != nil {
		return err
	}
	switch {
	case !i.Certificate.BasicConstraintsValid || !i.Certificate.IsCA:
		return errors.New("the certificate is not an authority's")
	// RFC 5280, Section 4.2.1.3: cRLSign is asserted when the key verifies
	// signatures on revocation lists.
	case signer.KeyUsage&x509.KeyUsageCRLSign == 0:
		return errors.New("the certificate's keyUsage has no cRLSign")
	// RFC 5280, Section 5.2.1: the list names its key by the identifier in the
	// issuer's certificate.
	case len(signer.SubjectKeyId) == 0:
		return errors.New("the certificate has no subjectKeyIdentifier")
	case i.Signer != nil && string(i.Signer.RawSubject) == string(i.Certificate.RawSubject):
		return errors.New("the signer has the authority's own name, so its lists would not be indirect")
	case i.OnlyUsers && !(i.Certificate.MaxPathLen == 0 && i.Certificate.MaxPathLenZero):
		return errors.New("the certificate's pathLenConstraint is not 0, so authorities may be among those it issued")
	case !i.ExpiredSince.IsZero() && !tellable(i.ExpiredSince):
		return errors.New("the date of ExpiredSince cannot be told")
	}
	return nil
}

// validateOthers refuses what would make entries of one authority out of those
// of two.
func (i *Issuer) validateOthers() error {
	ids, names := map[string]bool{i.ID: true}, map[string]bool{string(i.Certificate.RawSubject): true, string(i.signer().RawSubject): true}
	for _, o := range i.Others {
		switch {
		case i.Signer == nil:
			return errors.New("there are other authorities and no signer: direct lists are about one authority")
		case o.Certificate == nil || !o.Certificate.BasicConstraintsValid || !o.Certificate.IsCA:
			return fmt.Errorf("the certificate of %q is missing or not an authority's", o.ID)
		case o.ID == "" || ids[o.ID] || names[string(o.Certificate.RawSubject)]:
			return fmt.Errorf("the authority %q is there twice, or has no name or the signer's", o.ID)
		case i.OnlyUsers && !(o.Certificate.MaxPathLen == 0 && o.Certificate.MaxPathLenZero):
			return fmt.Errorf("the pathLenConstraint of %q is not 0, so authorities may be among those it issued", o.ID)
		}
		ids[o.ID], names[string(o.Certificate.RawSubject)] = true, true
	}
	return nil
}

func (s *Partition) validate() error {
	if s.Shards < 2 || s.Shards > maxShards {
		return fmt.Errorf("a partition has 2 to %d lists and not %d", maxShards, s.Shards)
	}
	for _, name := range []string{s.Path, s.URL, s.DeltaPath, s.DeltaURL} {
		if name != "" && !strings.Contains(name, pki.ShardMark) {
			return fmt.Errorf("%q of a partition has no %s", name, pki.ShardMark)
		}
	}
	if s.URL == "" {
		// RFC 5280, Section 5.2.5: without it a list is about all certificates.
		return errors.New("a partition has no URL")
	}
	return s.Place.validate()
}

func (p *Place) validate() error {
	// RFC 2585, Section 3: the extensions of files that hold one certificate or
	// one CRL.
	if err := checkPath(p.Path, ".crl"); err != nil {
		return err
	}
	if (p.DeltaPath == "") != (p.DeltaURL == "") {
		return errors.New("a delta list has a path and a URL, or neither")
	}
	if p.DeltaPath != "" {
		if err := checkPath(p.DeltaPath, ".crl"); err != nil {
			return err
		}
	}
	for _, url := range []string{p.URL, p.DeltaURL} {
		// RFC 5280, Section 4.2.1.6: URIs are IA5Strings.
		if strings.ContainsFunc(url, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return fmt.Errorf("the URL %q has characters that must be escaped in it", url)
		}
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
