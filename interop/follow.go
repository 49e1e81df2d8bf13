package interop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// FollowConfig is what a [Follower] needs.
type FollowConfig struct {
	// URL of the list of lists, or of one list.
	URL string
	// Signers are the certificates that it may be signed with: pinned by those
	// who run this, from the official announcement.
	Signers []*Certificate
	// Announcement is the address of that announcement. Pivots that are older
	// than it are not followed.
	Announcement string
	Get          Get
	// Dir keeps the last good list of each address.
	Dir string
	// Interval between looks. Default 1 hour.
	Interval time.Duration
	// Alert is told what changed and what went wrong. Nil: nobody is.
	Alert func(Event)
	Log   *slog.Logger
	// Observe counts the reasons of refusals, and "good".
	Observe func(reason string, took time.Duration)
}

// Event is something that people want to know of a list that is followed.
type Event struct {
	// Kind: "accepted", "refused", "changed", "signers", "companion", "gone".
	Kind      string
	URL       string
	Territory string
	Detail    string
}

// Follower keeps a list of lists and the lists that it leads to.
type Follower struct {
	config FollowConfig
	// updating is held by the one update that runs; lists belong to it.
	updating sync.Mutex
	lists    map[string]*followed
	trust    atomic.Pointer[Trust]
}

// followed is one address and the list in force there.
type followed struct {
	URL string
	// Pointer leads here; nil for the list of lists.
	pointer *Pointer
	about   About
	kept    kept
	good    *Verified
	data    []byte
	err     error
	known   bool // read from the folder already
}

// NewFollower checks the configuration.
func NewFollower(c FollowConfig) (*Follower, error) {
	var faults []error
	if c.URL == "" {
		faults = append(faults, errors.New("there is no address to follow"))
	}
	if len(c.Signers) == 0 {
		faults = append(faults, errors.New("no signer is pinned"))
	}
	if c.Get == nil {
		faults = append(faults, errors.New("nothing fetches"))
	}
	if c.Dir == "" {
		faults = append(faults, errors.New("there is no folder for the last good lists"))
	}
	if c.Interval == 0 {
		c.Interval = time.Hour
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Alert == nil {
		c.Alert = func(Event) {}
	}
	if c.Observe == nil {
		c.Observe = func(string, time.Duration) {}
	}
	f := &Follower{config: c, lists: map[string]*followed{}}
	f.trust.Store(newTrust(nil))
	return f, errors.Join(faults...)
}

// Trust returns what the lists in force say.
func (f *Follower) Trust() *Trust { return f.trust.Load() }

// Run updates now and then every interval, until ctx ends.
func (f *Follower) Run(ctx context.Context) error {
	for {
		// Each list's fault is in the state, and told.
		_ = f.Update(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(f.config.Interval):
		}
	}
}

// Ready reports why what the lists say should not be relied on: the list of
// lists is not there or past its next update.
func (f *Follower) Ready(context.Context) error {
	for _, s := range f.Trust().States() {
		if s.URL != f.config.URL {
			continue
		}
		switch {
		case s.List == nil:
			return fmt.Errorf("no good list from %s yet: %w", s.URL, s.Err)
		case s.Stale(time.Now()):
			return fmt.Errorf("the list from %s was to be updated by %s", s.URL, s.List.Scheme.NextUpdate.Format(time.RFC3339))
		}
		return nil
	}
	return errors.New("no list was looked at yet")
}

// Update looks at every list once. What is refused leaves the last good list in
// force. The error joins the faults of all lists.
func (f *Follower) Update(ctx context.Context) error {
	f.updating.Lock()
	defer f.updating.Unlock()
	top := f.entry(f.config.URL)
	f.update(ctx, top, f.config.Signers)
	current := map[string]bool{top.URL: true}
	order := []*followed{top}
	if top.good != nil {
		f.announced(top)
		for i := range top.good.Scheme.Pointers {
			p := &top.good.Scheme.Pointers[i]
			about := p.About()
			if current[p.Location] || IsListOfLists(about.Type) || about.MediaType != MediaType {
				continue
			}
			e := f.entry(p.Location)
			f.compareSigners(e, p)
			e.pointer, e.about = p, about
			f.update(ctx, e, p.Signers())
			current[e.URL] = true
			order = append(order, e)
		}
	}
	for address, e := range f.lists {
		if !current[address] {
			delete(f.lists, address)
			f.config.Alert(Event{"gone", address, e.about.Territory, "the list of lists does not lead to it any more"})
		}
	}
	return f.conclude(order)
}

// conclude makes the new state visible, whole.
func (f *Follower) conclude(order []*followed) error {
	var faults []error
	states := make([]ListState, len(order))
	for i, e := range order {
		states[i] = e.state()
		if e.err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", e.URL, e.err))
		}
	}
	f.trust.Store(newTrust(states))
	return errors.Join(faults...)
}

