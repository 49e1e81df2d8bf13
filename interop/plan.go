package interop

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Plan is what a scheme operator wants its list to say: the part of a list that
// people decide. The rest (number, dates, history) follows from it and from the
// list before. Texts are by language; English must be among them.
//
// It is written in TOML; the field's tags are the keys.
type Plan struct {
	// Territory is the ISO 3166-1 code of the country.
	Territory string `toml:"territory"`
	// Location is where the list is published.
	Location string `toml:"location"`
	// Operator is the body that answers for the list; the signer's certificate
	// names it, too.
	Operator map[string]string `toml:"operator"`
	// Name of the scheme. The territory is put before it.
	Name map[string]string `toml:"name"`
	// Address and Contact (mailto: and web URIs) of the operator.
	Address []PlanAddress       `toml:"address"`
	Contact map[string][]string `toml:"contact"`
	// Information are web pages about the scheme.
	Information map[string][]string `toml:"information"`
	// Type, StatusDetermination and Rules are URIs. Default: those that ETSI TS
	// 119 612, Annex D registers for lists of the territory. A type that ends in
	// "listofthelists" makes it the list of lists of a community, under a URI of
	// the community's own.
	Type                string              `toml:"type"`
	StatusDetermination string              `toml:"status_determination"`
	Rules               map[string][]string `toml:"rules"`
	LegalNotice         map[string]string   `toml:"legal_notice"`
	// Validity is the time until the next update, at most six months. Default
	// 150 days.
	Validity  time.Duration  `toml:"validity"`
	Pointers  []PlanPointer  `toml:"pointer"`
	Providers []PlanProvider `toml:"provider"`
}

// PlanAddress is a postal address in a language.
type PlanAddress struct {
	Lang       string `toml:"lang"`
	Street     string `toml:"street"`
	Locality   string `toml:"locality"`
	Province   string `toml:"province"`
	PostalCode string `toml:"postal_code"`
	Country    string `toml:"country"`
}

// PlanPointer leads to another list: that of lists, or a partner's.
type PlanPointer struct {
	Location  string            `toml:"location"`
	Territory string            `toml:"territory"`
	Type      string            `toml:"type"`
	MediaType string            `toml:"media_type"`
	Operator  map[string]string `toml:"operator"`
	// Signers are files of the certificates that the list is signed with.
	Signers []string `toml:"signers"`
	// Agreement is what of that list counts as what here.
	Agreement *PlanAgreement `toml:"agreement"`
}

// PlanProvider is a trust service provider.
type PlanProvider struct {
	Name map[string]string `toml:"name"`
	// TradeName holds the registration number, as in "VATAZ-1234567890".
	TradeName   map[string]string   `toml:"trade_name"`
	Address     []PlanAddress       `toml:"address"`
	Contact     map[string][]string `toml:"contact"`
	Information map[string][]string `toml:"information"`
	Services    []PlanService       `toml:"service"`
}

// PlanService is a service of a provider.
type PlanService struct {
	// Type is a word such as "CA/QC", "TSA/QTST", "Certstatus/OCSP/QC", or a URI.
	Type string            `toml:"type"`
	Name map[string]string `toml:"name"`
	// Certificates are files of the certificates of the service's one key.
	Certificates []string `toml:"certificates"`
	// Status is a word such as "granted", "withdrawn", or a URI; Since is when it
	// began.
	Status string    `toml:"status"`
	Since  time.Time `toml:"since"`
	// Uses: ForeSignatures, ForeSeals, ForWebSiteAuthentication, or URIs.
	Uses         []string            `toml:"uses"`
	SupplyPoints []PlanSupplyPoint   `toml:"supply_point"`
	Definition   map[string][]string `toml:"definition"`
}

// PlanSupplyPoint is where a service is reached; Type is a word as of a service,
// or a URI, or nothing.
type PlanSupplyPoint struct {
	Type string `toml:"type"`
	URI  string `toml:"uri"`
}

// defaultValidity is the time to the next update when a plan names none.
const defaultValidity = 150 * 24 * time.Hour

// CertificateFiles opens what a plan refers to: the certificates in a file, by the file's
// name in the plan.
type CertificateFiles func(name string) ([]*Certificate, error)

