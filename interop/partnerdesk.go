package interop

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// ErrOutOfOrder: a partner is not where the step begins.
var ErrOutOfOrder = errors.New("the partner is not there yet, or is past it")

// Partners returns the records of all partners, by territory.
func (d *Desk) Partners() ([]*Partner, error) { return d.records() }

// Partner returns one record as the audit log attests it; [fs.ErrNotExist] when
// there is none.
func (d *Desk) Partner(territory string) (*Partner, error) {
	told, err := d.past()
	if err != nil {
		return nil, err
	}
	return d.record(territory, told)
}

// at returns the record when it is in one of the states.
func (d *Desk) at(territory string, states ...PartnerState) (*Partner, error) {
	p, err := d.Partner(territory)
	if errors.Is(err, ErrContradicted) {
		return nil, err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s was never proposed", ErrOutOfOrder, territory)
	}
	if err != nil {
		return nil, err
	}
	if !slices.Contains(states, p.State) {
		return nil, fmt.Errorf("%w: %s is %s", ErrOutOfOrder, territory, p.State)
	}
	return p, nil
}

// step takes down a step and puts the record in place.
func (d *Desk) step(ctx context.Context, p *Partner, officer string, to PartnerState, reason string) error {
	s := Step{At: time.Now().UTC().Truncate(time.Second), To: to, Officer: officer, Digest: p.Offer.Digest(), Reason: reason}
	attrs := []slog.Attr{slog.String("territory", p.Territory), slog.String("officer", officer), slog.String("from", string(p.State)),
		slog.String("digest", s.Digest)}
	if reason != "" {
		attrs = append(attrs, slog.String("reason", reason))
	}
	p.State, p.Steps = to, append(p.Steps, s)
	data, err := p.marshal()
	if err != nil {
		return err
	}
	attrs = append(attrs, slog.String("record", digestOf(data)))
	return d.store.putPartner(p.Territory, data, func() error { return d.config.Audit(ctx, "partner."+string(to), attrs...) })
}

// Propose puts down what is known of a partner. An offer that was not accepted
// yet gives way; one that was has to be suspended first.
func (d *Desk) Propose(ctx context.Context, token string, plan *PartnerPlan, m *Material, files CertificateFiles) (*Partner, error) {
	name, done, err := d.begin(token)
	if err != nil {
		return nil, err
	}
	defer done()
	offer, err := plan.offer(m, files)
	if err != nil {
		return nil, err
	}
	if slices.Contains(d.config.Certificate.Subject.Country, plan.Territory) {
		return nil, fmt.Errorf("%s is our own territory", plan.Territory)
	}
	p, err := d.Partner(plan.Territory)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p = &Partner{Territory: plan.Territory}
	case err != nil:
		return nil, err
	case p.State == PartnerAccepted || p.State == PartnerPublished:
		return nil, fmt.Errorf("%w: %s is %s; suspend it first", ErrOutOfOrder, p.Territory, p.State)
	}
	p.Offer, p.ProposedBy, p.Tested, p.Findings = *offer, name, "", nil
	return p, d.step(ctx, p, name, PartnerProposed, "")
}

// TestPartner tries the offer on certificates that the partner's authorities
// issued. The list has to verify, and each of the samples to be recognised at
// the time. A test that fails leaves the partner where it was.
func (d *Desk) TestPartner(ctx context.Context, token, territory string, samples []*Certificate, at time.Time) (*Partner, error) {
	name, done, err := d.begin(token)
	if err != nil {
		return nil, err
	}
	defer done()
	p, err := d.at(territory, PartnerProposed, PartnerTested)
	if err != nil {
		return nil, err
	}
	findings, err := p.try(samples, at)
	if err != nil {
		// That a test was made, and failed, is of the record, too.
		return nil, errors.Join(err, d.config.Audit(ctx, "partner.test-failed", slog.String("territory", territory), slog.String("officer", name),
			slog.String("digest", p.Offer.Digest()), slog.String("reason", err.Error())))
	}
	p.Findings, p.Tested = findings, p.Offer.Digest()
	return p, d.step(ctx, p, name, PartnerTested, "")
}

// AcceptPartner accepts the offer of the digest, as it was looked at. It has to
// be another officer than the one who proposed it. The next list has it.
func (d *Desk) AcceptPartner(ctx context.Context, token, territory, digest string) (*Partner, error) {
	name, done, err := d.begin(token)
	if err != nil {
		return nil, err
	}
	defer done()
	p, err := d.at(territory, PartnerTested)
	if err != nil {
		return nil, err
	}
	switch now := p.Offer.Digest(); {
	case p.ProposedBy == name:
		return nil, ErrSameOfficer
	case now != digest:
		return nil, fmt.Errorf("the offer has the digest %s, and not %q: look at it again", now, digest)
	}
	p.accept(time.Now().UTC().Truncate(time.Second))
	return p, d.step(ctx, p, name, PartnerAccepted, "")
}

// SuspendPartner ends what was accepted; the next list says so. One officer is
// enough: what may be wrong ends quickly.
func (d *Desk) SuspendPartner(ctx context.Context, token, territory, reason string) (*Partner, error) {
	name, done, err := d.begin(token)
	if err != nil {
		return nil, err
	}
	defer done()
	if strings.TrimSpace(reason) == "" {
		return nil, errors.New("a suspension needs its reason")
	}
	p, err := d.at(territory, PartnerAccepted, PartnerPublished)
	if err != nil {
		return nil, err
	}
	p.Force.suspend(time.Now().UTC().Truncate(time.Second))
	return p, d.step(ctx, p, name, PartnerSuspended, reason)
}

// publishedPartners moves those that the published list has.
func (d *Desk) publishedPartners(ctx context.Context, officer string, l *List) error {
	all, err := d.records()
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.State != PartnerAccepted || !p.Force.in(l) {
			continue
		}
		p.Force.Published = true
		if err := d.step(ctx, p, officer, PartnerPublished, fmt.Sprintf("list %d", l.Scheme.SequenceNumber)); err != nil {
			return err
		}
	}
	return nil
}

// in reports whether the list says what was accepted.
func (f *Force) in(l *List) bool {
	var there []*Certificate
	for i := range l.Scheme.Pointers {
		if f.Location != "" && l.Scheme.Pointers[i].Location == f.Location {
			there = append(there, l.Scheme.Pointers[i].Signers()...)
		}
	}
	for i := range l.Providers {
		for j := range l.Providers[i].Services {
			if s := &l.Providers[i].Services[j]; s.Status == Recognised {
				there = append(there, s.Identity.Certificates()...)
			}
		}
	}
	for _, c := range listed(slices.Concat(f.Signers, f.Certificates)) {
		if !has(there, c) {
			return false
		}
	}
	return true
}
