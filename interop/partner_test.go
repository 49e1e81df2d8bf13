package interop_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/interop"
)

// leaf is a certificate that the country's authority issued.
func (c *country) leaf(t *testing.T) *interop.Certificate {
	return made{name: "Citizen of " + c.territory + " (TEST)", country: c.territory, issuer: c.ca}.make(t).list()
}

func (c *country) proposal(location string) *interop.PartnerPlan {
	return &interop.PartnerPlan{
		Territory: c.territory, Operator: en("Operator of " + c.territory), Location: location, Signers: []string{"signer.pem"},
		Agreement: &interop.PlanAgreement{Law: "https://law.example/az", PartnerLaw: "https://law.example/" + c.territory, Equivalences: []interop.PlanEquivalence{{
			ID: "AZ-" + c.territory + "-1", Ours: interop.PlanTypeUse{Type: "CA/QC"}, Theirs: interop.PlanTypeUse{Type: "CA/QC"},
			Status: "enacted", Since: time.Now().UTC().Truncate(time.Second).Add(-24 * time.Hour),
			Valid:   interop.PlanStatuses{Ours: []string{"granted"}, Theirs: []string{"granted"}},
			Invalid: interop.PlanStatuses{Ours: []string{"withdrawn"}, Theirs: []string{"withdrawn"}},
		}}},
	}
}

func (c *country) signers(string) ([]*interop.Certificate, error) {
	return []*interop.Certificate{c.signer.list()}, nil
}

// state fails the test when the partner is not there, or the audit log does not
// have the step.
func (b *bureau) state(t *testing.T, territory string, want interop.PartnerState) *interop.Partner {
	t.Helper()
	p, err := b.Partner(territory)
	if err != nil {
		t.Fatal(err)
	}
	if p.State != want {
		t.Errorf("%s is %s, want %s", territory, p.State, want)
	}
	logged := strings.Join(b.audit, "\n")
	if !strings.Contains(logged, "partner."+string(want)) {
		t.Errorf("the log does not have %s: %s", want, logged)
	}
	return p
}

