package interop

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/jose"
)

// isJSON reports whether data is JSON, and no list in XML.
func isJSON(data []byte) bool { return bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) }

// readLoTE reads a list of trusted entities (ETSI TS 119 602, Section 6) strictly
// by its schema.
func readLoTE(data []byte) (*List, error) {
	value, err := jose.Parse(data)
	if err != nil {
		return nil, err
	}
	var file loteFile
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("it is not the JSON of a list of trusted entities: %w", err)
	}
	r := &loteReader{}
	if err := r.exact(value, &file); err != nil {
		return nil, err
	}
	l := &List{JSON: true}
	l.Scheme = r.scheme(&file.LoTE.Scheme)
	for i := range file.LoTE.Entities {
		l.Providers = append(l.Providers, r.entity(fmt.Sprintf("TrustedEntitiesList[%d]", i), &file.LoTE.Entities[i]))
	}
	l.Notes = r.notes
	return l, errors.Join(r.faults...)
}

// loteReader reads a list; all its faults are shown.
type loteReader struct {
	notes  []string
	faults []error
}

func (r *loteReader) fail(where, format string, args ...any) {
	if len(r.faults) < 20 {
		r.faults = append(r.faults, fmt.Errorf("%s: %s", where, fmt.Sprintf(format, args...)))
	}
}

func (r *loteReader) note(where, what string) {
	if len(r.notes) < 100 {
		r.notes = append(r.notes, where+": "+what)
	}
}

// exact holds what was read to what the list says: written again, it has the
// same members. So nothing is missing, unknown, empty, or of another case.
func (r *loteReader) exact(value any, file *loteFile) error {
	again, err := json.Marshal(file)
	if err != nil {
		return err
	}
	read, err := jose.Parse(again)
	if err != nil {
		return err
	}
	return r.same("", value, read)
}

