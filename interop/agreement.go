package interop

import (
	"strings"
	"time"

	"github.com/altamga/altamga/internal/xmlsec"
)

// spaceMRA is the namespace of mutual recognition agreements in lists, from the
// European Commission's schema, version 2.
const spaceMRA = "http://ec.europa.eu/tools/lotl/mra/schema/v2#"

const prefixMRA = "http://ec.europa.eu/tools/lotl/mra/"

// Statuses of an equivalence.
const (
	Enacted  = prefixMRA + "enacted"
	Repealed = prefixMRA + "repealed"
)

// Contexts of certificate content.
const (
	ContentCompliance = prefixMRA + "QcCompliance"
	ContentType       = prefixMRA + "QcType"
	ContentQSCD       = prefixMRA + "QcQSCD"
)

// Agreement is a MutualRecognitionAgreementInformation: what of another list
// counts as what here. The pointing party is the one whose list has it.
type Agreement struct {
	TechnicalType, Version, Depth string
	PointingLaw, PointedLaw       string
	Equivalences                  []Equivalence
}

// Equivalence is the equivalence of a kind of service: what is agreed now, and
// what was before.
type Equivalence struct {
	LegalID string
	EquivalenceState
	History []EquivalenceState
}

// EquivalenceState is what is agreed from a moment on.
type EquivalenceState struct {
	// Pointing and Pointed are the types of services, here and there.
	Pointing, Pointed []TypeAndUse
	Status            string
	Since             time.Time
	// Valid and Invalid are the statuses that are equivalent.
	Valid, Invalid Statuses
	Content        []ContentEquivalence
	// QualificationPointing and QualificationPointed name the extensions that
	// qualifiers stand in.
	QualificationPointing, QualificationPointed string
	Qualifiers                                  []QualifierPair
}

// TypeAndUse is a type of service, and what it issues for if that matters.
type TypeAndUse struct {
	Type, Use string
}

// Statuses are equivalent statuses, here and there.
type Statuses struct{ Pointing, Pointed []string }

// ContentEquivalence says what in certificates means the same. The fragments
// are the elements of the declarations, whole.
type ContentEquivalence struct {
	Context           string
	Pointing, Pointed Fragment
}

// QualifierPair are equivalent qualifiers.
type QualifierPair struct{ Pointing, Pointed string }

// Agreement returns the agreement that a pointer carries, nil when there is
// none.
func (p *Pointer) Agreement() (*Agreement, error) {
	for _, i := range p.Additional {
		if e := i.Other.find(spaceMRA, "MutualRecognitionAgreementInformation"); e != nil {
			return readAgreement(e)
		}
	}
	return nil, nil
}

// mra reads one element of the agreement's namespace, strictly in order.
func (c *cursor) mra(local string) *xmlsec.Element {
	e := c.maybeOf(spaceMRA, local)
	if e == nil && c.e != nil {
		c.fail(c.e, "has no %s where it belongs", local)
	}
	return e
}

func readAgreement(e *xmlsec.Element) (*Agreement, error) {
	r := &reader{version: 6}
	a := &Agreement{}
	for name, into := range map[string]*string{
		"technicalType": &a.TechnicalType, "version": &a.Version, "MRADepth": &a.Depth,
		"pointingContractingPartyLegislation": &a.PointingLaw, "pointedContractingPartyLegislation": &a.PointedLaw,
	} {
		var ok bool
		if *into, ok = e.Attribute("", name); !ok || *into == "" {
			r.fail(e, "has no %s", name)
		}
	}
	for c := range e.Children() {
		if !c.Is(spaceMRA, "TrustServiceEquivalenceInformation") {
			r.fail(c, "does not belong here")
			break
		}
		a.Equivalences = append(a.Equivalences, r.equivalence(c))
	}
	if r.err != nil {
		return nil, r.err
	}
	return a, nil
}

func (r *reader) equivalence(e *xmlsec.Element) (q Equivalence) {
	c := r.within(e)
	q.LegalID = r.word(c.mra("TrustServiceLegalIdentifier"))
	q.EquivalenceState = r.equivalenceState(c)
	for h := c.maybeOf(spaceMRA, "TrustServiceEquivalenceHistory"); h != nil; h = c.maybeOf(spaceMRA, "TrustServiceEquivalenceHistory") {
		for instance := range h.Children() {
			i := r.within(instance)
			q.History = append(q.History, r.equivalenceState(i))
			i.end()
		}
	}
	c.end()
	return q
}