// A partner with a list walks the whole way; its citizens are recognised when
// it is published, and not any more when it is suspended.
func TestPartnerWithList(t *testing.T) {
	b, kz, ctx := newBureau(t), newCountry(t, "KZ"), t.Context()
	plan, sample := kz.proposal("https://kz.example/tl.xml"), kz.leaf(t)
	m := &interop.Material{}
	if err := m.Add("KZ.xml", sign(t, kz.list, kz.signer)); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for name, step := range map[string]func() error{
		"test": func() error {
			_, err := b.TestPartner(ctx, "one", "KZ", []*interop.Certificate{sample}, now)
			return err
		},
		"accept":  func() error { _, err := b.AcceptPartner(ctx, "two", "KZ", ""); return err },
		"suspend": func() error { _, err := b.SuspendPartner(ctx, "two", "KZ", "why"); return err },
	} {
		if err := step(); !errors.Is(err, interop.ErrOutOfOrder) {
			t.Errorf("%s before it is proposed: %v", name, err)
		}
	}
	if _, err := b.Propose(ctx, "three", plan, m, kz.signers); !errors.Is(err, interop.ErrToken) {
		t.Errorf("a stranger proposes: %v", err)
	}
	b.broken = errors.New("the log is full")
	if _, err := b.Propose(ctx, "one", plan, m, kz.signers); err == nil {
		t.Error("a partner is proposed without the log")
	}
	b.broken = nil
	if _, err := b.Partner("KZ"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what the log refused is on record: %v", err)
	}
	proposed, err := b.Propose(ctx, "one", plan, m, kz.signers)
	if err != nil {
		t.Fatal(err)
	}
	b.state(t, "KZ", interop.PartnerProposed)
	digest := proposed.Offer.Digest()
	if _, err := b.AcceptPartner(ctx, "two", "KZ", digest); !errors.Is(err, interop.ErrOutOfOrder) {
		t.Errorf("accepted untested: %v", err)
	}
	stranger := newCountry(t, "KZ").leaf(t)
	if _, err := b.TestPartner(ctx, "one", "KZ", []*interop.Certificate{sample, stranger}, now); err == nil || !strings.Contains(err.Error(), "sample 2 is not recognised") {
		t.Errorf("a stranger's certificate is taken: %v", err)
	}
	if _, err := b.TestPartner(ctx, "one", "KZ", nil, now); err == nil {
		t.Error("a test without samples is one")
	}
	b.state(t, "KZ", interop.PartnerProposed)
	tested, err := b.TestPartner(ctx, "one", "KZ", []*interop.Certificate{sample}, now)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(tested.Findings, "\n"), "equivalent to CA/QC") {
		t.Errorf("findings %q", tested.Findings)
	}
	if _, err := b.AcceptPartner(ctx, "one", "KZ", digest); !errors.Is(err, interop.ErrSameOfficer) {
		t.Errorf("one officer does both: %v", err)
	}
	if _, err := b.AcceptPartner(ctx, "two", "KZ", strings.Repeat("0", 64)); err == nil || !strings.Contains(err.Error(), "look at it again") {
		t.Errorf("another digest is accepted: %v", err)
	}
	if l := b.publish(t); len(l.Scheme.Pointers) != 1 {
		t.Errorf("a partner that nobody accepted is published")
	}
	if _, err := b.AcceptPartner(ctx, "two", "KZ", digest); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Propose(ctx, "one", plan, m, kz.signers); !errors.Is(err, interop.ErrOutOfOrder) {
		t.Errorf("an accepted partner is proposed over: %v", err)
	}
	asked := func(at time.Time) interop.Recognition {
		t.Helper()
		ours, err := b.Current()
		if err != nil {
			t.Fatal(err)
		}
		pointer, agreement, err := interop.PartnerOf(ours, kz.list)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := interop.Verify(m.List, pointer.Signers(), interop.Terms{At: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		return interop.Recognise(agreement, theirs, sample, at)
	}
	later()
	b.publish(t)
	b.state(t, "KZ", interop.PartnerPublished)
	if r := asked(now); !r.Equivalent || !strings.Contains(r.Why, "because AZ-KZ-1 is enacted") {
		t.Errorf("published: %+v", r)
	}
	if _, err := b.SuspendPartner(ctx, "one", "KZ", " "); err == nil {
		t.Error("a partner is suspended without a reason")
	}
	later()
	if _, err := b.SuspendPartner(ctx, "one", "KZ", "the key may be known"); err != nil {
		t.Fatal(err)
	}
	p := b.state(t, "KZ", interop.PartnerSuspended)
	later()
	b.publish(t)
	if r := asked(time.Now()); r.Equivalent || !strings.Contains(r.Why, "was repealed since") {
		t.Errorf("suspended: %+v", r)
	}
	if r := asked(p.Force.SuspendedAt.Add(-time.Second)); !r.Equivalent {
		t.Errorf("before the suspension: %+v", r)
	}
	// The same again: it is agreed anew.
	if _, err := b.Propose(ctx, "two", plan, m, kz.signers); err != nil {
		t.Fatal(err)
	}
	if _, err := b.TestPartner(ctx, "two", "KZ", []*interop.Certificate{sample}, now); err != nil {
		t.Fatal(err)
	}
	if _, err := b.AcceptPartner(ctx, "one", "KZ", digest); err != nil {
		t.Fatal(err)
	}
	later()
	b.publish(t)
	if r := asked(time.Now()); !r.Equivalent {
		t.Errorf("accepted again: %+v", r)
	}
	if r := asked(p.Force.SuspendedAt); r.Equivalent {
		t.Errorf("while it was suspended: %+v", r)
	}
	if got := len(b.state(t, "KZ", interop.PartnerPublished).Steps); got != 9 {
		t.Errorf("%d steps are on record, want 9", got)
	}
}

// An offer that was changed on disk after its test is not accepted.
func TestPartnerChanged(t *testing.T) {
	b, kz, ctx := newBureau(t), newCountry(t, "KZ"), t.Context()
	m := &interop.Material{}
	if err := m.Add("KZ.xml", sign(t, kz.list, kz.signer)); err != nil {
		t.Fatal(err)
	}
	p, err := b.Propose(ctx, "one", kz.proposal("https://kz.example/tl.xml"), m, kz.signers)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.TestPartner(ctx, "one", "KZ", []*interop.Certificate{kz.leaf(t)}, time.Now()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(b.dir, "partners", "KZ.json")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), "kz.example", "kz.invalid", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := b.AcceptPartner(ctx, "two", "KZ", p.Offer.Digest()); !errors.Is(err, interop.ErrContradicted) {
		t.Errorf("a changed offer is accepted: %v", err)
	}
}

// A list of another state, or by another signer, fails the test.
func TestPartnerListRefused(t *testing.T) {
	kz, tr, ctx := newCountry(t, "KZ"), newCountry(t, "TR"), t.Context()
	for name, row := range map[string]struct {
		list []byte
		want string
	}{
		"another state's list": {sign(t, tr.list, kz.signer), "the list is that of TR"},
		"another signer":       {sign(t, kz.list, tr.signer), "refused"},
	} {
		b, m := newBureau(t), &interop.Material{}
		if err := m.Add("list.xml", row.list); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Propose(ctx, "one", kz.proposal("https://kz.example/tl.xml"), m, kz.signers); err != nil {
			t.Fatal(err)
		}
		if _, err := b.TestPartner(ctx, "one", "KZ", []*interop.Certificate{kz.leaf(t)}, time.Now()); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", name, err)
		}
		if log := strings.Join(b.audit, "\n"); !strings.Contains(log, "partner.test-failed") {
			t.Errorf("%s: the log has %s", name, log)
		}
	}
}