// Author writes the list that the plan asks for, after the one before it, which
// is nil for the first. Signers are those of the list itself.
//
// It refuses a plan that rewrites the past: a service that is gone, a status
// that changed without a new date, or one that began earlier.
func (p *Plan) Author(files CertificateFiles, before *List, signers []*Certificate, now time.Time) (*List, error) {
	a := &author{plan: p, files: files, before: before, now: now.UTC().Truncate(time.Second), past: map[string]named{}}
	if before != nil {
		a.past = servicesOf(before)
	}
	l := &List{Tag: tag, ID: "trust-list", Scheme: a.scheme(signers)}
	if IsListOfLists(p.Type) && len(p.Providers) > 0 {
		a.fail("a list of lists leads to lists and names no services of its own; the plan has %d providers", len(p.Providers))
	}
	for i := range p.Providers {
		l.Providers = append(l.Providers, a.provider(&p.Providers[i]))
	}
	// ETSI TS 119 612, Section 5.3.12: history that is kept for ever has
	// services that are.
	for _, key := range slices.Sorted(maps.Keys(a.past)) {
		a.fail("%s is not in the plan any more: a service that ended is withdrawn, not removed", a.past[key].where())
	}
	if err := errors.Join(a.faults...); err != nil {
		return nil, err
	}
	return l, nil
}

// author is one list in the making.
type author struct {
	plan   *Plan
	files  CertificateFiles
	before *List
	now    time.Time
	// past has the services of the list before that were not met yet.
	past   map[string]named
	faults []error
}

func (a *author) fail(format string, args ...any) {
	a.faults = append(a.faults, fmt.Errorf(format, args...))
}

// keepForEver is the HistoricalInformationPeriod of lists that forget nothing
// (ETSI TS 119 612, Section 5.3.12).
const keepForEver = 65535

func (a *author) scheme(signers []*Certificate) Scheme {
	p := a.plan
	validity := cmp.Or(p.Validity, defaultValidity)
	s := Scheme{
		Version: 6, SequenceNumber: 1, Type: cmp.Or(p.Type, prefixType+p.Territory+suffixOfOneState),
		OperatorName: textsOf(p.Operator), OperatorAddress: addressOf(p.Address, p.Contact), Name: textsOf(p.Name),
		InformationURI: urisOf(p.Information), StatusDetermination: cmp.Or(p.StatusDetermination, prefixList+"StatusDetn/"+p.Territory+"determination"),
		CommunityRules: urisOf(p.Rules), Territory: p.Territory, LegalNotice: textsOf(p.LegalNotice), HistoricalPeriod: keepForEver,
		IssuedAt: a.now, NextUpdate: a.now.Add(validity).Truncate(time.Second),
	}
	if len(s.CommunityRules) == 0 {
		s.CommunityRules = []Text{{"en", prefixList + "schemerules/" + p.Territory}}
	}
	for i := range s.Name {
		// ETSI TS 119 612, Section 5.3.6.
		s.Name[i].Value = p.Territory + ":" + s.Name[i].Value
	}
	if a.before != nil {
		s.SequenceNumber = a.before.Scheme.SequenceNumber + 1
		if !a.before.Scheme.IssuedAt.Before(s.IssuedAt) {
			a.fail("the list before was issued at %s, which is not before now", a.before.Scheme.IssuedAt.Format(time.RFC3339))
		}
	}
	if p.Location != "" {
		s.DistributionPoints = []string{p.Location}
		s.Pointers = append(s.Pointers, a.pointer(PlanPointer{Location: p.Location, Territory: p.Territory, Type: s.Type, Operator: p.Operator}, signers))
	}
	for _, to := range p.Pointers {
		s.Pointers = append(s.Pointers, a.pointer(to, a.certificates("pointer "+to.Location, to.Signers)))
	}
	return s
}

