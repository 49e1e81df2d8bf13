package interop

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Recognition is whether a partner's certificate counts here, as what, since
// when, and why or why not.
type Recognition struct {
	Equivalent bool
	Why        string
	// Type, Use and Status are the pointing party's words for it.
	Type, Use, Status string
	// Since is when both the agreement and the service's status held.
	Since time.Time
	// Content has the contexts that the certificate's content meets, and
	// Qualifiers the pointing party's words for those that the list gives it.
	Content, Qualifiers []string
	// LegalID is that of the equivalence.
	LegalID string
	// Partner is what the partner's list says in its own words.
	Partner Answer
}

// PartnerOf returns the pointer of ours that leads to the partner's list, and
// the agreement in it.
func PartnerOf(ours *Verified, partner *List) (*Pointer, *Agreement, error) {
	for i := range ours.Scheme.Pointers {
		p := &ours.Scheme.Pointers[i]
		about := p.About()
		if about.Territory != partner.Scheme.Territory || about.MediaType != MediaType || IsListOfLists(about.Type) {
			continue
		}
		a, err := p.Agreement()
		if err != nil {
			return nil, nil, err
		}
		if a != nil {
			return p, a, nil
		}
	}
	return nil, nil, fmt.Errorf("our list has no agreement with %s", partner.Scheme.Territory)
}

// RecogniseListed judges a certificate of a partner that publishes no list, by
// the authorities that ours names as recognised at national level.
func RecogniseListed(ours *Verified, c *Certificate, at time.Time) Recognition {
	a := NewTrust(ours).TrustedAt(c, at)
	r := Recognition{Why: a.Why, Type: a.Type, Status: a.Status, Since: a.Since, Qualifiers: a.Qualifiers, Partner: a}
	switch {
	case !a.Trusted:
	case a.Status != Recognised:
		r.Why = fmt.Sprintf("our list vouches for it with the status %s: it is not a partner's", last(a.Status))
	default:
		r.Equivalent = true
		r.Why = fmt.Sprintf("equivalent to %s, status %s, since %s, because list %d of %s names the service %q of %q",
			last(a.Type), last(a.Status), a.Since.Format(time.DateOnly), a.Sequence, a.Territory, a.Service, a.Provider)
	}
	return r
}

// Recognise judges a certificate by a partner's list and the agreement that our
// list has with it. Both lists were verified, the partner's by the signers that
// our pointer names.
func Recognise(a *Agreement, partner *Verified, c *Certificate, at time.Time) Recognition {
	facts, err := c.Facts()
	if err != nil {
		return Recognition{Why: err.Error()}
	}
	found := NewTrust(partner).candidates(facts)
	if len(found) == 0 {
		return Recognition{Why: fmt.Sprintf("the list of %s names neither the certificate nor its issuer %q", partner.Scheme.Territory, NameText(facts.Issuer))}
	}
	best := Recognition{Why: "the agreement names no service like this"}
	for _, one := range found {
		own := one.answer(facts, at, one.itself, one.doubt)
		for i := range a.Equivalences {
			r := a.Equivalences[i].judge(one, facts, at)
			r.Partner, r.LegalID = own, a.Equivalences[i].LegalID
			if r.Equivalent {
				return r
			}
			if r.Type != "" {
				best = r
			}
		}
		if best.Partner.Why == "" {
			best.Partner = own
			best.Why = fmt.Sprintf("the agreement names no service of type %s", last(one.service.Type))
		}
	}
	return best
}

