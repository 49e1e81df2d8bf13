package crl

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/altamga/altamga/internal/pki"
)

// Publisher publishes lists. It answers HTTP from the moment it is made, with
// the lists found in the folder; [Publisher.Run] keeps them fresh.
type Publisher struct {
	config      Config
	authorities []*authority
	byID        map[string]*authority
	// about are the authorities whose lists are about the one of the register's
	// short name.
	about map[string][]*authority
	// files maps the unescaped paths of URLs to what is served there.
	files map[string]file

	mu sync.Mutex
	// behind is why the journal cannot be followed, or nil.
	behind error
	// uncertified is why the certificates are not in the folder, or nil.
	uncertified error
	// cleared is when the archive's folders were last gone through.
	cleared map[string]time.Time
	// mirrors are the errors of the last attempts, by mirror.
	mirrors map[Mirror]error
	// mirrorWakes, of capacity 1, interrupt the mirrors' waits.
	mirrorWakes map[Mirror]chan struct{}
}

// authority is one issuer and the state of its publication. All its lists of a
// round have one number.
type authority struct {
	Issuer
	algorithm pki.Algorithm
	covered   []covered
	lists     []*list // the first is the one about all certificates
	// wake, of capacity 1, interrupts the wait for the next round.
	wake chan struct{}

	// publishing is held from the numbering of a round until its lists are
	// served. It guards what follows.
	publishing sync.Mutex
	// rehearsal is the throw-away key, made when first needed.
	rehearsal crypto.Signer
	// last is what the complete lists that are served were made of, and base
	// those that delta lists count from; zero when it is not known.
	last, base Point
	// checked is when a list was last compared with the register's table.
	checked time.Time

	mu sync.Mutex
	// wanted is the highest journal position that the lists must tell of. missed
	// and missedByDelta are when the first change came that the lists of that kind
	// do not tell of; zero when there is none.
	wanted                uint64
	missed, missedByDelta time.Time
	based                 bool      // there is a base for delta lists
	failed                error     // of the last attempt
	failures              int       // attempts since the last success
	attempted             time.Time // when the last attempt failed
}

// list is one list about some of an authority's certificates, and its delta.
type list struct {
	Place
	shard, shards   int
	complete, delta *slot
}

// has reports whether the list is about the certificate of that serial.
func (l *list) has(serial []byte) bool {
	return l.shards == 1 || pki.Shard(serial, l.shards) == l.shard
}

// slot is where one file is published.
type slot struct {
	path    string
	scope   []byte
	delta   bool
	current atomic.Pointer[List]
	// used is the highest number that the archive keeps.
	used uint64
	// stale: what the folder holds is to be replaced, however young it is.
	stale atomic.Bool
	// onDisk is the published file as it was last read or written; nil when there
	// was none. Guarded by the authority's publishing.
	onDisk os.FileInfo
}

// List is a published list.
type List struct {
	Issuer string
	// Path is its name under the server's root.
	Path   string
	Number uint64
	// Base is the number that a delta list counts from; 0 for a complete list.
	Base                   uint64
	ThisUpdate, NextUpdate time.Time
	// Entries is the number of certificates on the list.
	Entries int
	// Size is that of the file in octets.
	Size int64

	// file is open for as long as somebody reads from it: when the list was
	// replaced and nobody does, the garbage collector closes it.
	file  *os.File
	info  os.FileInfo // of file, when the list was put there
	small []byte      // the file, when it is small
	body  int64       // octets of the entries, about
	scope []byte
	etag  string
	// modified is the Last-Modified date; zero when an earlier list of the same
	// second makes it ambiguous.
	modified time.Time
	// served is since when, by a clock that is never set back; zero for a list
	// that was there at the start.
	served time.Time
}

// New checks the configuration and reads the lists that the folder holds. It
// writes nothing.
//
// A list in the folder that does not decode or verify is reported to Log, not
// served, and replaced by the next publication. One that another authority
// signed is an error: two configurations share the folder or a path is wrong.
func New(config Config) (*Publisher, error) {
	p := &Publisher{
		config: config, byID: make(map[string]*authority), about: make(map[string][]*authority), files: make(map[string]file),
		cleared: make(map[string]time.Time), mirrors: make(map[Mirror]error), mirrorWakes: make(map[Mirror]chan struct{}),
	}
	p.defaults()
	if err := p.validate(); err != nil {
		return nil, fmt.Errorf("crl: %w", err)
	}
	for _, m := range config.Mirrors {
		p.mirrorWakes[m] = make(chan struct{}, 1)
	}
	used, err := p.numbersUsed()
	if err != nil {
		return nil, fmt.Errorf("crl: %w", err)
	}
	for _, issuer := range config.Issuers {
		a, err := newAuthority(issuer)
		if err == nil {
			err = p.load(a, used)
		}
		if err != nil {
			return nil, fmt.Errorf("crl: issuer %s: %w", issuer.ID, err)
		}
		p.authorities = append(p.authorities, a)
		p.byID[a.ID] = a
		for _, of := range a.covered {
			p.about[of.id] = append(p.about[of.id], a)
		}
		for _, s := range a.slots() {
			p.files["/"+s.path] = file{slot: s, alarm: a.nudge}
		}
		if a.CertificatePath != "" {
			p.files["/"+a.CertificatePath] = certificateFile(a.Certificate)
		}
	}
	return p, nil
}

