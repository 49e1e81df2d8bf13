package interop

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// partnerScheme begins the names by which a plan refers to certificates of
// partners' records.
const partnerScheme = "partner:"

// withPartners adds the accepted partners to what the plan says: a pointer to a
// partner's list, with the agreement, or the authorities of one without a list.
// Suspended ones that were published stay, and say that they ended.
func (d *Desk) withPartners(plan *Plan, files CertificateFiles, before *List) (*Plan, CertificateFiles, error) {
	all, err := d.records()
	if err != nil || len(all) == 0 {
		return plan, files, err
	}
	held := map[string][]*Certificate{}
	out := *plan
	out.Pointers, out.Providers = slices.Clone(plan.Pointers), slices.Clone(plan.Providers)
	for _, p := range all {
		f := p.Force
		if f == nil || !f.SuspendedAt.IsZero() && !f.Published {
			continue
		}
		if f.Location != "" {
			if err := f.pointer(p.Territory, &out, held); err != nil {
				return nil, nil, err
			}
		}
		if len(f.Services) == 0 {
			continue
		}
		if IsListOfLists(plan.Type) {
			return nil, nil, fmt.Errorf("the partner %s has no list that a list of lists could lead to: suspend it", p.Territory)
		}
		out.Providers = append(out.Providers, f.provider(p.Territory, before, held))
	}
	return &out, func(name string) ([]*Certificate, error) {
		if found, ok := held[name]; ok {
			return found, nil
		}
		if strings.HasPrefix(name, partnerScheme) {
			return nil, errors.New("no partner's record has " + name)
		}
		return files(name)
	}, nil
}

// pointer leads to the partner's list.
func (f *Force) pointer(territory string, plan *Plan, held map[string][]*Certificate) error {
	if slices.ContainsFunc(plan.Pointers, func(p PlanPointer) bool { return p.Location == f.Location }) {
		return fmt.Errorf("the plan has a pointer to %s, and so has the record of the partner %s: take it out of the plan", f.Location, territory)
	}
	to := PlanPointer{Location: f.Location, Territory: territory, Type: f.ListType, Operator: f.Operator, Signers: []string{partnerScheme + territory}}
	held[to.Signers[0]] = listed(f.Signers)
	if f.Agreement == nil {
		// Nothing was agreed that had to be repealed.
		if f.SuspendedAt.IsZero() {
			plan.Pointers = append(plan.Pointers, to)
		}
		return nil
	}
	agreed := *f.Agreement
	agreed.Equivalences = slices.Clone(agreed.Equivalences)
	for i := range agreed.Equivalences {
		q := &agreed.Equivalences[i]
		switch ended := wordOr(prefixMRA, q.Status) == Repealed; {
		case !f.SuspendedAt.IsZero() && !ended:
			q.Status, q.Since = Repealed, f.SuspendedAt
		case f.Again && !ended && q.Since.Before(f.AcceptedAt):
			q.Since = f.AcceptedAt
		}
	}
	to.Agreement = &agreed
	plan.Pointers = append(plan.Pointers, to)
	return nil
}

// provider names the partner's authorities in our list.
func (f *Force) provider(territory string, before *List, held map[string][]*Certificate) PlanProvider {
	p := PlanProvider{Name: f.Operator, TradeName: f.TradeName, Address: f.Address, Contact: f.Contact, Information: f.Information}
	for _, s := range f.Services {
		name := partnerScheme + territory + ":" + (&Certificate{Raw: s.Certificates[0]}).Fingerprint()
		held[name] = listed(s.Certificates)
		subject := territory
		if facts, err := readFacts(s.Certificates[0]); err == nil {
			subject = strings.Join(strings.Fields(NameText(facts.Subject)), " ")
		}
		p.Services = append(p.Services, PlanService{
			Type: f.Type, Name: map[string]string{"en": subject}, Certificates: []string{name}, Status: s.Status, Since: since(before, s), Uses: f.Uses,
		})
	}
	return p
}

// since is when the public status of the service began: a suspension that ended
// before a list told of it was none.
func since(before *List, s PartnerService) time.Time {
	if before == nil {
		return s.Since
	}
	for i := range before.Providers {
		for j := range before.Providers[i].Services {
			one := &before.Providers[i].Services[j]
			same := slices.ContainsFunc(one.Identity.Certificates(), func(c *Certificate) bool { return bytes.Equal(c.Raw, s.Certificates[0]) })
			if same && one.Status == s.Status {
				return one.Since
			}
		}
	}
	return s.Since
}
