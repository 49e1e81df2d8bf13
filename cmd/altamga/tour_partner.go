package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/xmlsec"
	"github.com/altamga/altamga/interop"
)

// officers are the desk of the national list, and the tokens of the two who
// work at it.
type officers struct {
	*interop.Desk
	one, other string
	section    *interopConfig
	closing    func() error
}

func (t *tour) officersOf(c *interopConfig) (o *officers, err error) {
	if len(c.Officers) < 2 {
		return nil, errors.New("the national list has no two officers")
	}
	o = &officers{section: c}
	for i, token := range []*string{&o.one, &o.other} {
		text, err := os.ReadFile(t.file("staff/" + c.Officers[i].Name + ".token"))
		if err != nil {
			return nil, err
		}
		*token = strings.TrimSpace(string(text))
	}
	o.Desk, o.closing, err = openDesk(c, t.dir)
	return o, err
}

// partner brings the list of another state into ours.
func (t *tour) partner(ctx context.Context, s *step) (err error) {
	if t.lists == nil {
		s.check("this centre has no trust list: a new folder has one")
		return nil
	}
	if t.state, err = t.stateFolder(); err != nil {
		return err
	}
	o, err := t.officersOf(t.lists)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.closing()) }()
	p, err := o.Partner(partnerState)
	if errors.Is(err, fs.ErrNotExist) {
		p, err = &interop.Partner{}, nil
	}
	if err != nil {
		return err
	}
	switch p.State {
	case interop.PartnerPublished:
		s.check("our list has had the partner since an earlier run")
	default:
		if err := t.propose(ctx, s, o); err != nil {
			return err
		}
		fallthrough
	case interop.PartnerAccepted:
		if err := t.publishPartner(ctx, s, o); err != nil {
			return err
		}
	}
	s.try("altamga interop verify %s --by %s --signer %s", quote(t.theirs()), t.at.TrustList, quote(t.at.TrustListSigner))
	s.try("xmlsec1 --verify --pubkey-cert-pem %s --enabled-key-data raw-x509-cert --id-attr:Id %s:SignedProperties %s",
		quote(t.at.TrustListSigner), xmlsec.SpaceXAdES, quote(filepath.Join(string(t.lists.Dir), "current", trustListFile)))
	return nil
}

// theirs is the partner's list.
func (t *tour) theirs() string { return filepath.Join(t.state, "AQ-TL.xml") }

// propose takes the partner from a proposal to its acceptance.
func (t *tour) propose(ctx context.Context, s *step, o *officers) error {
	plan, material, files, err := loadPartner(ctx, filepath.Join(t.state, "partner.toml"), o.section)
	if err != nil {
		return err
	}
	p, err := o.Propose(ctx, o.one, plan, material, files)
	if err != nil {
		return err
	}
	s.check("proposed: %s hands over its trust list; the state is made up", p.Territory)
	digest := p.Offer.Digest()
	if _, err := o.AcceptPartner(ctx, o.other, partnerState, digest); !errors.Is(err, interop.ErrOutOfOrder) {
		return fmt.Errorf("an untested partner was not refused as such, but: %v", err)
	}
	samples, err := interop.ReadCertificates(filepath.Join(t.state, "citizen.pem"))
	if err != nil {
		return err
	}
	if p, err = o.TestPartner(ctx, o.one, partnerState, samples, time.Now()); err != nil {
		return err
	}
	s.check("tested: %s; a citizen's certificate is recognised", p.Findings[0])
	if _, err := o.AcceptPartner(ctx, o.one, partnerState, digest); !errors.Is(err, interop.ErrSameOfficer) {
		return fmt.Errorf("an officer's acceptance of their own proposal was not refused, but: %v", err)
	}
	if _, err := o.AcceptPartner(ctx, o.other, partnerState, digest); err != nil {
		return err
	}
	s.check("accepted: by another officer; the one who proposed is refused")
	return nil
}

