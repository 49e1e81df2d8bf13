package xmlsec

import "strings"

// startTag reads a start tag or an empty element.
func (p *parser) startTag() error {
	if p.elements++; p.elements > p.limits.Elements {
		return p.fault("the document has more than %d elements", p.limits.Elements)
	}
	if p.depth++; p.depth > p.limits.Depth {
		return p.fault("elements stand more than %d deep in one another", p.limits.Depth)
	}
	e := p.newElement()
	p.at++
	var ok bool
	if e.Prefix, e.Local, ok = p.name(); !ok {
		return p.fault("this is no name of an element")
	}
	before := len(p.scope)
	if err := p.attributes(e); err != nil {
		return err
	}
	if p.scope = append(p.scope, e.Declared...); len(p.scope) > p.limits.Namespaces {
		return p.fault("more than %d namespaces are declared here", p.limits.Namespaces)
	}
	if err := p.resolve(e); err != nil {
		return err
	}
	if p.open == nil {
		p.root = e
	} else {
		p.addText()
		p.add(node{element: e})
		e.Parent = p.open
	}
	if strings.HasPrefix(p.s[p.at:], "/>") {
		p.at += 2
		p.depth--
		p.scope = p.scope[:before]
		return nil
	}
	if !strings.HasPrefix(p.s[p.at:], ">") {
		return p.fault("the start tag of %s does not end", e.Local)
	}
	p.at++
	p.open = e
	return nil
}

func (p *parser) newElement() *Element {
	if len(p.spareElements) == 0 {
		p.spareElements = make([]Element, 128)
	}
	e := &p.spareElements[0]
	p.spareElements = p.spareElements[1:]
	e.Line = p.lineHere()
	return e
}

func (p *parser) endTag() error {
	if p.open == nil {
		return p.fault("an end tag stands where the root element belongs")
	}
	start := p.at
	p.at += 2
	prefix, local, ok := p.name()
	p.space()
	if !ok || !strings.HasPrefix(p.s[p.at:], ">") || prefix != p.open.Prefix || local != p.open.Local {
		p.at = start
		return p.fault("this is not the end tag of %s", p.open.Path())
	}
	p.at++
	p.addText()
	p.depth--
	p.scope = p.scope[:len(p.scope)-len(p.open.Declared)]
	p.open.end = start
	p.open = p.open.Parent
	return nil
}

// name reads a qualified name (Namespaces in XML 1.0, Section 4).
func (p *parser) name() (prefix, local string, ok bool) {
	rest := p.s[p.at:]
	n := nameEnd(rest)
	if n == 0 {
		return "", "", false
	}
	p.at += n
	if n == len(rest) || rest[n] != ':' {
		return "", rest[:n], true
	}
	m := nameEnd(rest[n+1:])
	if m == 0 {
		return "", "", false
	}
	p.at += 1 + m
	return rest[:n], rest[n+1 : n+1+m], true
}

// attributes reads attributes and namespace declarations, up to the end of the
// tag.
func (p *parser) attributes(e *Element) error {
	for count := 0; ; count++ {
		spaced := p.space()
		if p.at == len(p.s) || p.s[p.at] == '>' || p.s[p.at] == '/' {
			return nil
		}
		if count == p.limits.Attributes {
			return p.fault("an element has more than %d attributes", p.limits.Attributes)
		}
		prefix, local, ok := p.name()
		if !ok || !spaced {
			return p.fault("the start tag of %s is not well-formed", e.Local)
		}
		value, err := p.value()
		if err != nil {
			return err
		}
		switch {
		case prefix == "xmlns":
			err = p.declare(e, Namespace{local, value})
		case prefix == "" && local == "xmlns":
			err = p.declare(e, Namespace{"", value})
		default:
			e.Attributes = append(e.Attributes, Attribute{Name{"", local}, prefix, value})
		}
		if err != nil {
			return err
		}
	}
}

// value reads ="value".
func (p *parser) value() (string, error) {
	p.space()
	if !strings.HasPrefix(p.s[p.at:], "=") {
		return "", p.fault("an attribute has no value")
	}
	p.at++
	p.space()
	if p.at == len(p.s) || p.s[p.at] != '"' && p.s[p.at] != '\'' {
		return "", p.fault("the value of an attribute is not quoted")
	}
	quote := p.s[p.at]
	p.at++
	end := strings.IndexByte(p.s[p.at:], quote)
	if end < 0 {
		return "", p.fault("the value of an attribute does not end")
	}
	raw := p.s[p.at : p.at+end]
	// XML 1.0, Section 3.1.
	if strings.IndexByte(raw, '<') >= 0 {
		return "", p.fault("< stands in the value of an attribute")
	}
	decoded, bad, ok := decode(raw, true)
	if !ok {
		p.at += bad
		return "", p.fault("this reference is not taken")
	}
	p.at += end + 1
	return decoded, nil
}

// declare takes a namespace declaration (Namespaces in XML 1.0, Section 3).
func (p *parser) declare(e *Element, d Namespace) error {
	for _, other := range e.Declared {
		if other.Prefix == d.Prefix {
			return p.fault("%s declares the prefix %q twice", e.Local, d.Prefix)
		}
	}
	switch {
	case d.Prefix == "xmlns", d.URI == spaceXMLNS, (d.Prefix == "xml") != (d.URI == SpaceXML):
		return p.fault("the prefixes xml and xmlns have their meaning")
	case d.Prefix != "" && d.URI == "":
		return p.fault("the prefix %q is declared as nothing", d.Prefix)
	case d.URI != "" && !hasScheme(d.URI):
		// Canonical XML 1.0, Section 1.3: relative names cannot be
		// canonicalised.
		return p.fault("the namespace %q is relative", d.URI)
	}
	e.Declared = append(e.Declared, d)
	return nil
}

// resolve finds the namespaces of the element's and its attributes' names.
func (p *parser) resolve(e *Element) error {
	var ok bool
	if e.Space, ok = p.lookup(e.Prefix); !ok && e.Prefix != "" {
		return p.fault("the prefix %q is not declared", e.Prefix)
	}
	for i := range e.Attributes {
		a := &e.Attributes[i]
		if a.Prefix != "" {
			if a.Space, ok = p.lookup(a.Prefix); !ok {
				return p.fault("the prefix %q is not declared", a.Prefix)
			}
		}
		for _, other := range e.Attributes[:i] {
			if other.Name == a.Name {
				return p.fault("%s has the attribute %s twice", e.Local, a.Local)
			}
		}
	}
	return nil
}

func (p *parser) lookup(prefix string) (string, bool) {
	if prefix == "xml" {
		return SpaceXML, true
	}
	for i := len(p.scope) - 1; i >= 0; i-- {
		if p.scope[i].Prefix == prefix {
			return p.scope[i].URI, p.scope[i].URI != ""
		}
	}
	return "", false
}
