package interop

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/altamga/altamga/internal/durable"
	"github.com/altamga/altamga/internal/pki"
)

// PartnerState is how far a partner came. Each state follows from the one
// before it, and a suspended partner may be proposed again.
type PartnerState string

// States of a partner.
const (
	PartnerProposed  PartnerState = "proposed"
	PartnerTested    PartnerState = "tested"
	PartnerAccepted  PartnerState = "accepted"
	PartnerPublished PartnerState = "published"
	PartnerSuspended PartnerState = "suspended"
)

// known reports whether s is one of the states.
func (s PartnerState) known() bool {
	switch s {
	case PartnerProposed, PartnerTested, PartnerAccepted, PartnerPublished, PartnerSuspended:
		return true
	}
	return false
}

// Partner is the record of another state whose services we recognise, or are
// about to.
type Partner struct {
	Territory string       `json:"territory"`
	State     PartnerState `json:"state"`
	// Offer is what was proposed last, and Findings what its test found.
	Offer    Offer    `json:"offer"`
	Findings []string `json:"findings,omitempty"`
	// ProposedBy is the officer who proposed the offer: another one accepts it.
	ProposedBy string `json:"proposed_by"`
	// Tested is the digest of the offer that was tested.
	Tested string `json:"tested,omitempty"`
	// Force is what was accepted last: it stays, suspended, while another offer
	// is on its way.
	Force *Force `json:"force,omitempty"`
	// Steps are all that was ever done, the oldest first. The audit log has them,
	// too.
	Steps []Step `json:"steps"`
}

// Step is one step of a partner's way.
type Step struct {
	At      time.Time    `json:"at"`
	To      PartnerState `json:"to"`
	Officer string       `json:"officer"`
	Digest  string       `json:"digest"`
	Reason  string       `json:"reason,omitempty"`
}

// Offer is what is proposed of a partner: its own list with those who sign it,
// or certificates of its authorities when it publishes none.
type Offer struct {
	Operator map[string]string `json:"operator"`
	// Location, Signers, List and Agreement are those of a partner with a list.
	Location  string         `json:"location,omitempty"`
	ListType  string         `json:"list_type,omitempty"`
	Signers   [][]byte       `json:"signers,omitempty"`
	List      []byte         `json:"list,omitempty"`
	Agreement *PlanAgreement `json:"agreement,omitempty"`
	// Certificates and what follows are of a partner without one: our list names
	// its authorities as recognised at national level.
	Certificates [][]byte            `json:"certificates,omitempty"`
	Type         string              `json:"type,omitempty"`
	Uses         []string            `json:"uses,omitempty"`
	TradeName    map[string]string   `json:"trade_name,omitempty"`
	Address      []PlanAddress       `json:"address,omitempty"`
	Contact      map[string][]string `json:"contact,omitempty"`
	Information  map[string][]string `json:"information,omitempty"`
	// Sources say where all of it came from.
	Sources []string `json:"sources"`
}

// Digest is the SHA-256 hash of the offer: what is tested, looked at and
// accepted, and nothing else.
func (o *Offer) Digest() string {
	// The fields are plain data: this cannot fail.
	data, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return digestOf(data)
}

// Force is an accepted offer.
type Force struct {
	Offer
	AcceptedAt  time.Time `json:"accepted_at"`
	SuspendedAt time.Time `json:"suspended_at,omitzero"`
	// Again: it was accepted after a suspension, so what it agrees begins anew.
	Again bool `json:"again,omitempty"`
	// Published: a list of ours had it.
	Published bool `json:"published"`
	// Services are the authorities of a partner without a list.
	Services []PartnerService `json:"services,omitempty"`
}

// PartnerService is an authority: the certificates of one key.
type PartnerService struct {
	Certificates [][]byte  `json:"certificates"`
	Status       string    `json:"status"`
	Since        time.Time `json:"since"`
}

// PartnerPlan is what an officer proposes, as TOML has it.
type PartnerPlan struct {
	Territory string            `toml:"territory"`
	Operator  map[string]string `toml:"operator"`
	// Material are files and folders of what the partner handed over, and
	// addresses where it publishes it.
	Material []string `toml:"material"`
	// Location is where the partner publishes its list, ListType its type, and
	// Signers the files of who signs it, from the partner by another way than the
	// list.
	Location  string         `toml:"location"`
	ListType  string         `toml:"list_type"`
	Signers   []string       `toml:"signers"`
	Agreement *PlanAgreement `toml:"agreement"`
	// Type and Uses are those of the authorities of a partner without a list.
	// Default: CA/PKC.
	Type        string              `toml:"type"`
	Uses        []string            `toml:"uses"`
	TradeName   map[string]string   `toml:"trade_name"`
	Address     []PlanAddress       `toml:"address"`
	Contact     map[string][]string `toml:"contact"`
	Information map[string][]string `toml:"information"`
}