// A partner without a list: its authorities stand in ours, recognised and then
// deprecated, with their history.
func TestPartnerWithoutList(t *testing.T) {
	b, kg, ctx := newBureau(t), newCountry(t, "KG"), t.Context()
	base := testPlan()
	plan := &interop.PartnerPlan{Territory: "KG", Operator: en("Authority of KG"), TradeName: en("NTRKG-1"), Address: base.Address, Contact: base.Contact, Information: base.Information}
	m := &interop.Material{}
	if err := m.Add("ca.der", kg.ca.cert.Raw); err != nil {
		t.Fatal(err)
	}
	sample := kg.leaf(t)
	accept := func(one, two string) {
		t.Helper()
		p, err := b.Propose(ctx, one, plan, m, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.TestPartner(ctx, one, "KG", []*interop.Certificate{kg.ca.list()}, time.Now()); err == nil {
			t.Error("the authority's own certificate is a sample")
		}
		if _, err := b.TestPartner(ctx, one, "KG", []*interop.Certificate{sample}, time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := b.AcceptPartner(ctx, two, "KG", p.Offer.Digest()); err != nil {
			t.Fatal(err)
		}
	}
	accept("one", "two")
	answer := func() interop.Recognition {
		v := b.publish(t)
		return interop.RecogniseListed(v, sample, time.Now())
	}
	if r := answer(); !r.Equivalent || r.Status != interop.Recognised || !strings.Contains(r.Why, "recognisedatnationallevel") {
		t.Errorf("published: %+v", r)
	}
	b.state(t, "KG", interop.PartnerPublished)
	later()
	if _, err := b.SuspendPartner(ctx, "two", "KG", "an audit is missing"); err != nil {
		t.Fatal(err)
	}
	later()
	if r := answer(); r.Equivalent || !strings.Contains(r.Why, "deprecatedatnationallevel") {
		t.Errorf("suspended: %+v", r)
	}
	later()
	accept("two", "one")
	later()
	if r := answer(); !r.Equivalent {
		t.Errorf("accepted again: %+v", r)
	}
	// Suspended and accepted again between two lists: the public status never
	// changed, and keeps its date.
	if _, err := b.SuspendPartner(ctx, "two", "KG", "by mistake"); err != nil {
		t.Fatal(err)
	}
	accept("one", "two")
	later()
	if r := answer(); !r.Equivalent {
		t.Errorf("accepted once more: %+v", r)
	}
	v, err := b.Current()
	if err != nil {
		t.Fatal(err)
	}
	if got := len(v.Providers[1].Services[0].History); got != 2 {
		t.Errorf("the history has %d states, want 2", got)
	}
}
