package interop

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Change is one difference between two lists.
type Change struct {
	// Where: "scheme", or the provider and the service.
	Where string
	What  string
}

// String is the change on one line.
func (c Change) String() string { return c.Where + ": " + c.What }

// Diff tells people what the second list says that the first does not, and what
// it does not say any more.
func Diff(before, after *List) []Change {
	d := &differ{}
	d.scheme(&before.Scheme, &after.Scheme)
	d.services(before, after)
	return d.changes
}

type differ struct {
	changes []Change
}

func (d *differ) add(where, format string, args ...any) {
	d.changes = append(d.changes, Change{where, fmt.Sprintf(format, args...)})
}

// value tells of a field that changed.
func (d *differ) value(where, what string, before, after any) {
	if !reflect.DeepEqual(before, after) {
		d.add(where, "%s: %v → %v", what, display(before), display(after))
	}
}

func display(v any) string {
	switch v := v.(type) {
	case time.Time:
		if v.IsZero() {
			return "none"
		}
		return v.Format(time.RFC3339)
	case []Text:
		var all []string
		for _, t := range v {
			all = append(all, t.Lang+" "+t.Value)
		}
		return "[" + strings.Join(all, "; ") + "]"
	case string:
		if v == "" {
			return "none"
		}
		return v
	}
	return fmt.Sprint(v)
}

func (d *differ) scheme(before, after *Scheme) {
	const where = "scheme"
	d.value(where, "version", before.Version, after.Version)
	d.value(where, "sequence number", before.SequenceNumber, after.SequenceNumber)
	d.value(where, "type", before.Type, after.Type)
	d.value(where, "operator", before.OperatorName, after.OperatorName)
	d.value(where, "operator's address", before.OperatorAddress, after.OperatorAddress)
	d.value(where, "name", before.Name, after.Name)
	d.value(where, "information", before.InformationURI, after.InformationURI)
	d.value(where, "status determination", before.StatusDetermination, after.StatusDetermination)
	d.value(where, "rules", before.CommunityRules, after.CommunityRules)
	d.value(where, "territory", before.Territory, after.Territory)
	d.value(where, "policy", before.Policy, after.Policy)
	d.value(where, "legal notice", before.LegalNotice, after.LegalNotice)
	d.value(where, "history kept for days", before.HistoricalPeriod, after.HistoricalPeriod)
	d.value(where, "issued", before.IssuedAt, after.IssuedAt)
	d.value(where, "next update", before.NextUpdate, after.NextUpdate)
	d.value(where, "distribution points", before.DistributionPoints, after.DistributionPoints)
	d.pointers(before.Pointers, after.Pointers)
	if !reflect.DeepEqual(before.Extensions, after.Extensions) {
		d.add(where, "extensions changed")
	}
}

func (d *differ) pointers(before, after []Pointer) {
	old := map[string]*Pointer{}
	for i := range before {
		old[before[i].Location] = &before[i]
	}
	for i := range after {
		p := &after[i]
		where := "pointer " + p.Location
		was, ok := old[p.Location]
		delete(old, p.Location)
		switch {
		case !ok:
			d.add(where, "new, for %s", p.About().Territory)
		case !sameCertificates(was.Signers(), p.Signers()):
			d.add(where, "signers: %s → %s", fingerprints(was.Signers()), fingerprints(p.Signers()))
		case !reflect.DeepEqual(was.Additional, p.Additional):
			d.add(where, "additional information changed")
		}
	}
	for _, location := range slices.Sorted(maps.Keys(old)) {
		d.add("pointer "+location, "removed")
	}
}

func fingerprints(certificates []*Certificate) string {
	var all []string
	for _, c := range certificates {
		all = append(all, c.Fingerprint()[:16])
	}
	return strings.Join(all, ", ")
}

// named is a service and its provider.
type named struct {
	provider *Provider
	service  *Service
}

func (n named) where() string { return In(n.provider.Name) + " / " + In(n.service.Name) }

// services pairs the services of both lists by what they are: type and key.
func (d *differ) services(before, after *List) {
	old := servicesOf(before)
	for _, now := range orderedServices(after) {
		key := serviceKey(&now.service.State)
		was, ok := old[key]
		if !ok {
			d.add(now.where(), "new service %s, status %s since %s", last(now.service.Type), last(now.service.Status), now.service.Since.Format(time.RFC3339))
			continue
		}
		delete(old, key)
		d.service(was, now)
	}
	for _, was := range orderedServices(before) {
		if _, gone := old[serviceKey(&was.service.State)]; gone {
			d.add(was.where(), "removed")
			delete(old, serviceKey(&was.service.State))
		}
	}
}

func orderedServices(l *List) (all []named) {
	for i := range l.Providers {
		for j := range l.Providers[i].Services {
			all = append(all, named{&l.Providers[i], &l.Providers[i].Services[j]})
		}
	}
	return all
}

func servicesOf(l *List) map[string]named {
	all := map[string]named{}
	for _, n := range orderedServices(l) {
		all[serviceKey(&n.service.State)] = n
	}
	return all
}

// serviceKey tells services apart: ETSI TS 119 612, Section 5.5.3, has one
// entry for a type and a public key.
func serviceKey(s *State) string {
	key := s.Type
	for _, d := range s.Identity {
		if d.Certificate != nil {
			if f, err := d.Certificate.Facts(); err == nil {
				return key + "\x00" + string(f.SPKI)
			}
			return key + "\x00" + d.Certificate.Fingerprint() + d.Certificate.Text
		}
	}
	for _, d := range s.Identity {
		if d.SKI != nil {
			return key + "\x00" + string(d.SKI)
		}
	}
	return key + "\x00" + fmt.Sprint(s.Name)
}

func (d *differ) service(was, now named) {
	where := now.where()
	d.value(where, "provider", was.provider.Name, now.provider.Name)
	d.value(where, "name", was.service.Name, now.service.Name)
	d.value(where, "status", last(was.service.Status), last(now.service.Status))
	d.value(where, "status since", was.service.Since, now.service.Since)
	if !sameCertificates(was.service.Identity.Certificates(), now.service.Identity.Certificates()) {
		d.add(where, "certificates: %s → %s", fingerprints(was.service.Identity.Certificates()), fingerprints(now.service.Identity.Certificates()))
	}
	d.value(where, "uses", uses(was.service.Extensions), uses(now.service.Extensions))
	if !reflect.DeepEqual(was.service.Extensions, now.service.Extensions) && reflect.DeepEqual(uses(was.service.Extensions), uses(now.service.Extensions)) {
		d.add(where, "extensions changed")
	}
	d.value(where, "supply points", was.service.SupplyPoints, now.service.SupplyPoints)
	if a, b := len(was.service.History), len(now.service.History); a != b {
		d.add(where, "history: %d → %d entries", a, b)
	} else if !reflect.DeepEqual(was.service.History, now.service.History) {
		d.add(where, "history was rewritten")
	}
}
