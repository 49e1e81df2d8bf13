package interop

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/altamga/altamga/internal/jose"
	"github.com/altamga/altamga/internal/xmlsec"
)

// WriteLoTE writes the list in JSON, as a list of trusted entities (ETSI TS 119
// 602): what a list of ETSI TS 119 612 says, as far as that has words for it.
// There are none for agreements, for a list that is closed, and for the language
// of legal notices; the first two are errors.
func WriteLoTE(l *List) ([]byte, error) {
	w := &loteWriter{}
	file := loteFile{LoTE: loteList{Scheme: w.scheme(&l.Scheme)}}
	for i := range l.Providers {
		file.LoTE.Entities = append(file.LoTE.Entities, w.entity(&l.Providers[i]))
	}
	if err := errors.Join(w.faults...); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(file); err != nil {
		return nil, err
	}
	if _, err := readLoTE(b.Bytes()); err != nil {
		return nil, fmt.Errorf("the list cannot be written as one of trusted entities: %w", err)
	}
	return b.Bytes(), nil
}

// SignLoTE signs what [WriteLoTE] wrote: a JWS in compact serialization, with
// JAdES-BASELINE-B. The certificate has to be the scheme operator's.
func SignLoTE(written []byte, key crypto.Signer, certificate *x509.Certificate, chain []*x509.Certificate, at time.Time) ([]byte, error) {
	l, err := readLoTE(written)
	if err != nil {
		return nil, err
	}
	// ETSI TS 119 602, Section 6.8: the certificate's countryName is the scheme's
	// territory, and its organizationName the scheme operator's name.
	if err := errors.Join(countryOf(certificate, &l.Scheme), organisationOf(certificate, &l.Scheme)); err != nil {
		return nil, fmt.Errorf("the list is not this signer's: %w", err)
	}
	return jose.Sign(jose.Request{Payload: written, Key: key, Certificate: certificate, Chain: chain, Time: at})
}

type loteWriter struct{ faults []error }

func (w *loteWriter) fail(format string, args ...any) {
	w.faults = append(w.faults, fmt.Errorf(format, args...))
}

func (w *loteWriter) scheme(s *Scheme) loteScheme {
	out := loteScheme{
		Version: 1, Sequence: s.SequenceNumber, Type: s.Type, OperatorName: loteTexts(s.OperatorName), Name: loteTexts(s.Name),
		InformationURI: loteURIs(s.InformationURI), StatusDetermination: s.StatusDetermination, CommunityRules: loteURIs(s.CommunityRules),
		Territory: s.Territory, IssuedAt: loteTime(s.IssuedAt), NextUpdate: loteTime(s.NextUpdate),
		DistributionPoints: s.DistributionPoints, Extensions: loteExtensions(s.Extensions),
	}
	if s.Closed() {
		w.fail("a list that is closed has no next update; ETSI TS 119 602 asks for one")
	}
	if len(s.OperatorAddress.Postal) > 0 {
		out.OperatorAddress = &loteOperatorAddress{lotePostals(s.OperatorAddress.Postal), loteURIs(s.OperatorAddress.Electronic)}
	}
	for _, u := range loteURIs(s.Policy) {
		out.Policy = append(out.Policy, lotePolicy{Policy: &u})
	}
	for _, t := range s.LegalNotice {
		out.Policy = append(out.Policy, lotePolicy{Notice: &t.Value})
	}
	if s.HistoricalPeriod != 0 {
		out.HistoricalPeriod = &s.HistoricalPeriod
	}
	for i := range s.Pointers {
		out.Pointers = append(out.Pointers, w.pointer(&s.Pointers[i]))
	}
	return out
}

func (w *loteWriter) pointer(p *Pointer) lotePointer {
	about := p.About()
	if a, err := p.Agreement(); a != nil || err != nil {
		w.fail("pointer %s: ETSI TS 119 602 has no words for an agreement", p.Location)
	}
	out := lotePointer{Location: p.Location, Qualifiers: []loteQualifier{{
		Type: about.Type, OperatorName: loteTexts(about.OperatorName), Territory: about.Territory, MediaType: about.MediaType,
	}}}
	for _, id := range p.Identities {
		out.Identities = append(out.Identities, loteIdentityOf(id))
	}
	return out
}

