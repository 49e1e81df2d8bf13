package interop

import (
	"fmt"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/jose"
	"github.com/altamga/altamga/internal/xmlsec"
)

// Root is the root element of a trust list.
var Root = xmlsec.Name{Space: spaceList, Local: "TrustServiceStatusList"}

// Read reads a list, in XML or JSON, without looking at its signature. It is for
// lists of one's own making and for diagnosis: trust is in [Verify].
func Read(data []byte) (*List, error) {
	if jose.IsCompact(data) || isJSON(data) {
		payload, err := jose.Payload(data)
		switch {
		case jose.ReasonOf(err) == jose.Unsigned:
			payload = data
		case err != nil:
			return nil, err
		}
		return readLoTE(payload)
	}
	d, err := xmlsec.Parse(data, xmlsec.Limits{})
	if err != nil {
		return nil, err
	}
	return readDocument(d)
}

// readDocument reads a list strictly by the schema of its version: 5 and 6 are
// those of ETSI TS 119 612; older ones, which pivots and other regions have,
// may leave out languages.
func readDocument(d *xmlsec.Document) (*List, error) {
	if d.Root.Name != Root {
		return nil, fmt.Errorf("the root element is %s, not %s", d.Root.Name, Root)
	}
	r := &reader{version: 5}
	l := &List{}
	l.ID, _ = d.Root.Attribute("", "Id")
	l.Tag, _ = d.Root.Attribute("", "TSLTag")
	c := r.within(d.Root, xmlsec.Name{Local: "Id"}, xmlsec.Name{Local: "TSLTag"})
	if _, ok := d.Root.Attribute("", "TSLTag"); !ok {
		r.fail(d.Root, "has no TSLTag")
	}
	l.Scheme = r.scheme(c.must("SchemeInformation"))
	if list := c.maybe("TrustServiceProviderList"); list != nil {
		providers := r.within(list)
		for e := providers.must("TrustServiceProvider"); e != nil; e = providers.maybe("TrustServiceProvider") {
			l.Providers = append(l.Providers, r.provider(e))
		}
		providers.end()
	}
	c.maybeOf(xmlsec.SpaceDSig, "Signature")
	c.end()
	l.Notes = r.notes
	if r.err != nil {
		return nil, r.err
	}
	return l, nil
}

// scheme reads SchemeInformation (ETSI TS 119 612, Section 5.3).
func (r *reader) scheme(e *xmlsec.Element) (s Scheme) {
	c := r.within(e)
	version := c.must("TSLVersionIdentifier")
	s.Version = int(min(r.number(version), 1000))
	if r.version = s.Version; version != nil && (s.Version < 1 || s.Version > 6) {
		r.fail(version, "%d is not a version that is read; 5 and 6 are, and older ones", s.Version)
	}
	sequence := c.must("TSLSequenceNumber")
	if s.SequenceNumber = r.number(sequence); s.SequenceNumber == 0 && sequence != nil {
		r.fail(sequence, "is not positive")
	}
	s.Type = r.uri(c.must("TSLType"))
	s.OperatorName = r.names(c.must("SchemeOperatorName"))
	s.OperatorAddress = r.address(c.must("SchemeOperatorAddress"))
	s.Name = r.names(c.must("SchemeName"))
	s.InformationURI = r.uris(c.must("SchemeInformationURI"))
	s.StatusDetermination = r.uri(c.must("StatusDeterminationApproach"))
	s.CommunityRules = r.uris(c.maybe("SchemeTypeCommunityRules"))
	s.Territory = r.word(c.maybe("SchemeTerritory"))
	r.policy(&s, c.maybe("PolicyOrLegalNotice"))
	s.HistoricalPeriod = int(min(r.number(c.must("HistoricalInformationPeriod")), 1<<31))
	if pointers := c.maybe("PointersToOtherTSL"); pointers != nil {
		p := r.within(pointers)
		for e := p.must("OtherTSLPointer"); e != nil; e = p.maybe("OtherTSLPointer") {
			s.Pointers = append(s.Pointers, r.pointer(e))
		}
		p.end()
	}
	s.IssuedAt = r.moment(c.must("ListIssueDateTime"))
	s.NextUpdate = r.nextUpdate(c.must("NextUpdate"))
	if points := c.maybe("DistributionPoints"); points != nil {
		p := r.within(points)
		for e := p.must("URI"); e != nil; e = p.maybe("URI") {
			s.DistributionPoints = append(s.DistributionPoints, r.uri(e))
		}
		p.end()
	}
	s.Extensions = r.extensions(c.maybe("SchemeExtensions"))
	c.end()
	return s
}

