package interop

import (
	"slices"
	"strings"

	"github.com/altamga/altamga/internal/xmlsec"
)

// Fragment is XML that stands inside of an element: canonical, and whole in
// itself, so that it can be put anywhere. It carries what schemes add to lists
// and this package does not interpret.
type Fragment string

// fragmentOf returns what is inside of e. White space that stands alone between
// elements is left out.
func fragmentOf(e *xmlsec.Element) Fragment {
	var b []byte
	mixed := e.HasText()
	for child, text := range e.Nodes() {
		switch {
		case child != nil:
			b = canonical(b, child)
		case mixed:
			b = xmlsec.EscapeText(b, text)
		}
	}
	return Fragment(b)
}

// canonical appends the canonical form of e, with the prefixes that texts inside
// of it may mean, the first of them at least: nobody means many.
func canonical(b []byte, e *xmlsec.Element) []byte {
	method := xmlsec.Method{Exclusive: true}
	mention := func(text string) {
		prefix, _, ok := strings.Cut(strings.TrimSpace(text), ":")
		if _, declared := e.Lookup(prefix); ok && prefix != "" && declared && len(method.Prefixes) < xmlsec.MaxPrefixes && !slices.Contains(method.Prefixes, prefix) {
			method.Prefixes = append(method.Prefixes, prefix)
		}
	}
	for at := range e.All() {
		mention(at.Text())
		for _, a := range at.Attributes {
			mention(a.Value)
		}
	}
	return xmlsec.Canonicalize(b, e, method, nil)
}

// elements returns the elements of the fragment.
func (f Fragment) elements() []*xmlsec.Element {
	d, err := xmlsec.Parse([]byte("<fragment>"+string(f)+"</fragment>"), xmlsec.Limits{})
	if err != nil {
		return nil
	}
	var all []*xmlsec.Element
	for c := range d.Root.Children() {
		all = append(all, c)
	}
	return all
}

// find returns the first element of the fragment with the name, or nil.
func (f Fragment) find(space, local string) *xmlsec.Element {
	if !strings.Contains(string(f), local) {
		return nil
	}
	for _, e := range f.elements() {
		if e.Is(space, local) {
			return e
		}
	}
	return nil
}