func (a *author) pointer(to PlanPointer, signers []*Certificate) Pointer {
	p := Pointer{Location: to.Location, Additional: About{
		Type: cmp.Or(to.Type, prefixType+to.Territory+suffixOfOneState), Territory: to.Territory,
		MediaType: cmp.Or(to.MediaType, MediaType), OperatorName: textsOf(to.Operator),
	}.information()}
	if to.Agreement != nil {
		p.Additional = append(p.Additional, Information{Other: a.agreement(to.Location, to.Agreement, to.Territory).Fragment()})
	}
	for _, c := range signers {
		p.Identities = append(p.Identities, identityOf([]*Certificate{c}))
	}
	return p
}

func (a *author) certificates(where string, names []string) (all []*Certificate) {
	for _, name := range names {
		found, err := a.files(name)
		if err != nil {
			a.fail("%s: %w", where, err)
		}
		all = append(all, found...)
	}
	if len(all) == 0 && len(a.faults) == 0 {
		a.fail("%s names no certificate", where)
	}
	return all
}

// identityOf tells a key by its certificates, its subject and its identifier
// (ETSI TS 119 612, Section 5.5.3).
func identityOf(certificates []*Certificate) (id Identity) {
	for _, c := range certificates {
		id = append(id, DigitalID{Certificate: c})
	}
	if len(certificates) == 0 {
		return nil
	}
	if facts, err := certificates[0].Facts(); err == nil {
		subject := facts.Subject.String()
		id = append(id, DigitalID{SubjectName: &subject}, DigitalID{SKI: facts.SKI})
	}
	return id
}

func (a *author) provider(p *PlanProvider) Provider {
	out := Provider{
		Name: textsOf(p.Name), TradeName: textsOf(p.TradeName), Address: addressOf(p.Address, p.Contact), InformationURI: urisOf(p.Information),
	}
	for i := range p.Services {
		out.Services = append(out.Services, a.service(In(out.Name), &p.Services[i]))
	}
	return out
}

// wordOr puts the prefix before a word, and leaves a URI.
func wordOr(prefix, word string) string {
	if word == "" || strings.Contains(word, "://") || strings.HasPrefix(word, "urn:") {
		return word
	}
	return prefix + word
}

func (a *author) service(provider string, p *PlanService) Service {
	s := Service{State: State{Type: wordOr(prefixSvc, p.Type), Name: textsOf(p.Name), Status: wordOr(prefixStatus, p.Status), Since: p.Since.UTC()}}
	where := provider + " / " + In(s.Name)
	s.Identity = identityOf(a.certificates(where, p.Certificates))
	for _, use := range p.Uses {
		// ETSI TS 119 612, Section 5.5.9.4.
		uri := wordOr(prefixInfo, use)
		s.Extensions = append(s.Extensions, Extension{Critical: true, Content: Fragment(
			`<AdditionalServiceInformation xmlns="` + spaceList + `"><URI xml:lang="en">` + escaped(uri) + `</URI></AdditionalServiceInformation>`)})
	}
	for _, point := range p.SupplyPoints {
		s.SupplyPoints = append(s.SupplyPoints, SupplyPoint{Type: wordOr(prefixSvc, point.Type), URI: point.URI})
	}
	s.ProviderDefinitionURI = urisOf(p.Definition)
	a.history(where, &s)
	return s
}

// history carries the service's past on, and makes what it was until now a part
// of it when it changes.
//
// ETSI TS 119 612, Section 5.5.10: each former status stands in the history
// with the time it began.
func (a *author) history(where string, s *Service) {
	key := serviceKey(&s.State)
	was, ok := a.past[key]
	if !ok {
		return
	}
	delete(a.past, key)
	s.History, s.HasHistory = was.service.History, was.service.HasHistory
	changed := was.service.Status != s.Status || !slices.Equal(uses(was.service.Extensions), uses(s.Extensions))
	switch {
	case !changed && !was.service.Since.Equal(s.Since):
		a.fail("%s: the status %s began on %s, the plan says %s: the past is not rewritten",
			where, last(s.Status), was.service.Since.Format(time.RFC3339), s.Since.Format(time.RFC3339))
	case changed && !s.Since.After(was.service.Since):
		a.fail("%s: what changes begins after %s, when the status before it began; the plan says %s",
			where, was.service.Since.Format(time.RFC3339), s.Since.Format(time.RFC3339))
	case changed:
		s.History, s.HasHistory = append([]State{was.service.State}, s.History...), true
	}
}
