package interop

import (
	"reflect"
	"slices"
	"time"
)

// PlanAgreement is what a plan agrees with the operator of another list.
type PlanAgreement struct {
	// Law and PartnerLaw are URIs of the parties' legislation.
	Law          string            `toml:"law"`
	PartnerLaw   string            `toml:"partner_law"`
	Equivalences []PlanEquivalence `toml:"equivalence"`
}

// PlanEquivalence makes a kind of the partner's services equivalent to one of
// ours. Types, uses and statuses are words or URIs, as in services.
type PlanEquivalence struct {
	// ID is the name of the equivalence in the agreement.
	ID     string       `toml:"id"`
	Ours   PlanTypeUse  `toml:"ours"`
	Theirs PlanTypeUse  `toml:"theirs"`
	Status string       `toml:"status"`
	Since  time.Time    `toml:"since"`
	Valid  PlanStatuses `toml:"valid"`
	// Invalid are statuses that count as not valid.
	Invalid    PlanStatuses    `toml:"invalid"`
	Content    []PlanContent   `toml:"content"`
	Qualifiers []PlanQualifier `toml:"qualifier"`
}

// PlanTypeUse is a type of service and what it issues for.
type PlanTypeUse struct {
	Type string `toml:"type"`
	Use  string `toml:"use"`
}

// PlanStatuses are statuses here and there, equivalent by their place.
type PlanStatuses struct {
	Ours   []string `toml:"ours"`
	Theirs []string `toml:"theirs"`
}

// PlanContent says which statements in certificates mean the same. Context is
// QcCompliance, QcType, QcQSCD or a URI; Ours and Theirs are object
// identifiers; TheirCountry is that of the legislation statement.
type PlanContent struct {
	Context      string   `toml:"context"`
	Ours         []string `toml:"ours"`
	Theirs       []string `toml:"theirs"`
	TheirCountry string   `toml:"their_country"`
}

// PlanQualifier is a pair of qualifiers.
type PlanQualifier struct {
	Ours   string `toml:"ours"`
	Theirs string `toml:"theirs"`
}

// agreement writes what the plan agrees, after what was agreed before: what
// changes goes into the history.
func (a *author) agreement(location string, p *PlanAgreement, territory string) *Agreement {
	out := &Agreement{TechnicalType: "1", Version: "2", Depth: "1", PointingLaw: p.Law, PointedLaw: p.PartnerLaw}
	past := a.agreedBefore(location, territory)
	for i := range p.Equivalences {
		q := p.Equivalences[i].equivalence()
		where := "pointer " + location + " / " + q.LegalID
		was, ok := past[q.LegalID]
		delete(past, q.LegalID)
		changed := ok && !reflect.DeepEqual(was.EquivalenceState, q.EquivalenceState)
		switch {
		case ok && changed && !q.Since.After(was.Since):
			a.fail("%s: what changes is agreed from a later day than %s; the plan says %s", where, was.Since.Format(time.RFC3339), q.Since.Format(time.RFC3339))
		case changed:
			q.History = append([]EquivalenceState{was.EquivalenceState}, was.History...)
		case ok:
			q.History = was.History
		}
		if len(q.Valid.Pointing) == 0 || len(q.Valid.Pointing) != len(q.Valid.Pointed) {
			a.fail("%s: each valid status of theirs needs one of ours", where)
		}
		out.Equivalences = append(out.Equivalences, q)
	}
	for id := range past {
		a.fail("pointer %s: the equivalence %s is not in the plan any more: what ended is repealed, not removed", location, id)
	}
	return out
}

// agreedBefore returns the equivalences of the list before with the same list,
// or with the same state when its list moved.
func (a *author) agreedBefore(location, territory string) map[string]Equivalence {
	past := map[string]Equivalence{}
	if a.before == nil {
		return past
	}
	for i := range a.before.Scheme.Pointers {
		p := &a.before.Scheme.Pointers[i]
		if about := p.About(); p.Location != location && (about.Territory != territory || a.planned(p.Location)) {
			continue
		}
		agreed, err := p.Agreement()
		if err != nil {
			a.fail("pointer %s: the agreement of the list before: %w", location, err)
		} else if agreed != nil {
			for _, q := range agreed.Equivalences {
				past[q.LegalID] = q
			}
		}
	}
	return past
}

// planned reports whether the plan still leads to the location.
func (a *author) planned(location string) bool {
	return slices.ContainsFunc(a.plan.Pointers, func(p PlanPointer) bool { return p.Location == location })
}

func (p *PlanEquivalence) equivalence() Equivalence {
	statuses := func(s PlanStatuses) (out Statuses) {
		for _, word := range s.Ours {
			out.Pointing = append(out.Pointing, wordOr(prefixStatus, word))
		}
		for _, word := range s.Theirs {
			out.Pointed = append(out.Pointed, wordOr(prefixStatus, word))
		}
		return out
	}
	s := EquivalenceState{
		Pointing: []TypeAndUse{{wordOr(prefixSvc, p.Ours.Type), wordOr(prefixInfo, p.Ours.Use)}},
		Pointed:  []TypeAndUse{{wordOr(prefixSvc, p.Theirs.Type), wordOr(prefixInfo, p.Theirs.Use)}},
		Status:   wordOr(prefixMRA, p.Status), Since: p.Since.UTC(), Valid: statuses(p.Valid), Invalid: statuses(p.Invalid),
	}
	for _, c := range p.Content {
		s.Content = append(s.Content, ContentEquivalence{
			Context: wordOr(prefixMRA, c.Context), Pointing: declaration("Pointing", c.Ours, ""), Pointed: declaration("Pointed", c.Theirs, c.TheirCountry),
		})
	}
	for _, q := range p.Qualifiers {
		s.QualificationPointing, s.QualificationPointed = "Qualifications", "Qualifications"
		s.Qualifiers = append(s.Qualifiers, QualifierPair{wordOr(prefixInfo, q.Ours), wordOr(prefixInfo, q.Theirs)})
	}
	return Equivalence{LegalID: p.ID, EquivalenceState: s}
}
