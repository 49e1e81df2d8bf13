package interop

import (
	"strings"
	"time"

	"github.com/altamga/altamga/internal/xmlsec"
)

// Fragment writes the agreement, to stand in a pointer's OtherInformation.
func (a *Agreement) Fragment() Fragment {
	w := &writer{}
	w.out = append(w.out, `<mra:MutualRecognitionAgreementInformation xmlns:mra="`+spaceMRA+`" xmlns="`+spaceList+`"`...)
	for _, attribute := range [][2]string{
		{"technicalType", a.TechnicalType}, {"version", a.Version}, {"pointingContractingPartyLegislation", a.PointingLaw},
		{"pointedContractingPartyLegislation", a.PointedLaw}, {"MRADepth", a.Depth},
	} {
		w.out = append(w.out, ` `+attribute[0]+`="`...)
		w.out = append(xmlsec.EscapeValue(w.out, attribute[1]), '"')
	}
	w.out = append(w.out, '>')
	for i := range a.Equivalences {
		q := &a.Equivalences[i]
		w.inline("mra:TrustServiceEquivalenceInformation", func() {
			w.inlineText("mra:TrustServiceLegalIdentifier", q.LegalID)
			w.equivalenceState(&q.EquivalenceState)
			if len(q.History) > 0 {
				w.inline("mra:TrustServiceEquivalenceHistory", func() {
					for j := range q.History {
						w.inline("mra:TrustServiceEquivalenceHistoryInstance", func() { w.equivalenceState(&q.History[j]) })
					}
				})
			}
		})
	}
	w.out = append(w.out, `</mra:MutualRecognitionAgreementInformation>`...)
	// In canonical form, as fragments are.
	return Fragment(canonical(nil, Fragment(w.out).elements()[0]))
}

// inline writes an element without a line of its own.
func (w *writer) inline(name string, inside func()) {
	w.out = append(w.out, "<"+name+">"...)
	inside()
	w.out = append(w.out, "</"+name+">"...)
}

func (w *writer) inlineText(name, text string) {
	w.inline(name, func() { w.out = xmlsec.EscapeText(w.out, text) })
}

func (w *writer) equivalenceState(s *EquivalenceState) {
	w.inline("mra:TrustServiceTSLTypeEquivalenceList", func() {
		w.typesAndUses("mra:TrustServiceTSLTypeListPointingParty", s.Pointing)
		w.typesAndUses("mra:TrustServiceTSLTypeListPointedParty", s.Pointed)
	})
	w.inlineText("mra:TrustServiceEquivalenceStatus", s.Status)
	w.inlineText("mra:TrustServiceEquivalenceStatusStartingTime", s.Since.UTC().Format(time.RFC3339))
	w.inline("mra:TrustServiceTSLStatusEquivalenceList", func() {
		w.statuses("mra:TrustServiceTSLStatusValidEquivalence", s.Valid)
		w.statuses("mra:TrustServiceTSLStatusInvalidEquivalence", s.Invalid)
	})
	if len(s.Content) > 0 {
		w.inline("mra:CertificateContentReferencesEquivalenceList", func() {
			for _, one := range s.Content {
				w.inline("mra:CertificateContentReferenceEquivalence", func() {
					w.inlineText("mra:CertificateContentReferenceEquivalenceContext", one.Context)
					w.out = append(append(w.out, one.Pointing...), one.Pointed...)
				})
			}
		})
	}
	if len(s.Qualifiers) == 0 {
		return
	}
	w.inline("mra:TrustServiceTSLQualificationExtensionEquivalenceList", func() {
		w.inline("mra:TrustServiceTSLQualificationExtensionName", func() {
			w.inlineText("mra:TrustServiceTSLQualificationExtensionNamePointingParty", s.QualificationPointing)
			w.inlineText("mra:TrustServiceTSLQualificationExtensionNamePointedParty", s.QualificationPointed)
		})
		w.inline("mra:QualifierEquivalenceList", func() {
			for _, pair := range s.Qualifiers {
				w.inline("mra:QualifierEquivalence", func() {
					w.out = append(xmlsec.EscapeValue(append(w.out, `<mra:QualifierPointingParty uri="`...), pair.Pointing), `"/>`...)
					w.out = append(xmlsec.EscapeValue(append(w.out, `<mra:QualifierPointedParty uri="`...), pair.Pointed), `"/>`...)
				})
			}
		})
	})
}

func (w *writer) typesAndUses(name string, types []TypeAndUse) {
	w.inline(name, func() {
		for _, t := range types {
			w.inline("mra:TrustServiceTSLType", func() {
				w.inlineText("ServiceTypeIdentifier", t.Type)
				if t.Use != "" {
					w.inline("AdditionalServiceInformation", func() {
						w.out = append(xmlsec.EscapeText(append(w.out, `<URI xml:lang="en">`...), t.Use), `</URI>`...)
					})
				}
			})
		}
	})
}

func (w *writer) statuses(name string, s Statuses) {
	w.inline(name, func() {
		for _, side := range []struct {
			name string
			all  []string
		}{{"mra:TrustServiceTSLStatusListPointingParty", s.Pointing}, {"mra:TrustServiceTSLStatusListPointedParty", s.Pointed}} {
			w.inline(side.name, func() {
				for _, uri := range side.all {
					w.inlineText("ServiceStatus", uri)
				}
			})
		}
	})
}

// declaration writes what a party's certificates have to say: the statements of
// ETSI EN 319 412-5, all of them, of a legislation if one is named.
func declaration(party string, statements []string, country string) Fragment {
	var b strings.Builder
	b.WriteString(`<mra:CertificateContentDeclaration` + party + `Party xmlns:mra="` + spaceMRA + `" xmlns:sie="` + spaceQualifiers + `" xmlns:xades="` + xmlsec.SpaceXAdES + `" assert="all">`)
	b.WriteString(`<sie:otherCriteriaList><mra:QcStatementSet>`)
	statement := func(id, info string) {
		b.WriteString(`<mra:QcStatement><mra:QcStatementId><xades:Identifier Qualifier="OIDAsURN">urn:oid:` + escaped(id) + `</xades:Identifier></mra:QcStatementId>` + info + `</mra:QcStatement>`)
	}
	for _, id := range statements {
		if strings.HasPrefix(id, oidQcType+".") {
			// A type of certificate is a value of the statement of types.
			statement(oidQcType, `<mra:QcStatementInfo><mra:QcType><xades:Identifier Qualifier="OIDAsURN">urn:oid:`+escaped(id)+`</xades:Identifier></mra:QcType></mra:QcStatementInfo>`)
			continue
		}
		statement(id, "")
	}
	if country != "" {
		statement(oidQcCClegislation, `<mra:QcStatementInfo><mra:QcCClegislation>`+escaped(country)+`</mra:QcCClegislation></mra:QcStatementInfo>`)
	}
	b.WriteString(`</mra:QcStatementSet></sie:otherCriteriaList></mra:CertificateContentDeclaration` + party + `Party>`)
	return Fragment(canonical(nil, Fragment(b.String()).elements()[0]))
}
