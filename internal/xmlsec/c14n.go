package xmlsec

import (
	"cmp"
	"slices"
	"strings"
)

// MaxPrefixes bounds the prefixes of a [Method]: each costs time at every
// element, and whoever signs, or says to have signed, chooses them.
const MaxPrefixes = 16

// Method is a canonicalisation: which form, and for the exclusive one the
// prefixes that are treated as the inclusive one does.
type Method struct {
	Exclusive bool
	// Prefixes is the PrefixList of InclusiveNamespaces; "#default" is the
	// default namespace. Only the exclusive form has it.
	Prefixes []string
	// v11 is Canonical XML 1.1, which inherits fewer attributes.
	v11 bool
}

// Canonicalize appends to out the canonical form of e and all below it but
// except: the octets that a signature over e is made from. Comments are left
// out.
//
// Canonical XML 1.0, Section 2; Exclusive XML Canonicalization 1.0, Section 3.
func Canonicalize(out []byte, e *Element, method Method, except *Element) []byte {
	c := &canonicalizer{out: out, method: method, except: except}
	c.element(e, true)
	return c.out
}

// canonicalizer is one run.
type canonicalizer struct {
	out    []byte
	method Method
	except *Element
	// rendered has the declarations in force in the output, the innermost
	// last.
	rendered []Namespace
	// declare and attributes are scratch space.
	declare    []Namespace
	attributes []Attribute
}

func (c *canonicalizer) element(e *Element, apex bool) {
	before := len(c.rendered)
	c.out = append(c.out, '<')
	c.tagName(e)
	c.namespaces(e, apex)
	c.attribute(e, apex)
	c.out = append(c.out, '>')
	for n := e.first; n != nil; n = n.next {
		switch {
		case n.element == nil:
			c.out = EscapeText(c.out, n.text)
		case n.element != c.except:
			c.element(n.element, false)
		}
	}
	c.out = append(c.out, '<', '/')
	c.tagName(e)
	c.out = append(c.out, '>')
	c.rendered = c.rendered[:before]
}

func (c *canonicalizer) tagName(e *Element) {
	if e.Prefix != "" {
		c.out = append(append(c.out, e.Prefix...), ':')
	}
	c.out = append(c.out, e.Local...)
}

// namespaces writes the declarations that e needs and its output ancestors do
// not have.
func (c *canonicalizer) namespaces(e *Element, apex bool) {
	c.declare = c.declare[:0]
	if c.method.Exclusive {
		// Exclusive XML Canonicalization 1.0, Section 3: what the names of the
		// element and its attributes use.
		c.want(e.Prefix, e.Space)
		for i := range e.Attributes {
			if a := &e.Attributes[i]; a.Prefix != "" && a.Prefix != "xml" {
				c.want(a.Prefix, a.Space)
			}
		}
		for _, prefix := range c.method.Prefixes {
			if prefix == "#default" {
				prefix = ""
			}
			if uri, ok := e.Lookup(prefix); ok || prefix == "" {
				c.want(prefix, uri)
			}
		}
	} else {
		for at := e; at != nil; at = at.Parent {
			for _, d := range at.Declared {
				// The innermost declaration of a prefix counts.
				if uri, _ := e.Lookup(d.Prefix); at == e || uri == d.URI {
					c.want(d.Prefix, d.URI)
				}
			}
			if !apex {
				break
			}
		}
	}
	slices.SortFunc(c.declare, func(a, b Namespace) int { return cmp.Compare(a.Prefix, b.Prefix) })
	for _, d := range c.declare {
		c.out = append(c.out, " xmlns"...)
		if d.Prefix != "" {
			c.out = append(append(c.out, ':'), d.Prefix...)
		}
		c.out = append(EscapeValue(append(c.out, '=', '"'), d.URI), '"')
	}
	c.rendered = append(c.rendered, c.declare...)
}

// want puts a declaration among those to be written, unless it is in force.
func (c *canonicalizer) want(prefix, uri string) {
	if prefix == "xml" {
		return
	}
	for _, d := range c.declare {
		if d.Prefix == prefix {
			return
		}
	}
	for i := len(c.rendered) - 1; i >= 0; i-- {
		if d := &c.rendered[i]; d.Prefix == prefix {
			if d.URI == uri {
				return
			}
			c.declare = append(c.declare, Namespace{prefix, uri})
			return
		}
	}
	// No default namespace in force and none wanted: nothing to say.
	if uri != "" {
		c.declare = append(c.declare, Namespace{prefix, uri})
	}
}

// attribute writes the attributes, by namespace and name.
func (c *canonicalizer) attribute(e *Element, apex bool) {
	if len(e.Attributes) == 0 && (c.method.Exclusive || !apex) {
		return
	}
	c.attributes = append(c.attributes[:0], e.Attributes...)
	if apex && !c.method.Exclusive {
		c.inherit(e)
	}
	slices.SortFunc(c.attributes, func(a, b Attribute) int {
		return cmp.Or(cmp.Compare(a.Space, b.Space), cmp.Compare(a.Local, b.Local))
	})
	for i := range c.attributes {
		a := &c.attributes[i]
		c.out = append(c.out, ' ')
		if a.Prefix != "" {
			c.out = append(append(c.out, a.Prefix...), ':')
		}
		c.out = append(append(c.out, a.Local...), '=', '"')
		c.out = append(EscapeValue(c.out, a.Value), '"')
	}
}

// inherit adds the attributes of the xml namespace that e has from above.
//
// Canonical XML 1.0, Section 2.4: all of them. Canonical XML 1.1, Section 2.4:
// xml:lang and xml:space; xml:base, which would have to be joined, is not
// joined here, and a signature under it does not verify.
func (c *canonicalizer) inherit(e *Element) {
	for at := e.Parent; at != nil; at = at.Parent {
		for _, a := range at.Attributes {
			if a.Space != SpaceXML || c.method.v11 && a.Local != "lang" && a.Local != "space" {
				continue
			}
			if !slices.ContainsFunc(c.attributes, func(b Attribute) bool { return b.Name == a.Name }) {
				c.attributes = append(c.attributes, a)
			}
		}
	}
}

// EscapeText appends text in its canonical form (Canonical XML 1.0, Section 2.3).
func EscapeText(out []byte, s string) []byte { return escape(out, s, "&<>\r") }

// EscapeValue appends the value of an attribute in its canonical form.
func EscapeValue(out []byte, s string) []byte { return escape(out, s, "&<\"\t\n\r") }

// escape appends s with a reference in the place of each of some characters.
func escape(out []byte, s, special string) []byte {
	for {
		i := strings.IndexAny(s, special)
		if i < 0 {
			return append(out, s...)
		}
		out = append(out, s[:i]...)
		switch s[i] {
		case '&':
			out = append(out, "&amp;"...)
		case '<':
			out = append(out, "&lt;"...)
		case '>':
			out = append(out, "&gt;"...)
		case '"':
			out = append(out, "&quot;"...)
		case '\t':
			out = append(out, "&#x9;"...)
		case '\n':
			out = append(out, "&#xA;"...)
		case '\r':
			out = append(out, "&#xD;"...)
		}
		s = s[i+1:]
	}
}
