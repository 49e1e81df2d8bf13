package truststore

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/altamga/altamga/interop"
)

// Anchor is a certificate that a list vouches for.
type Anchor struct {
	Entry       interop.Entry
	Certificate *interop.Certificate
	Facts       *interop.Facts
	Territory   string
	Provider    string
	Service     string
	// Type and Status are URIs.
	Type, Status string
	Since        time.Time
	// Sequence and Issued are those of the list.
	Sequence uint64
	Issued   time.Time
}

// Filter chooses anchors. An empty field chooses all; words are compared with
// the end of URIs, so that "CA/QC" and "granted" do.
type Filter struct {
	Territories []string
	Types       []string
	// Statuses. Default: those that are relied on.
	Statuses []string
	// Algorithms are rsa, ecdsa, ed25519, brainpool, gost3410-2012, or object identifiers.
	Algorithms []string
}

func (f Filter) takes(a *Anchor) bool {
	named := func(words []string, uri string) bool {
		return len(words) == 0 || slices.ContainsFunc(words, func(w string) bool { return uri == w || strings.HasSuffix(uri, "/"+w) })
	}
	if len(f.Statuses) == 0 && !interop.Relied(a.Status) {
		return false
	}
	return named(f.Territories, a.Territory) && named(f.Types, a.Type) && named(f.Statuses, a.Status) && named(f.Algorithms, a.Facts.Algorithm())
}

// Select returns the certificates of the services that the filter takes, each
// once, in an order that depends on nothing else.
func Select(t *interop.Trust, f Filter) (all []Anchor) {
	for e := range t.Services() {
		for _, c := range e.Service.Identity.Certificates() {
			facts, err := c.Facts()
			if err != nil {
				// Text that is no certificate goes into no store.
				continue
			}
			s := e.Service
			a := Anchor{
				Entry: e, Certificate: c, Facts: facts, Territory: e.List.Scheme.Territory, Provider: interop.In(e.Provider.Name), Service: interop.In(s.Name),
				Type: s.Type, Status: s.Status, Since: s.Since, Sequence: e.List.Scheme.SequenceNumber, Issued: e.List.Scheme.IssuedAt,
			}
			if f.takes(&a) {
				all = append(all, a)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Anchor) int {
		return cmp.Or(cmp.Compare(a.Territory, b.Territory), cmp.Compare(a.Certificate.Fingerprint(), b.Certificate.Fingerprint()), cmp.Compare(a.Type, b.Type))
	})
	return all
}

// certificates returns each certificate once: a key may have several services.
func certificates(anchors []Anchor) (all []Anchor) {
	seen := map[string]bool{}
	for _, a := range anchors {
		if !seen[string(a.Certificate.Raw)] {
			seen[string(a.Certificate.Raw)] = true
			all = append(all, a)
		}
	}
	return all
}

// alias is a name that is the anchor's alone and says what it is.
func (a *Anchor) alias() string {
	return strings.ToLower(a.Territory) + "-" + a.Certificate.Fingerprint()[:16]
}