// judge holds one service against one equivalence.
func (q *Equivalence) judge(one candidate, leaf *Facts, at time.Time) (r Recognition) {
	service, until := one.service.At(at)
	if service == nil {
		if matches(q.Pointed, &one.service.State) && len(q.Pointing) > 0 {
			r.Type = q.Pointing[0].Type
		}
		r.Why = "the service was not on the partner's list yet: its history begins on " + until.Format(time.DateOnly)
		return r
	}
	agreed, ended := q.At(at)
	if agreed == nil {
		if matches(q.Pointed, service) && len(q.Pointing) > 0 {
			r.Type, r.Why = q.Pointing[0].Type, fmt.Sprintf("%s is agreed from %s on, not before", q.LegalID, ended.Format(time.DateOnly))
		}
		return r
	}
	if !matches(agreed.Pointed, service) || len(agreed.Pointing) == 0 {
		return r
	}
	r.Type, r.Use = agreed.Pointing[0].Type, agreed.Pointing[0].Use
	r.Since = service.Since
	if agreed.Since.After(r.Since) {
		r.Since = agreed.Since
	}
	if r.Why = agreed.against(q.LegalID, service, ended); r.Why != "" {
		return r
	}
	r.Status = agreed.Valid.Pointing[0]
	for i, status := range agreed.Valid.Pointed {
		if status == service.Status && i < len(agreed.Valid.Pointing) {
			r.Status = agreed.Valid.Pointing[i]
		}
	}
	if err := r.content(agreed, leaf); err != nil {
		r.Why = err.Error()
		return r
	}
	for _, given := range qualifiers(service.Extensions, leaf) {
		for _, pair := range agreed.Qualifiers {
			if pair.Pointed == given {
				r.Qualifiers = append(r.Qualifiers, pair.Pointing)
			}
		}
	}
	switch {
	case one.doubt != "":
		r.Why = one.doubt
	case critical(service.Extensions):
		r.Why = "the partner's list says something critical of the service that this build does not know"
	case !one.itself && !issues(r.Type):
		r.Why = fmt.Sprintf("the service counts as a %s, which issues no certificates", last(r.Type))
	case at.Before(leaf.NotBefore) || at.After(leaf.NotAfter):
		r.Why = fmt.Sprintf("the certificate is valid from %s to %s only", leaf.NotBefore.Format(time.DateOnly), leaf.NotAfter.Format(time.DateOnly))
	default:
		r.Equivalent = true
		r.Why = fmt.Sprintf("equivalent to %s, status %s, since %s, because %s is enacted since %s and the service %q has the status %s since %s",
			last(r.Type), last(r.Status), r.Since.Format(time.DateOnly), q.LegalID, agreed.Since.Format(time.DateOnly), In(service.Name), last(service.Status), service.Since.Format(time.DateOnly))
	}
	return r
}

// matches reports whether the service is of one of the types.
func matches(types []TypeAndUse, s *State) bool {
	return slices.ContainsFunc(types, func(t TypeAndUse) bool {
		return t.Type == s.Type && (t.Use == "" || slices.Contains(uses(s.Extensions), t.Use))
	})
}

// against says why what was agreed does not make the service equivalent, or "".
func (s *EquivalenceState) against(id string, service *State, ended time.Time) string {
	span := "since " + s.Since.Format(time.DateOnly)
	if !ended.IsZero() {
		span = "from " + s.Since.Format(time.DateOnly) + " until " + ended.Format(time.DateOnly)
	}
	switch {
	case s.Status != Enacted:
		return fmt.Sprintf("%s was %s %s", id, last(s.Status), span)
	case slices.Contains(s.Invalid.Pointed, service.Status):
		return fmt.Sprintf("the service's status was %s since %s, which counts as not valid", last(service.Status), service.Since.Format(time.DateOnly))
	case slices.Contains(s.Valid.Pointed, service.Status) && len(s.Valid.Pointing) > 0:
		return ""
	}
	return fmt.Sprintf("the agreement does not know the service's status %s", service.Status)
}

// content collects the contexts that the certificate meets. Compliance, when
// the parties agreed on what shows it, has to be shown.
func (r *Recognition) content(s *EquivalenceState, leaf *Facts) error {
	for _, one := range s.Content {
		declared := one.Pointed.elements()
		if len(declared) == 1 && meets(declared[0], leaf) {
			r.Content = append(r.Content, one.Context)
		} else if one.Context == ContentCompliance {
			return errors.New("the certificate does not say what the parties agreed shows that it is a qualified one")
		}
	}
	return nil
}