func (f *Follower) entry(address string) *followed {
	e, ok := f.lists[address]
	if !ok {
		e = &followed{URL: address}
		f.lists[address] = e
	}
	return e
}

// update brings one list up to date.
func (f *Follower) update(ctx context.Context, e *followed, signers []*Certificate) {
	began := time.Now()
	if !e.known {
		f.recall(ctx, e, signers)
		e.known = true
	}
	if e.good != nil && !pinnedAmong(e.good.Signer, signers) && e.pointer != nil {
		// The list of lists does not vouch for its signer any more.
		e.good, e.kept, e.data = nil, kept{}, nil
	}
	e.err = f.refresh(ctx, e, signers)
	reason := "good"
	if e.err != nil {
		if reason = ReasonOf(e.err); reason == "" {
			reason = ReasonFetch
		}
		if ctx.Err() == nil {
			f.config.Log.WarnContext(ctx, "list refused", "url", e.URL, "reason", reason, "err", e.err)
			f.config.Alert(Event{"refused", e.URL, e.about.Territory, e.err.Error()})
		}
	}
	f.config.Observe(reason, time.Since(began))
}

func pinnedAmong(c *Certificate, signers []*Certificate) bool {
	for _, s := range signers {
		if string(s.Raw) == string(c.Raw) {
			return true
		}
	}
	return false
}

// refresh fetches the list, if it changed, and puts it in force, if it is good.
func (f *Follower) refresh(ctx context.Context, e *followed, signers []*Certificate) error {
	now := time.Now()
	due := e.good == nil || !now.Before(e.good.Scheme.NextUpdate)
	companion, told := f.companion(ctx, e.URL)
	if told && !due && companion == e.good.Digest {
		e.kept.SeenAt = now
		return f.keep(e)
	}
	validators := e.kept.Validators
	if e.good == nil {
		validators = Validators{}
	}
	fetched, err := f.config.Get(ctx, e.URL, validators)
	if err != nil {
		return &Refusal{ReasonFetch, err}
	}
	if fetched.Unchanged {
		e.kept.SeenAt = now
		if err := f.keep(e); err != nil {
			return err
		}
		// It is what it was; it may have grown old.
		return Terms{At: now}.check(e.good.List)
	}
	terms := Terms{At: now}
	if e.good != nil {
		terms.MinSequence = e.good.Scheme.SequenceNumber
	}
	v, err := f.judge(ctx, e, fetched.Body, signers, terms)
	if err == nil {
		err = e.notBack(v)
	}
	if err != nil {
		return err
	}
	if told && companion != v.Digest {
		f.config.Alert(Event{"companion", e.URL, e.about.Territory, "the .sha2 file beside the list is that of another list"})
	}
	f.tellChanges(e, v)
	e.good, e.data = v, fetched.Body
	e.kept = kept{URL: e.URL, Validators: fetched.Validators, SeenAt: now, VerifiedAt: now, Sequence: v.Scheme.SequenceNumber}
	return f.keep(e)
}

// notBack refuses a list of the number in force that is not the later one of the
// two: somebody in between could otherwise put one for the other for ever.
func (e *followed) notBack(v *Verified) error {
	if e.good == nil || v.Scheme.SequenceNumber != e.good.Scheme.SequenceNumber || v.Digest == e.good.Digest {
		return nil
	}
	switch was := e.good.Scheme.IssuedAt; {
	case v.Scheme.IssuedAt.Before(was):
		return refuse(ReasonReplayed, "it has the sequence number %d of the list in force, and was issued before it, at %s", v.Scheme.SequenceNumber, v.Scheme.IssuedAt.Format(time.RFC3339))
	case v.Scheme.IssuedAt.Equal(was) && len(Diff(e.good.List, v.List)) > 0:
		return refuse(ReasonReplayed, "it has the sequence number %d and the date of issue of the list in force, and says otherwise", v.Scheme.SequenceNumber)
	}
	return nil
}

