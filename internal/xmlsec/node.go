package xmlsec

import (
	"iter"
	"strings"
)

// Name is a name with its namespace.
type Name struct{ Space, Local string }

// String is the name in Clark's notation, {namespace}local.
func (n Name) String() string {
	if n.Space == "" {
		return n.Local
	}
	return "{" + n.Space + "}" + n.Local
}

// Namespace is a declaration: xmlns:Prefix="URI", or xmlns="URI".
type Namespace struct{ Prefix, URI string }

// Attribute is an attribute that declares no namespace.
type Attribute struct {
	Name
	Prefix, Value string
}

// Document is a parsed document.
type Document struct {
	Root *Element
	// Size is how many octets it was parsed from.
	Size int
	// Elements is how many elements it has.
	Elements int
}

// Element is an element. Comments are no part of the tree, and neighbouring
// pieces of text are one.
type Element struct {
	Name
	Prefix     string
	Attributes []Attribute
	// Declared are the namespaces that the element itself declares.
	Declared []Namespace
	Parent   *Element
	// Line of the start tag.
	Line int

	first, last *node
	// end is where the end tag begins in the octets, 0 for an empty element.
	end int
}

// node is a child: an element, or text when there is none.
type node struct {
	element *Element
	text    string
	next    *node
}

// Is reports whether the element has the name.
func (e *Element) Is(space, local string) bool { return e.Local == local && e.Space == space }

// Attribute returns the value of an attribute.
func (e *Element) Attribute(space, local string) (string, bool) {
	for i := range e.Attributes {
		if a := &e.Attributes[i]; a.Local == local && a.Space == space {
			return a.Value, true
		}
	}
	return "", false
}

// Children returns the elements directly below e.
func (e *Element) Children() iter.Seq[*Element] {
	return func(yield func(*Element) bool) {
		for n := e.first; n != nil; n = n.next {
			if n.element != nil && !yield(n.element) {
				return
			}
		}
	}
}

// Nodes returns what stands directly below e, in order: an element, or text
// where the element is nil.
func (e *Element) Nodes() iter.Seq2[*Element, string] {
	return func(yield func(*Element, string) bool) {
		for n := e.first; n != nil; n = n.next {
			if !yield(n.element, n.text) {
				return
			}
		}
	}
}

// Child returns the first child with the name, or nil.
func (e *Element) Child(space, local string) *Element {
	for c := range e.Children() {
		if c.Is(space, local) {
			return c
		}
	}
	return nil
}

// All returns e and every element below it, in document order.
func (e *Element) All() iter.Seq[*Element] {
	return func(yield func(*Element) bool) { e.walk(yield) }
}

func (e *Element) walk(yield func(*Element) bool) bool {
	if !yield(e) {
		return false
	}
	for n := e.first; n != nil; n = n.next {
		if n.element != nil && !n.element.walk(yield) {
			return false
		}
	}
	return true
}

// Text returns the text directly below e.
func (e *Element) Text() string {
	if e.first == nil {
		return ""
	}
	if e.first.next == nil {
		return e.first.text
	}
	var b strings.Builder
	for n := e.first; n != nil; n = n.next {
		b.WriteString(n.text)
	}
	return b.String()
}

// HasText reports whether there is text directly below e that is not only
// white space.
func (e *Element) HasText() bool {
	for n := e.first; n != nil; n = n.next {
		if strings.Trim(n.text, whiteSpace) != "" {
			return true
		}
	}
	return false
}

// HasElements reports whether e has an element below it.
func (e *Element) HasElements() bool {
	for range e.Children() {
		return true
	}
	return false
}

// Lookup returns the namespace that a prefix stands for at e.
func (e *Element) Lookup(prefix string) (string, bool) {
	if prefix == "xml" {
		return SpaceXML, true
	}
	for at := e; at != nil; at = at.Parent {
		for _, d := range at.Declared {
			if d.Prefix == prefix {
				return d.URI, d.URI != ""
			}
		}
	}
	return "", false
}

// Path names the element for people: the local names from the root down.
func (e *Element) Path() string {
	if e.Parent == nil {
		return e.Local
	}
	return e.Parent.Path() + "/" + e.Local
}