func newAuthority(issuer Issuer) (*authority, error) {
	a := &authority{Issuer: issuer, wake: make(chan struct{}, 1), covered: issuer.covers(), lists: issuer.lists()}
	var err error
	if a.algorithm, _, err = pki.SignatureAlgorithm(issuer.Key.Public()); err != nil {
		return nil, err
	}
	for _, l := range a.lists {
		scope := scopeValue(l.URL, issuer.OnlyUsers, issuer.Signer != nil)
		l.complete = &slot{path: l.Path, scope: scope}
		if l.DeltaPath != "" {
			l.delta = &slot{path: l.DeltaPath, scope: scope, delta: true}
		}
	}
	return a, nil
}

// slots returns those of all lists.
func (a *authority) slots() []*slot {
	var slots []*slot
	for _, l := range a.lists {
		slots = append(slots, l.complete)
		if l.delta != nil {
			slots = append(slots, l.delta)
		}
	}
	return slots
}

// hasDeltas reports whether the authority has delta lists.
func (a *authority) hasDeltas() bool {
	for _, l := range a.lists {
		if l.delta != nil {
			return true
		}
	}
	return false
}

// form returns what a list of a round says besides its entries.
func (p *Publisher) form(a *authority, s *slot, l *list, n Numbered, base uint64) form {
	thisUpdate := n.At.UTC().Truncate(time.Second)
	f := form{
		signer: a.signer(), algorithm: a.algorithm, number: n.Number, base: base, scope: s.scope, covered: a.covered,
		thisUpdate: thisUpdate, nextUpdate: thisUpdate.Add(p.config.Validity), freshest: l.DeltaURL,
		expiredSince: a.ExpiredSince.UTC().Truncate(time.Second),
	}
	if a.ExpiredSince.IsZero() {
		f.expiredSince = time.Time{}
	}
	switch {
	case a.Last:
		f.nextUpdate = endOfTime
	case base != 0:
		f.nextUpdate = thisUpdate.Add(p.config.DeltaValidity)
	}
	return f
}

// Current returns the list about all certificates of the issuer that is being
// served.
func (p *Publisher) Current(issuer string) (List, bool) {
	a, ok := p.byID[issuer]
	if !ok {
		return List{}, false
	}
	current := a.lists[0].complete.current.Load()
	if current == nil {
		return List{}, false
	}
	return *current, true
}

// Lists returns all lists that are being served, in the order of the
// configuration.
func (p *Publisher) Lists() []List {
	var lists []List
	for _, a := range p.authorities {
		for _, s := range a.slots() {
			if current := s.current.Load(); current != nil {
				lists = append(lists, *current)
			}
		}
	}
	return lists
}

// Ready returns why the lists are not all in order, or nil. A list that is
// missing, past half of the time that is left to renew it, or could not be
// renewed when it was last tried is not; nor are lists while the journal cannot
// be read or a mirror written.
func (p *Publisher) Ready(context.Context) error {
	var problems []error
	for _, a := range p.authorities {
		if err := p.InOrder(a.ID); err != nil {
			problems = append(problems, err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, err := range []error{p.behind, p.uncertified} {
		if err != nil {
			problems = append(problems, err)
		}
	}
	for _, m := range p.config.Mirrors {
		if err := p.mirrors[m]; err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// InOrder returns why the lists of one issuer are not in order, or nil.
func (p *Publisher) InOrder(issuer string) error {
	a, ok := p.byID[issuer]
	if !ok {
		return fmt.Errorf("there is no issuer %q", issuer)
	}
	a.mu.Lock()
	failed := a.failed
	a.mu.Unlock()
	if failed != nil {
		return fmt.Errorf("list of %s: %w", a.ID, failed)
	}
	var problems []error
	for _, s := range a.slots() {
		if err := p.late(s, time.Now()); err != nil {
			problems = append(problems, fmt.Errorf("list %s of %s: %w", s.path, a.ID, err))
		}
	}
	return errors.Join(problems...)
}

// Remaining returns how long the lists of the issuer are good for relying
// parties, the one that runs out first; negative when it has, or is missing.
func (p *Publisher) Remaining(issuer string) time.Duration {
	least := time.Duration(1<<63 - 1)
	a, ok := p.byID[issuer]
	if !ok {
		return -1
	}
	for _, s := range a.slots() {
		current := s.current.Load()
		if current == nil {
			return -1
		}
		least = min(least, time.Until(current.NextUpdate))
	}
	return least
}

// late returns why a list should have been replaced, or nil.
func (p *Publisher) late(s *slot, now time.Time) error {
	current := s.current.Load()
	switch {
	case current == nil:
		return errors.New("it was not published yet")
	case s.stale.Load():
		return errors.New("the folder does not hold it as it was published, or it is about other certificates than it is to be")
	case current.ThisUpdate.After(now.Add(maxAhead)):
		return fmt.Errorf("it was made at %s, which is to come: was the clock set back?", current.ThisUpdate.Format(time.RFC3339))
	case now.After(current.NextUpdate):
		return fmt.Errorf("it ran out at %s", current.NextUpdate.Format(time.RFC3339))
	case current.NextUpdate.Equal(endOfTime):
		return nil
	case now.After(current.ThisUpdate.Add(current.NextUpdate.Sub(current.ThisUpdate) / 2)):
		return fmt.Errorf("it is past half of its validity, which ends at %s", current.NextUpdate.Format(time.RFC3339))
	}
	// The rules ask for more than that relying parties can go on.
	if due := current.ThisUpdate.Add(p.config.Interval); now.After(due.Add((p.config.Deadline - p.config.Interval) / 2)) {
		return fmt.Errorf("it was due at %s and must not be older than %v", due.Format(time.RFC3339), p.config.Deadline)
	}
	return nil
}
