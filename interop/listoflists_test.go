package interop_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/interop"
)

// A list of lists of a community of its own, with the type that its plan names:
// it leads to the lists of the partners that two officers accepted, and who
// follows it recognises their people.
func TestListOfListsOfItsOwn(t *testing.T) {
	const turkic = "https://community.example/TrustedList/TSLType/Turkiclistofthelists"
	b, kz, served, ctx := newBureau(t), newCountry(t, "KZ"), newSite(t), t.Context()
	b.plan.Type = turkic
	if _, _, err := b.Rehearse(b.plan, b.files); err == nil || !strings.Contains(err.Error(), "a list of lists leads to lists") {
		t.Errorf("a list of lists with services: %v", err)
	}
	b.plan.Providers, b.plan.Location = nil, served.URL+"/lotl.xml"
	list, sample := sign(t, kz.list, kz.signer), kz.leaf(t)
	served.put("/KZ.xml", list)
	m := &interop.Material{}
	if err := m.Add("KZ.xml", list); err != nil {
		t.Fatal(err)
	}
	p, err := b.Propose(ctx, "one", kz.proposal(served.URL+"/KZ.xml"), m, kz.signers)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.TestPartner(ctx, "one", "KZ", []*interop.Certificate{sample}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.AcceptPartner(ctx, "two", "KZ", p.Offer.Digest()); err != nil {
		t.Fatal(err)
	}
	v := b.publish(t)
	if v.Scheme.Type != turkic || !interop.IsListOfLists(v.Scheme.Type) || len(v.Providers) != 0 {
		t.Errorf("the list is of type %s", v.Scheme.Type)
	}
	b.state(t, "KZ", interop.PartnerPublished)
	served.put("/lotl.xml", sign(t, v.List, b.signer))
	f, err := interop.NewFollower(interop.FollowConfig{
		URL: served.URL + "/lotl.xml", Signers: []*interop.Certificate{b.signer.list()}, Dir: t.TempDir(),
		Get:   interop.NewWeb(interop.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}).Get,
		Alert: func(interop.Event) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Update(ctx); err != nil {
		t.Fatal(err)
	}
	if a := f.Trust().TrustedAt(sample, time.Now()); !a.Trusted || a.Territory != "KZ" {
		t.Errorf("a follower says %+v", a)
	}
	// A partner without a list is nothing that a list of lists leads to.
	kg, base := newCountry(t, "KG"), testPlan()
	authority := &interop.Material{}
	if err := authority.Add("ca.der", kg.ca.cert.Raw); err != nil {
		t.Fatal(err)
	}
	plan := &interop.PartnerPlan{Territory: "KG", Operator: en("Authority of KG"), TradeName: en("NTRKG-1"), Address: base.Address, Contact: base.Contact, Information: base.Information}
	if p, err = b.Propose(ctx, "one", plan, authority, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := b.TestPartner(ctx, "one", "KG", []*interop.Certificate{kg.leaf(t)}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.AcceptPartner(ctx, "two", "KG", p.Offer.Digest()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Rehearse(b.plan, b.files); err == nil || !strings.Contains(err.Error(), "KG has no list") {
		t.Errorf("a partner without a list: %v", err)
	}
}