func (r *reader) nextUpdate(e *xmlsec.Element) time.Time {
	c := r.within(e)
	t := r.moment(c.maybe("dateTime"))
	c.end()
	return t
}

func (r *reader) policy(s *Scheme, e *xmlsec.Element) {
	if e == nil {
		return
	}
	c := r.within(e)
	for p := c.maybe("TSLPolicy"); p != nil; p = c.maybe("TSLPolicy") {
		s.Policy = append(s.Policy, r.text(p))
	}
	if len(s.Policy) == 0 {
		for n := c.must("TSLLegalNotice"); n != nil; n = c.maybe("TSLLegalNotice") {
			s.LegalNotice = append(s.LegalNotice, r.text(n))
		}
	}
	c.end()
}

func (r *reader) address(e *xmlsec.Element) (a Address) {
	c := r.within(e)
	if postal := c.must("PostalAddresses"); postal != nil {
		p := r.within(postal)
		for e := p.must("PostalAddress"); e != nil; e = p.maybe("PostalAddress") {
			a.Postal = append(a.Postal, r.postal(e))
		}
		p.end()
	}
	a.Electronic = r.uris(c.must("ElectronicAddress"))
	c.end()
	return a
}

func (r *reader) postal(e *xmlsec.Element) (a PostalAddress) {
	c := r.within(e, langAttribute)
	var ok bool
	if a.Lang, ok = e.Attribute(xmlsec.SpaceXML, "lang"); !ok {
		r.tolerate(e, "has no xml:lang")
	}
	line := func(e *xmlsec.Element) string {
		if e == nil {
			return ""
		}
		if r.attributes(e); e.Text() == "" || e.HasElements() {
			r.tolerate(e, "is empty")
		}
		return e.Text()
	}
	a.Street = line(c.must("StreetAddress"))
	a.Locality = line(c.must("Locality"))
	a.Province = line(c.maybe("StateOrProvince"))
	a.PostalCode = line(c.maybe("PostalCode"))
	a.Country = line(c.must("CountryName"))
	c.end()
	return a
}

// pointer reads an OtherTSLPointer (ETSI TS 119 612, Section 5.3.13).
func (r *reader) pointer(e *xmlsec.Element) (p Pointer) {
	c := r.within(e)
	if identities := c.maybe("ServiceDigitalIdentities"); identities != nil {
		i := r.within(identities)
		for e := i.must("ServiceDigitalIdentity"); e != nil; e = i.maybe("ServiceDigitalIdentity") {
			p.Identities = append(p.Identities, r.identity(e))
		}
		i.end()
	}
	p.Location = r.uri(c.must("TSLLocation"))
	if additional := c.maybe("AdditionalInformation"); additional != nil {
		a := r.within(additional)
		for len(a.rest) > 0 && r.err == nil {
			if e := a.maybe("TextualInformation"); e != nil {
				t := r.text(e)
				p.Additional = append(p.Additional, Information{Textual: &t})
			} else if e := a.must("OtherInformation"); e != nil {
				p.Additional = append(p.Additional, Information{Other: fragmentOf(e)})
			}
		}
	}
	c.end()
	return p
}

func (r *reader) extensions(e *xmlsec.Element) (all []Extension) {
	if e == nil {
		return nil
	}
	c := r.within(e)
	for x := c.must("Extension"); x != nil; x = c.maybe("Extension") {
		critical, ok := x.Attribute("", "Critical")
		switch strings.TrimSpace(critical) {
		case "true", "1", "false", "0":
		default:
			r.fail(x, "says neither that it is critical nor that it is not")
		}
		if !ok {
			r.fail(x, "has no Critical")
		}
		r.attributes(x, xmlsec.Name{Local: "Critical"})
		all = append(all, Extension{Critical: strings.ContainsAny(critical, "t1"), Content: fragmentOf(x)})
	}
	c.end()
	return all
}