func (w *loteWriter) entity(p *Provider) loteEntity {
	out := loteEntity{Information: loteInformation{
		Name: loteTexts(p.Name), TradeName: loteTexts(p.TradeName), Address: loteEntityAddress{lotePostals(p.Address.Postal), loteURIs(p.Address.Electronic)},
		InformationURI: loteURIs(p.InformationURI), Extensions: loteExtensions(p.Extensions),
	}}
	for i := range p.Services {
		s := &p.Services[i]
		now := loteStateOf(&s.State)
		one := loteService{Information: loteServiceInformation{
			Name: now.Name, Identity: now.Identity, Type: now.Type, Status: now.Status, Since: now.Since, SchemeDefinition: loteURIs(s.SchemeDefinitionURI),
			ProviderDefinition: loteURIs(s.ProviderDefinitionURI), Extensions: now.Extensions,
		}}
		for _, point := range s.SupplyPoints {
			one.Information.SupplyPoints = append(one.Information.SupplyPoints, loteSupplyPoint(point))
		}
		for j := range s.History {
			one.History = append(one.History, loteStateOf(&s.History[j]))
		}
		out.Services = append(out.Services, one)
	}
	return out
}

func loteStateOf(s *State) loteState {
	return loteState{loteTexts(s.Name), loteIdentityOf(s.Identity), s.Status, loteTime(s.Since), s.Type, loteExtensions(s.Extensions)}
}

func loteIdentityOf(id Identity) (out loteIdentity) {
	for _, d := range id {
		switch {
		case d.Certificate != nil:
			value := cmp.Or(d.Certificate.Text, base64.StdEncoding.EncodeToString(d.Certificate.Raw))
			out.Certificates = append(out.Certificates, loteCertificate{Value: value})
		case d.SubjectName != nil:
			out.SubjectNames = append(out.SubjectNames, *d.SubjectName)
		case d.SKI != nil:
			out.SKIs = append(out.SKIs, base64.StdEncoding.EncodeToString(d.SKI))
		case d.KeyValue != "":
			if raw := d.KeyValue.json(); raw != nil {
				out.Keys = append(out.Keys, raw)
				continue
			}
			// A key in XML is none in JSON; its words are kept.
			out.Others = append(out.Others, string(d.KeyValue))
		case d.Other != nil:
			out.Others = append(out.Others, d.Other.text())
		}
	}
	return out
}

// text is the fragment as it is or, if it has no elements, what it says.
func (f Fragment) text() string {
	d, err := xmlsec.Parse([]byte("<fragment>"+string(f)+"</fragment>"), xmlsec.Limits{})
	if err != nil || d.Root.HasElements() {
		return string(f)
	}
	return d.Root.Text()
}

// json is what [jsonFragment] carries, nil for other fragments.
func (f Fragment) json() json.RawMessage {
	e := f.find(spaceJSON, "json")
	if e == nil || !json.Valid([]byte(e.Text())) {
		return nil
	}
	return json.RawMessage(e.Text())
}

func loteExtensions(extensions []Extension) (all []json.RawMessage) {
	for _, e := range extensions {
		raw := e.Content.json()
		if raw == nil {
			// A struct of a text and a truth value: this cannot fail.
			raw, _ = json.Marshal(loteExtension{e.Critical, string(e.Content)})
		}
		all = append(all, raw)
	}
	return all
}

func loteTexts(texts []Text) (all []loteText) {
	for _, t := range texts {
		all = append(all, loteText(t))
	}
	return all
}

func loteURIs(texts []Text) (all []loteURI) {
	for _, t := range texts {
		all = append(all, loteURI(t))
	}
	return all
}

func lotePostals(addresses []PostalAddress) (all []lotePostal) {
	for _, a := range addresses {
		all = append(all, lotePostal(a))
	}
	return all
}

func loteTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