// judge verifies a list by its signers and, for the list of lists, by its
// pivots.
func (f *Follower) judge(ctx context.Context, e *followed, data []byte, signers []*Certificate, terms Terms) (*Verified, error) {
	v, err := Verify(data, signers, terms)
	if e.pointer == nil && ReasonOf(err) == "untrusted" {
		if later, pivotErr := f.pivots(ctx, data, signers); pivotErr != nil {
			err = &Refusal{ReasonOf(err), fmt.Errorf("%w; following its pivots: %w", err, pivotErr)}
		} else if later != nil {
			v, err = Verify(data, later, terms)
		}
	}
	if err != nil {
		return nil, err
	}
	if want := e.about.Territory; want != "" && v.Scheme.Territory != want {
		return nil, refuse(ReasonPlace, "it is the list of %q; the list of lists leads here for %q", v.Scheme.Territory, want)
	}
	return v, nil
}

// companion fetches the .sha2 file of a list, if there is one.
func (f *Follower) companion(ctx context.Context, address string) (digest [32]byte, told bool) {
	beside := companionOf(address)
	if beside == "" {
		return digest, false
	}
	fetched, err := f.config.Get(ctx, beside, Validators{})
	if err != nil {
		return digest, false
	}
	digest, err = Companion(fetched.Body)
	return digest, err == nil
}

// tellChanges tells what the new list changes.
func (f *Follower) tellChanges(e *followed, v *Verified) {
	territory := v.Scheme.Territory
	detail := fmt.Sprintf("sequence number %d, signed by %s, next update %s", v.Scheme.SequenceNumber, v.Signer.Fingerprint(), v.Scheme.NextUpdate.Format(time.RFC3339))
	f.config.Alert(Event{"accepted", e.URL, territory, detail})
	f.config.Log.Info("list accepted", "url", e.URL, "territory", territory, "sequence", v.Scheme.SequenceNumber)
	if e.good == nil {
		return
	}
	if e.good.Scheme.SequenceNumber == v.Scheme.SequenceNumber && e.good.Digest != v.Digest {
		f.config.Alert(Event{"changed", e.URL, territory, fmt.Sprintf("the list changed and kept its sequence number %d", v.Scheme.SequenceNumber)})
	}
	for _, change := range Diff(e.good.List, v.List) {
		f.config.Alert(Event{"changed", e.URL, territory, change.String()})
	}
}

// compareSigners tells when the list of lists names other signers for a list.
func (f *Follower) compareSigners(e *followed, p *Pointer) {
	if e.pointer == nil || sameCertificates(e.pointer.Signers(), p.Signers()) {
		return
	}
	f.config.Alert(Event{"signers", e.URL, e.about.Territory, "the list of lists names other signers for it"})
}

func sameCertificates(a, b []*Certificate) bool {
	for _, c := range a {
		if !pinnedAmong(c, b) {
			return false
		}
	}
	return len(a) == len(b)
}

// announced tells when the list of lists announces signers that are not pinned.
func (f *Follower) announced(top *followed) {
	for _, c := range selfSigners(top.good.List) {
		if !pinnedAmong(c, f.config.Signers) {
			f.config.Alert(Event{"signers", top.URL, top.good.Scheme.Territory, "it announces a signer that is not pinned here: " + c.Fingerprint()})
		}
	}
}

// selfSigners returns the signers that a list of lists names for itself.
func selfSigners(l *List) (all []*Certificate) {
	for i := range l.Scheme.Pointers {
		p := &l.Scheme.Pointers[i]
		if a := p.About(); IsListOfLists(a.Type) && (a.Territory == "" || a.Territory == l.Scheme.Territory) && a.MediaType == MediaType {
			all = append(all, p.Signers()...)
		}
	}
	return all
}
