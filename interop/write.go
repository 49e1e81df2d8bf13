package interop

import (
	"encoding/base64"
	"strconv"
	"time"

	"github.com/altamga/altamga/internal/xmlsec"
)

// Write writes a list without a signature, in the order of the schema (ETSI
// TS 119 612, Annex C). What [Read] read comes out whole.
func Write(l *List) []byte {
	w := &writer{out: []byte(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")}
	attributes := []string{"xmlns", spaceList, "TSLTag", l.Tag}
	if l.ID != "" {
		attributes = append(attributes, "Id", l.ID)
	}
	w.element("TrustServiceStatusList", func() {
		w.element("SchemeInformation", func() { w.scheme(&l.Scheme) })
		if len(l.Providers) > 0 {
			w.element("TrustServiceProviderList", func() {
				for i := range l.Providers {
					w.element("TrustServiceProvider", func() { w.provider(&l.Providers[i]) })
				}
			})
		}
	}, attributes...)
	return w.out
}

// writer writes elements, one to a line.
type writer struct {
	out   []byte
	depth int
}

func (w *writer) indent() {
	for range w.depth {
		w.out = append(w.out, ' ', ' ')
	}
}

func (w *writer) tag(local string, attributes []string) {
	w.out = append(append(w.out, '<'), local...)
	for i := 0; i < len(attributes); i += 2 {
		w.out = append(append(append(w.out, ' '), attributes[i]...), '=', '"')
		w.out = append(xmlsec.EscapeValue(w.out, attributes[i+1]), '"')
	}
	w.out = append(w.out, '>')
}

func (w *writer) endTag(local string) {
	w.out = append(append(append(w.out, '<', '/'), local...), '>', '\n')
}

// element writes an element with elements in it. Attributes are names and
// values in turn.
func (w *writer) element(local string, inside func(), attributes ...string) {
	w.indent()
	w.tag(local, attributes)
	w.out = append(w.out, '\n')
	w.depth++
	inside()
	w.depth--
	w.indent()
	w.endTag(local)
}

// leaf writes an element with text in it.
func (w *writer) leaf(local, text string, attributes ...string) {
	w.indent()
	w.tag(local, attributes)
	w.out = xmlsec.EscapeText(w.out, text)
	w.endTag(local)
}

// leafIf writes the element unless there is no text.
func (w *writer) leafIf(local, text string) {
	if text != "" {
		w.leaf(local, text)
	}
}

func (w *writer) moment(local string, t time.Time) {
	w.leaf(local, t.Format("2006-01-02T15:04:05.999999999Z07:00"))
}

func (w *writer) octets(local string, data []byte) {
	w.leaf(local, base64.StdEncoding.EncodeToString(data))
}

// fragment writes an element with a fragment in it.
func (w *writer) fragment(local string, f Fragment, attributes ...string) {
	w.indent()
	w.tag(local, attributes)
	w.out = append(w.out, f...)
	w.endTag(local)
}

func (w *writer) text(local string, t Text) {
	if t.Lang == "" {
		w.leaf(local, t.Value)
		return
	}
	w.leaf(local, t.Value, "xml:lang", t.Lang)
}

// texts writes a list of texts, unless it is empty.
func (w *writer) texts(local, each string, texts []Text) {
	if len(texts) == 0 {
		return
	}
	w.element(local, func() {
		for _, t := range texts {
			w.text(each, t)
		}
	})
}

func (w *writer) scheme(s *Scheme) {
	w.leaf("TSLVersionIdentifier", strconv.Itoa(s.Version))
	w.leaf("TSLSequenceNumber", strconv.FormatUint(s.SequenceNumber, 10))
	w.leaf("TSLType", s.Type)
	w.texts("SchemeOperatorName", "Name", s.OperatorName)
	w.address("SchemeOperatorAddress", &s.OperatorAddress)
	w.texts("SchemeName", "Name", s.Name)
	w.texts("SchemeInformationURI", "URI", s.InformationURI)
	w.leaf("StatusDeterminationApproach", s.StatusDetermination)
	w.texts("SchemeTypeCommunityRules", "URI", s.CommunityRules)
	w.leafIf("SchemeTerritory", s.Territory)
	w.texts("PolicyOrLegalNotice", "TSLPolicy", s.Policy)
	w.texts("PolicyOrLegalNotice", "TSLLegalNotice", s.LegalNotice)
	w.leaf("HistoricalInformationPeriod", strconv.Itoa(s.HistoricalPeriod))
	if len(s.Pointers) > 0 {
		w.element("PointersToOtherTSL", func() {
			for i := range s.Pointers {
				w.element("OtherTSLPointer", func() { w.pointer(&s.Pointers[i]) })
			}
		})
	}
	w.moment("ListIssueDateTime", s.IssuedAt)
	w.element("NextUpdate", func() {
		if !s.Closed() {
			w.moment("dateTime", s.NextUpdate)
		}
	})
	if len(s.DistributionPoints) > 0 {
		w.element("DistributionPoints", func() {
			for _, uri := range s.DistributionPoints {
				w.leaf("URI", uri)
			}
		})
	}
	w.extensions("SchemeExtensions", s.Extensions)
}

func (w *writer) address(local string, a *Address) {
	w.element(local, func() {
		w.element("PostalAddresses", func() {
			for _, p := range a.Postal {
				var attributes []string
				if p.Lang != "" {
					attributes = []string{"xml:lang", p.Lang}
				}
				w.element("PostalAddress", func() {
					w.leaf("StreetAddress", p.Street)
					w.leaf("Locality", p.Locality)
					w.leafIf("StateOrProvince", p.Province)
					w.leafIf("PostalCode", p.PostalCode)
					w.leaf("CountryName", p.Country)
				}, attributes...)
			}
		})
		w.texts("ElectronicAddress", "URI", a.Electronic)
	})
}

func (w *writer) pointer(p *Pointer) {
	if len(p.Identities) > 0 {
		w.element("ServiceDigitalIdentities", func() {
			for _, id := range p.Identities {
				w.identity(id)
			}
		})
	}
	w.leaf("TSLLocation", p.Location)
	if len(p.Additional) > 0 {
		w.element("AdditionalInformation", func() {
			for _, i := range p.Additional {
				if i.Textual != nil {
					w.text("TextualInformation", *i.Textual)
				} else {
					w.fragment("OtherInformation", i.Other)
				}
			}
		})
	}
}

func (w *writer) extensions(local string, extensions []Extension) {
	if len(extensions) == 0 {
		return
	}
	w.element(local, func() {
		for _, x := range extensions {
			w.fragment("Extension", x.Content, "Critical", strconv.FormatBool(x.Critical))
		}
	})
}

func (w *writer) provider(p *Provider) {
	w.element("TSPInformation", func() {
		w.texts("TSPName", "Name", p.Name)
		w.texts("TSPTradeName", "Name", p.TradeName)
		w.address("TSPAddress", &p.Address)
		w.texts("TSPInformationURI", "URI", p.InformationURI)
		w.extensions("TSPInformationExtensions", p.Extensions)
	})
	w.element("TSPServices", func() {
		for i := range p.Services {
			w.element("TSPService", func() { w.service(&p.Services[i]) })
		}
	})
}

func (w *writer) service(s *Service) {
	w.element("ServiceInformation", func() {
		w.state(&s.State)
		w.texts("SchemeServiceDefinitionURI", "URI", s.SchemeDefinitionURI)
		if len(s.SupplyPoints) > 0 {
			w.element("ServiceSupplyPoints", func() {
				for _, p := range s.SupplyPoints {
					if p.Type != "" {
						w.leaf("ServiceSupplyPoint", p.URI, "type", p.Type)
					} else {
						w.leaf("ServiceSupplyPoint", p.URI)
					}
				}
			})
		}
		w.texts("TSPServiceDefinitionURI", "URI", s.ProviderDefinitionURI)
		w.extensions("ServiceInformationExtensions", s.Extensions)
	})
	if s.HasHistory || len(s.History) > 0 {
		w.element("ServiceHistory", func() {
			for i := range s.History {
				w.element("ServiceHistoryInstance", func() {
					w.state(&s.History[i])
					w.extensions("ServiceInformationExtensions", s.History[i].Extensions)
				})
			}
		})
	}
}

func (w *writer) state(s *State) {
	w.leaf("ServiceTypeIdentifier", s.Type)
	w.texts("ServiceName", "Name", s.Name)
	w.identity(s.Identity)
	w.leaf("ServiceStatus", s.Status)
	w.moment("StatusStartingTime", s.Since)
}

func (w *writer) identity(id Identity) {
	w.element("ServiceDigitalIdentity", func() {
		for _, d := range id {
			w.element("DigitalId", func() {
				switch {
				case d.Certificate != nil && d.Certificate.Raw == nil:
					w.leaf("X509Certificate", d.Certificate.Text)
				case d.Certificate != nil:
					w.octets("X509Certificate", d.Certificate.Raw)
				case d.SubjectName != nil:
					w.leaf("X509SubjectName", *d.SubjectName)
				case d.KeyValue != "":
					w.indent()
					w.out = append(append(w.out, d.KeyValue...), '\n')
				case d.SKI != nil:
					w.octets("X509SKI", d.SKI)
				case d.Other != nil:
					w.fragment("Other", *d.Other)
				}
			})
		}
	})
}