func (r *loteReader) same(where string, said, read any) error {
	switch said := said.(type) {
	case map[string]any:
		other, _ := read.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(said)) {
			at := strings.TrimPrefix(where+"."+name, ".")
			if _, there := other[name]; there {
				if err := r.same(at, said[name], other[name]); err != nil {
					return err
				}
			} else if strings.HasSuffix(where, "ServiceDigitalIdentity") || strings.Contains(where, "ServiceDigitalIdentities[") {
				// The schema says nothing of further members here.
				r.note(at, "is not of ETSI TS 119 602, and left out")
			} else {
				return fmt.Errorf("%s: is not of ETSI TS 119 602, or empty", at)
			}
		}
		for name := range other {
			if _, there := said[name]; !there {
				return fmt.Errorf("%s: has no %s", where, name)
			}
		}
		return nil
	case []any:
		other, _ := read.([]any)
		if len(said) != len(other) || len(said) == 0 {
			return fmt.Errorf("%s: is an empty list, or none", where)
		}
		for i := range said {
			if err := r.same(fmt.Sprintf("%s[%d]", where, i), said[i], other[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if !reflect.DeepEqual(said, read) {
		return fmt.Errorf("%s: %v is not what belongs there", where, said)
	}
	return nil
}

// scheme reads ListAndSchemeInformation (ETSI TS 119 602, Section 6.3).
func (r *loteReader) scheme(in *loteScheme) Scheme {
	const where = "ListAndSchemeInformation"
	s := Scheme{
		Version: in.Version, SequenceNumber: in.Sequence, Type: r.uri(where+".LoTEType", in.Type), OperatorName: r.texts(where+".SchemeOperatorName", in.OperatorName),
		Name: r.texts(where+".SchemeName", in.Name), InformationURI: r.uris(where+".SchemeInformationURI", in.InformationURI),
		StatusDetermination: r.uri(where+".StatusDeterminationApproach", in.StatusDetermination),
		CommunityRules:      r.uris(where+".SchemeTypeCommunityRules", in.CommunityRules), Territory: in.Territory,
		IssuedAt: r.moment(where+".ListIssueDateTime", in.IssuedAt), NextUpdate: r.moment(where+".NextUpdate", in.NextUpdate),
		Extensions: r.extensions(where+".SchemeExtensions", in.Extensions),
	}
	if in.Version != 1 {
		r.fail(where, "the version is %d; 1 is read", in.Version)
	}
	if in.Sequence == 0 {
		r.fail(where, "the sequence number is not positive")
	}
	if len(in.Territory) != 0 && len(in.Territory) != 2 {
		r.fail(where, "the territory %q has not two letters", in.Territory)
	}
	if a := in.OperatorAddress; a != nil {
		s.OperatorAddress = r.address(where+".SchemeOperatorAddress", a.Postal, a.Electronic)
	}
	for i, p := range in.Policy {
		switch {
		case p.Policy != nil && p.Notice == nil && len(s.LegalNotice) == 0:
			s.Policy = append(s.Policy, r.uris(where+".PolicyOrLegalNotice", []loteURI{*p.Policy})...)
		case p.Notice != nil && p.Policy == nil && len(s.Policy) == 0:
			s.LegalNotice = append(s.LegalNotice, Text{Value: *p.Notice})
		default:
			r.fail(where, "PolicyOrLegalNotice[%d] is neither policies nor notices", i)
		}
	}
	if in.HistoricalPeriod != nil {
		s.HistoricalPeriod = *in.HistoricalPeriod
	}
	for i := range in.Pointers {
		s.Pointers = append(s.Pointers, r.pointer(fmt.Sprintf("%s.PointersToOtherLoTE[%d]", where, i), &in.Pointers[i]))
	}
	for _, uri := range in.DistributionPoints {
		s.DistributionPoints = append(s.DistributionPoints, r.uri(where+".DistributionPoints", uri))
	}
	return s
}

func (r *loteReader) texts(where string, in []loteText) (all []Text) {
	for _, t := range in {
		if t.Value == "" {
			r.fail(where, "is empty")
		}
		all = append(all, Text(t))
	}
	return all
}

func (r *loteReader) uris(where string, in []loteURI) (all []Text) {
	for _, u := range in {
		if u.Value == "" {
			r.fail(where, "is empty")
		}
		all = append(all, Text{u.Lang, r.uri(where, u.Value)})
	}
	return all
}

func (r *loteReader) uri(where, text string) string {
	if u, err := url.Parse(text); text != "" && (err != nil || u.Scheme == "") {
		r.fail(where, "%q is not a URI", text)
	}
	return text
}

// moment reads a date-time (ETSI TS 119 602, Section 6.1.3).
func (r *loteReader) moment(where, text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		r.fail(where, "%q is not a date and time", text)
	}
	if _, offset := t.Zone(); offset == 0 {
		t = t.UTC()
	}
	return t
}

func (r *loteReader) address(where string, postal []lotePostal, electronic []loteURI) (a Address) {
	for _, p := range postal {
		a.Postal = append(a.Postal, PostalAddress(p))
	}
	a.Electronic = r.uris(where, electronic)
	return a
}

func (r *loteReader) pointer(where string, in *lotePointer) Pointer {
	p := Pointer{Location: r.uri(where+".LoTELocation", in.Location)}
	for i := range in.Identities {
		p.Identities = append(p.Identities, r.identity(fmt.Sprintf("%s.ServiceDigitalIdentities[%d]", where, i), &in.Identities[i]))
	}
	for _, q := range in.Qualifiers {
		p.Additional = append(p.Additional, About{q.Type, q.Territory, q.MediaType, r.texts(where+".SchemeOperatorName", q.OperatorName)}.information()...)
		if len(q.CommunityRules) > 0 {
			r.note(where+".SchemeTypeCommunityRules", "is left out")
		}
	}
	return p
}

// identity reads a ServiceDigitalIdentity. A certificate is kept whatever it is.
func (r *loteReader) identity(where string, in *loteIdentity) (id Identity) {
	for _, c := range in.Certificates {
		raw, err := base64.StdEncoding.Strict().DecodeString(c.Value)
		if err != nil {
			r.note(where, "a certificate is not base64")
			id = append(id, DigitalID{Certificate: &Certificate{Text: c.Value}})
			continue
		}
		id = append(id, DigitalID{Certificate: &Certificate{Raw: raw}})
	}
	for _, name := range in.SubjectNames {
		id = append(id, DigitalID{SubjectName: &name})
	}
	for _, key := range in.Keys {
		id = append(id, DigitalID{KeyValue: jsonFragment(key)})
	}
	for _, text := range in.SKIs {
		ski, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			r.fail(where, "X509SKIs has %q, which is not base64", text)
		}
		id = append(id, DigitalID{SKI: ski})
	}
	for _, text := range in.Others {
		other := Fragment(text)
		if len(other.elements()) == 0 {
			other = Fragment(escaped(text))
		}
		id = append(id, DigitalID{Other: &other})
	}
	return id
}

func (r *loteReader) entity(where string, in *loteEntity) Provider {
	i := &in.Information
	p := Provider{
		Name: r.texts(where+".TEName", i.Name), TradeName: r.texts(where+".TETradeName", i.TradeName),
		Address:        r.address(where+".TEAddress", i.Address.Postal, i.Address.Electronic),
		InformationURI: r.uris(where+".TEInformationURI", i.InformationURI), Extensions: r.extensions(where, i.Extensions),
	}
	for n := range in.Services {
		p.Services = append(p.Services, r.service(fmt.Sprintf("%s.TrustedEntityServices[%d]", where, n), &in.Services[n]))
	}
	return p
}

func (r *loteReader) service(where string, in *loteService) Service {
	i := &in.Information
	state := loteState{i.Name, i.Identity, i.Status, i.Since, i.Type, i.Extensions}
	s := Service{
		State: r.state(where, &state), SchemeDefinitionURI: r.uris(where, i.SchemeDefinition), ProviderDefinitionURI: r.uris(where, i.ProviderDefinition),
		HasHistory: in.History != nil,
	}
	for _, point := range i.SupplyPoints {
		s.SupplyPoints = append(s.SupplyPoints, SupplyPoint{r.uri(where, point.Type), r.uri(where, point.URI)})
	}
	for n := range in.History {
		s.History = append(s.History, r.state(fmt.Sprintf("%s.ServiceHistory[%d]", where, n), &in.History[n]))
	}
	return s
}

func (r *loteReader) state(where string, in *loteState) State {
	s := State{
		Type: r.uri(where, in.Type), Name: r.texts(where+".ServiceName", in.Name), Identity: r.identity(where, &in.Identity), Status: r.uri(where, in.Status),
		Extensions: r.extensions(where, in.Extensions),
	}
	// Lists whose entities are trusted by being there have neither status nor
	// time.
	if in.Since != "" {
		s.Since = r.moment(where+".StatusStartingTime", in.Since)
	}
	return s
}

// extensions carries them on: those that [writeLoTE] wrote as what they were,
// others as their JSON.
func (r *loteReader) extensions(where string, in []json.RawMessage) (all []Extension) {
	for _, raw := range in {
		var ours loteExtension
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&ours); err == nil && len(Fragment(ours.XML).elements()) > 0 {
			all = append(all, Extension{Critical: ours.Critical, Content: Fragment(ours.XML)})
			continue
		}
		all = append(all, Extension{Content: jsonFragment(raw)})
	}
	if len(all) > 1000 {
		r.fail(where, "has %d extensions", len(all))
	}
	return all
}

// jsonFragment carries JSON through the model.
func jsonFragment(raw json.RawMessage) Fragment {
	var compact bytes.Buffer
	// It was parsed: this cannot fail.
	if err := json.Compact(&compact, raw); err != nil {
		return ""
	}
	return Fragment(`<json xmlns="` + spaceJSON + `">` + escaped(compact.String()) + `</json>`)
}