func (r *reader) equivalenceState(c *cursor) (s EquivalenceState) {
	if types := c.mra("TrustServiceTSLTypeEquivalenceList"); types != nil {
		t := r.within(types)
		s.Pointing = r.typesAndUses(t.mra("TrustServiceTSLTypeListPointingParty"))
		s.Pointed = r.typesAndUses(t.mra("TrustServiceTSLTypeListPointedParty"))
		t.end()
	}
	s.Status = r.uri(c.mra("TrustServiceEquivalenceStatus"))
	s.Since = r.moment(c.mra("TrustServiceEquivalenceStatusStartingTime"))
	if statuses := c.mra("TrustServiceTSLStatusEquivalenceList"); statuses != nil {
		t := r.within(statuses)
		s.Valid = r.statuses(t.mra("TrustServiceTSLStatusValidEquivalence"))
		s.Invalid = r.statuses(t.mra("TrustServiceTSLStatusInvalidEquivalence"))
		t.end()
	}
	if content := c.maybeOf(spaceMRA, "CertificateContentReferencesEquivalenceList"); content != nil {
		t := r.within(content)
		for e := t.mra("CertificateContentReferenceEquivalence"); e != nil; e = t.maybeOf(spaceMRA, "CertificateContentReferenceEquivalence") {
			i := r.within(e)
			one := ContentEquivalence{Context: r.uri(i.mra("CertificateContentReferenceEquivalenceContext"))}
			one.Pointing = wholeOf(i.mra("CertificateContentDeclarationPointingParty"))
			one.Pointed = wholeOf(i.mra("CertificateContentDeclarationPointedParty"))
			i.end()
			s.Content = append(s.Content, one)
		}
		t.end()
	}
	r.qualifierPairs(&s, c.maybeOf(spaceMRA, "TrustServiceTSLQualificationExtensionEquivalenceList"))
	return s
}

func wholeOf(e *xmlsec.Element) Fragment {
	if e == nil {
		return ""
	}
	return Fragment(canonical(nil, e))
}

func (r *reader) typesAndUses(e *xmlsec.Element) (all []TypeAndUse) {
	c := r.within(e)
	for t := c.maybeOf(spaceMRA, "TrustServiceTSLType"); t != nil; t = c.maybeOf(spaceMRA, "TrustServiceTSLType") {
		i := r.within(t)
		one := TypeAndUse{Type: r.uri(i.must("ServiceTypeIdentifier"))}
		if use := i.maybe("AdditionalServiceInformation"); use != nil {
			if uri := use.Child(spaceList, "URI"); uri != nil {
				one.Use = strings.TrimSpace(uri.Text())
			}
		}
		i.end()
		all = append(all, one)
	}
	c.end()
	return all
}

func (r *reader) statuses(e *xmlsec.Element) (s Statuses) {
	c := r.within(e)
	for local, into := range map[string]*[]string{"TrustServiceTSLStatusListPointingParty": &s.Pointing, "TrustServiceTSLStatusListPointedParty": &s.Pointed} {
		if e == nil {
			break
		}
		list := e.Child(spaceMRA, local)
		if list == nil {
			c.fail(e, "has no %s", local)
			break
		}
		i := r.within(list)
		for status := i.must("ServiceStatus"); status != nil; status = i.maybe("ServiceStatus") {
			*into = append(*into, r.uri(status))
		}
		i.end()
	}
	return s
}

func (r *reader) qualifierPairs(s *EquivalenceState, e *xmlsec.Element) {
	if e == nil {
		return
	}
	c := r.within(e)
	if names := c.mra("TrustServiceTSLQualificationExtensionName"); names != nil {
		n := r.within(names)
		s.QualificationPointing = r.word(n.mra("TrustServiceTSLQualificationExtensionNamePointingParty"))
		s.QualificationPointed = r.word(n.mra("TrustServiceTSLQualificationExtensionNamePointedParty"))
		n.end()
	}
	for list := c.mra("QualifierEquivalenceList"); list != nil; list = c.maybeOf(spaceMRA, "QualifierEquivalenceList") {
		for pair := range list.Children() {
			i := r.within(pair)
			var one QualifierPair
			for local, into := range map[string]*string{"QualifierPointingParty": &one.Pointing, "QualifierPointedParty": &one.Pointed} {
				if q := pair.Child(spaceMRA, local); q != nil {
					*into, _ = q.Attribute("", "uri")
				}
			}
			if one.Pointing == "" || one.Pointed == "" {
				i.fail(pair, "is no pair of qualifiers")
			}
			s.Qualifiers = append(s.Qualifiers, one)
		}
	}
	c.end()
}

// At returns what was agreed at a time, and until when; nil before the first.
func (q *Equivalence) At(t time.Time) (state *EquivalenceState, until time.Time) {
	i, until := stateAt(t, q.Since, len(q.History), func(i int) time.Time { return q.History[i].Since })
	switch i {
	case present:
		return &q.EquivalenceState, until
	case never:
		return nil, until
	}
	return &q.History[i], until
}