// publishPartner publishes the list that leads to the partner, and waits until
// the public has it.
func (t *tour) publishPartner(ctx context.Context, s *step, o *officers) error {
	before, err := o.Current()
	if err != nil {
		return err
	}
	plan, files, err := loadListPlan(string(o.section.Plan))
	if err != nil {
		return err
	}
	// Lists tell the seconds of their issue apart.
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(before.Scheme.IssuedAt.Add(time.Second))):
	}
	if err := publishList(ctx, o.Desk, plan, files, o.one, o.other); err != nil {
		return err
	}
	ours, err := t.served(ctx, before.Scheme.SequenceNumber+1)
	if err != nil {
		return err
	}
	pointer, agreed, err := interop.PartnerOf(ours, &interop.List{Scheme: interop.Scheme{Territory: partnerState}})
	if err != nil {
		return err
	}
	s.check("published: list %d of %s leads to %s, names its signer, and agrees %s", ours.Scheme.SequenceNumber, ours.Scheme.Territory,
		pointer.Location, agreed.Equivalences[0].LegalID)
	return nil
}

// served reads our list over HTTP, verified, as soon as it has the number.
func (t *tour) served(ctx context.Context, sequence uint64) (*interop.Verified, error) {
	signer, err := interop.ReadCertificates(t.at.TrustListSigner)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		data, err := t.party.exchange(ctx, t.at.TrustList, "", nil, interop.MediaType)
		if err != nil {
			return nil, err
		}
		v, err := interop.Verify(data, signer, interop.Terms{At: time.Now()})
		if err != nil || v.Scheme.SequenceNumber >= sequence {
			return v, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the server still has list %d: %w", v.Scheme.SequenceNumber, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// recognise asks whether certificates of the partner's people count here. What
// is asked is known: our list's signer, and nothing of the partner.
func (t *tour) recognise(ctx context.Context, s *step) error {
	if t.lists == nil {
		s.check("this centre has no trust list: a new folder has one")
		return nil
	}
	ours, err := t.served(ctx, 1)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(t.theirs())
	if err != nil {
		return err
	}
	unverified, err := interop.Read(data)
	if err != nil {
		return err
	}
	pointer, agreed, err := interop.PartnerOf(ours, unverified)
	if err != nil {
		return err
	}
	theirs, err := interop.Verify(data, pointer.Signers(), interop.Terms{At: time.Now()})
	if err != nil {
		return err
	}
	now := time.Now()
	for _, row := range []struct {
		file, what string
		at         time.Time
		equivalent bool
		why        string
	}{
		{"citizen.pem", "a citizen's certificate", now, true, "equivalent to CA/QC, status granted, since"},
		{"plain.pem", "a certificate that does not say it is qualified", now, false, "does not say what the parties agreed"},
		{"citizen.pem", "the citizen's certificate, before the day of the agreement,", agreed.Equivalences[0].Since.Add(-time.Second), false, "not before"},
	} {
		c, err := interop.ReadCertificates(filepath.Join(t.state, row.file))
		if err != nil {
			return err
		}
		answer := interop.Recognise(agreed, theirs, c[0], row.at)
		if answer.Equivalent != row.equivalent || !strings.Contains(answer.Why, row.why) {
			return fmt.Errorf("%s: recognised %t, because: %s", row.what, answer.Equivalent, answer.Why)
		}
		says := "is not recognised"
		if answer.Equivalent {
			says = "is recognised"
		}
		s.check("%s %s: %s", row.what, says, answer.Why)
	}
	in := func(file string) string { return quote(filepath.Join(t.state, file)) }
	asked := fmt.Sprintf("--list %s --by %s --signer %s", quote(t.theirs()), t.at.TrustList, quote(t.at.TrustListSigner))
	s.try("altamga interop recognise %s %s", in("citizen.pem"), asked)
	s.try("! altamga interop recognise %s %s", in("plain.pem"), asked)
	s.openssl("verify -x509_strict -CAfile %s %s", in("ca.pem"), in("citizen.pem"))
	return nil
}