// offer makes the offer of the plan and the material.
func (p *PartnerPlan) offer(m *Material, files CertificateFiles) (*Offer, error) {
	var faults []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(!pki.IsCountry(p.Territory), "%q is not a country's code", p.Territory)
	fault(p.Operator["en"] == "", "the partner's operator has no English name")
	o := &Offer{Operator: p.Operator, Sources: m.Sources}
	if m.List == nil {
		fault(p.Location != "" || len(p.Signers) > 0 || p.Agreement != nil, "the material has no list, so location, signers and agreement say nothing")
		o.Type, o.Uses, o.TradeName, o.Address, o.Contact, o.Information = p.Type, p.Uses, p.TradeName, p.Address, p.Contact, p.Information
		if o.Type == "" {
			o.Type = "CA/PKC"
		}
		for _, c := range m.Certificates {
			o.Certificates = append(o.Certificates, c.Raw)
		}
		return o, errors.Join(faults...)
	}
	fault(len(m.Certificates) > 0, "the material has a list and %d certificates beside it: the list names the partner's services", len(m.Certificates))
	fault(p.Location == "", "the partner's list needs its location")
	fault(len(p.Signers) == 0, "the partner's list needs the certificates of its signers")
	o.Location, o.ListType, o.List, o.Agreement = p.Location, p.ListType, m.List, p.Agreement
	for _, name := range p.Signers {
		signers, err := files(name)
		if err != nil {
			faults = append(faults, err)
		}
		for _, c := range signers {
			o.Signers = append(o.Signers, c.Raw)
		}
	}
	return o, errors.Join(faults...)
}

func listed(raw [][]byte) (all []*Certificate) {
	for _, one := range raw {
		all = append(all, &Certificate{Raw: one})
	}
	return all
}

// services groups the certificates by their keys.
//
// ETSI TS 119 612, Section 5.5.3: a service is one public key.
func (o *Offer) services(status string, since time.Time) (all []PartnerService) {
	byKey := map[string]int{}
	for _, raw := range o.Certificates {
		facts, err := readFacts(raw)
		if err != nil {
			continue
		}
		at, ok := byKey[string(facts.SPKI)]
		if !ok {
			at = len(all)
			byKey[string(facts.SPKI)] = at
			all = append(all, PartnerService{Status: status, Since: since})
		}
		all[at].Certificates = append(all[at].Certificates, raw)
	}
	return all
}

// accept puts the offer in force. What was in force before, and is not offered
// any more, is deprecated and not forgotten.
func (p *Partner) accept(now time.Time) {
	next := &Force{Offer: p.Offer, AcceptedAt: now, Services: p.Offer.services(Recognised, now)}
	if was := p.Force; was != nil {
		next.Again, next.Published = true, was.Published
		for _, old := range was.Services {
			if !slices.ContainsFunc(next.Services, func(s PartnerService) bool { return sameKey(s, old) }) {
				next.Services = append(next.Services, old)
			}
		}
	}
	p.Force = next
}

func sameKey(a, b PartnerService) bool {
	one, err := readFacts(a.Certificates[0])
	other, err2 := readFacts(b.Certificates[0])
	return err == nil && err2 == nil && bytes.Equal(one.SPKI, other.SPKI)
}

// suspend ends what is in force.
func (f *Force) suspend(now time.Time) {
	f.SuspendedAt = now
	for i := range f.Services {
		if s := &f.Services[i]; s.Status == Recognised {
			s.Status, s.Since = Deprecated, now
		}
	}
}

// partnerFile is the file of a partner's record.
func (s store) partnerFile(territory string) string {
	return filepath.Join(s.dir, "partners", territory+".json")
}

// nextSuffix ends the name of a record that the log may not have yet.
const nextSuffix = ".next"

// partner reads a record, and returns it as it stands in the file, too;
// [fs.ErrNotExist] when there is none.
func (s store) partner(territory string) (*Partner, []byte, error) {
	// The territory becomes a file's name.
	if !pki.IsCountry(territory) {
		return nil, nil, fmt.Errorf("%q is not a country's code", territory)
	}
	data, err := os.ReadFile(s.partnerFile(territory))
	if err != nil {
		return nil, nil, err
	}
	p, err := parsePartner(territory, data)
	return p, data, err
}

func parsePartner(territory string, data []byte) (*Partner, error) {
	var p Partner
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, fmt.Errorf("reading the record of %s: %w", territory, err)
	}
	if p.Territory != territory || len(p.Steps) == 0 {
		return nil, fmt.Errorf("reading the record of %s: it is not whole", territory)
	}
	return &p, nil
}

// putPartner puts the record of the territory in place once the log has it.
// What the log took down is then under one name or the other, whatever happens
// in between.
func (s store) putPartner(territory string, data []byte, log func() error) error {
	name := s.partnerFile(territory)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := durable.Write(name+nextSuffix, data, 0o644); err != nil {
		return err
	}
	if err := log(); err != nil {
		return err
	}
	if err := os.Rename(name+nextSuffix, name); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(name))
}

// territories returns those that have a record, and those of the steps, in
// order.
func (s store) territories(steps map[string]Deed) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(s.dir, "partners", "??.json"))
	if err != nil {
		return nil, err
	}
	all := slices.Collect(maps.Keys(steps))
	for _, name := range names {
		all = append(all, filepath.Base(name)[:2])
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
