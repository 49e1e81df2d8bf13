package interop

import (
	"strings"

	"github.com/altamga/altamga/internal/xmlsec"
)

// provider reads a TrustServiceProvider (ETSI TS 119 612, Section 5.4).
func (r *reader) provider(e *xmlsec.Element) (p Provider) {
	c := r.within(e)
	if info := c.must("TSPInformation"); info != nil {
		i := r.within(info)
		p.Name = r.names(i.must("TSPName"))
		p.TradeName = r.names(i.maybe("TSPTradeName"))
		p.Address = r.address(i.must("TSPAddress"))
		p.InformationURI = r.uris(i.must("TSPInformationURI"))
		p.Extensions = r.extensions(i.maybe("TSPInformationExtensions"))
		i.end()
	}
	if services := c.must("TSPServices"); services != nil {
		s := r.within(services)
		for e := s.must("TSPService"); e != nil; e = s.maybe("TSPService") {
			p.Services = append(p.Services, r.service(e))
		}
		s.end()
	}
	c.end()
	return p
}

// service reads a TSPService (ETSI TS 119 612, Section 5.5).
func (r *reader) service(e *xmlsec.Element) (s Service) {
	c := r.within(e)
	if info := c.must("ServiceInformation"); info != nil {
		i := r.within(info)
		s.State = r.state(i)
		s.SchemeDefinitionURI = r.uris(i.maybe("SchemeServiceDefinitionURI"))
		s.SupplyPoints = r.supplyPoints(i.maybe("ServiceSupplyPoints"))
		s.ProviderDefinitionURI = r.uris(i.maybe("TSPServiceDefinitionURI"))
		s.Extensions = r.extensions(i.maybe("ServiceInformationExtensions"))
		i.end()
	}
	if history := c.maybe("ServiceHistory"); history != nil {
		s.HasHistory = true
		h := r.within(history)
		for e := h.maybe("ServiceHistoryInstance"); e != nil; e = h.maybe("ServiceHistoryInstance") {
			i := r.within(e)
			state := r.state(i)
			state.Extensions = r.extensions(i.maybe("ServiceInformationExtensions"))
			i.end()
			s.History = append(s.History, state)
		}
		h.end()
	}
	c.end()
	return s
}

// state reads what the present and the past of a service share.
func (r *reader) state(c *cursor) (s State) {
	s.Type = r.uri(c.must("ServiceTypeIdentifier"))
	s.Name = r.names(c.must("ServiceName"))
	s.Identity = r.identity(c.must("ServiceDigitalIdentity"))
	s.Status = r.uri(c.must("ServiceStatus"))
	s.Since = r.moment(c.must("StatusStartingTime"))
	return s
}

func (r *reader) supplyPoints(e *xmlsec.Element) (all []SupplyPoint) {
	if e == nil {
		return nil
	}
	c := r.within(e)
	for p := c.must("ServiceSupplyPoint"); p != nil; p = c.maybe("ServiceSupplyPoint") {
		var point SupplyPoint
		if r.version >= 6 {
			// ETSI TS 119 612, Section 5.5.7, from version 6 on.
			point.Type, _ = p.Attribute("", "type")
			point.URI = r.uri(p, xmlsec.Name{Local: "type"})
		} else {
			point.URI = r.uri(p)
		}
		all = append(all, point)
	}
	c.end()
	return all
}

// identity reads a ServiceDigitalIdentity (ETSI TS 119 612, Section 5.5.3).
func (r *reader) identity(e *xmlsec.Element) (id Identity) {
	c := r.within(e)
	for e := c.maybe("DigitalId"); e != nil; e = c.maybe("DigitalId") {
		d := r.within(e)
		var one DigitalID
		if c := d.maybe("X509Certificate"); c != nil {
			one.Certificate = r.certificate(c)
		} else if n := d.maybe("X509SubjectName"); n != nil {
			name := n.Text()
			one.SubjectName = &name
		} else if k := d.maybeOf(xmlsec.SpaceDSig, "KeyValue"); k != nil {
			one.KeyValue = Fragment(canonical(nil, k))
		} else if s := d.maybe("X509SKI"); s != nil {
			ski, err := xmlsec.Base64(s.Text())
			if err != nil {
				r.fail(s, "is not base64")
			}
			one.SKI = append([]byte{}, ski...)
		} else if o := d.maybe("Other"); o != nil {
			other := fragmentOf(o)
			one.Other = &other
		}
		d.end()
		id = append(id, one)
	}
	c.end()
	return id
}

// certificate keeps the octets of a certificate whatever they are.
func (r *reader) certificate(e *xmlsec.Element) *Certificate {
	text := r.word(e)
	raw, err := xmlsec.Base64(text)
	if err != nil {
		// PEM, for instance. It is no reason to lose the list.
		if len(r.notes) < 100 {
			r.notes = append(r.notes, strings.Join([]string{e.Path(), "is not base64"}, ": "))
		}
		return &Certificate{Text: text}
	}
	return &Certificate{Raw: raw}
}
