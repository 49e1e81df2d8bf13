package interop

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/xmlsec"
)

// reader reads a list from its tree. The first fault ends the reading: what
// comes after it is read as nothing.
type reader struct {
	version int
	notes   []string
	err     error
}

func (r *reader) fail(e *xmlsec.Element, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("line %d, %s: %s", e.Line, e.Path(), fmt.Sprintf(format, args...))
	}
}

// tolerate takes what lists before version 5 do, and refuses it in others.
func (r *reader) tolerate(e *xmlsec.Element, format string, args ...any) {
	if r.version >= 5 {
		r.fail(e, format, args...)
		return
	}
	if len(r.notes) < 100 {
		r.notes = append(r.notes, fmt.Sprintf("line %d, %s: %s", e.Line, e.Path(), fmt.Sprintf(format, args...)))
	}
}

// cursor walks the children of an element in the order that its schema wants.
type cursor struct {
	*reader
	e    *xmlsec.Element
	rest []*xmlsec.Element
}

// within returns a cursor over the children of e, which may have the
// attributes named and no others.
func (r *reader) within(e *xmlsec.Element, attributes ...xmlsec.Name) *cursor {
	c := &cursor{reader: r, e: e}
	if e == nil {
		return c
	}
	for child := range e.Children() {
		c.rest = append(c.rest, child)
	}
	if e.HasText() {
		r.fail(e, "has text between its elements")
	}
	r.attributes(e, attributes...)
	return c
}

func (r *reader) attributes(e *xmlsec.Element, allowed ...xmlsec.Name) {
next:
	for _, a := range e.Attributes {
		for _, name := range allowed {
			if a.Name == name {
				continue next
			}
		}
		// XML Schema, Part 1, Section 2.6: its own attributes stand anywhere.
		if a.Space != "http://www.w3.org/2001/XMLSchema-instance" {
			r.fail(e, "has an attribute %s, which version %d does not know", a.Name, r.version)
		}
	}
}

// maybe returns the next child if it has the name, or nil.
func (c *cursor) maybe(local string) *xmlsec.Element { return c.maybeOf(spaceList, local) }

func (c *cursor) maybeOf(space, local string) *xmlsec.Element {
	if len(c.rest) == 0 || !c.rest[0].Is(space, local) {
		return nil
	}
	e := c.rest[0]
	c.rest = c.rest[1:]
	return e
}

// must returns the next child, which has the name.
func (c *cursor) must(local string) *xmlsec.Element {
	e := c.maybe(local)
	if e == nil && c.e != nil {
		if len(c.rest) > 0 {
			c.fail(c.rest[0], "stands where %s belongs", local)
		} else {
			c.fail(c.e, "has no %s", local)
		}
	}
	return e
}

// end refuses what is left.
func (c *cursor) end() {
	if len(c.rest) > 0 {
		c.fail(c.rest[0], "does not belong here")
	}
}

var langAttribute = xmlsec.Name{Space: xmlsec.SpaceXML, Local: "lang"}

// word reads the text of an element without the white space around it.
func (r *reader) word(e *xmlsec.Element, attributes ...xmlsec.Name) string {
	if e == nil {
		return ""
	}
	if e.HasElements() {
		r.fail(e, "has elements where text belongs")
	}
	r.attributes(e, attributes...)
	return strings.Trim(e.Text(), " \t\r\n")
}

func (r *reader) uri(e *xmlsec.Element, attributes ...xmlsec.Name) string {
	u := r.word(e, attributes...)
	if u == "" && e != nil {
		r.fail(e, "is empty")
	}
	return u
}

func (r *reader) number(e *xmlsec.Element) uint64 {
	if e == nil {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(r.word(e), "+"), 10, 63)
	if err != nil {
		r.fail(e, "%q is not a number", e.Text())
	}
	return n
}

// moment reads a dateTime. One without a time zone is taken for UTC.
func (r *reader) moment(e *xmlsec.Element) time.Time {
	if e == nil {
		return time.Time{}
	}
	text := r.word(e)
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			if _, offset := t.Zone(); offset == 0 {
				t = t.UTC()
			}
			return t
		}
	}
	r.fail(e, "%q is not a date and time", text)
	return time.Time{}
}

// text reads a text with its language.
func (r *reader) text(e *xmlsec.Element) Text {
	if e == nil {
		return Text{}
	}
	if e.HasElements() {
		r.fail(e, "has elements where text belongs")
	}
	r.attributes(e, langAttribute)
	t := Text{Value: e.Text()}
	var ok bool
	if t.Lang, ok = e.Attribute(xmlsec.SpaceXML, "lang"); !ok {
		r.tolerate(e, "has no xml:lang")
	}
	if t.Value == "" {
		r.tolerate(e, "is empty")
	}
	return t
}

// texts reads all children, which have the name.
func (r *reader) texts(e *xmlsec.Element, local string) (all []Text) {
	if e == nil {
		return nil
	}
	c := r.within(e)
	for child := c.must(local); child != nil; child = c.maybe(local) {
		t := r.text(child)
		if local == "URI" {
			t.Value = strings.Trim(t.Value, " \t\r\n")
		}
		all = append(all, t)
	}
	c.end()
	return all
}

func (r *reader) names(e *xmlsec.Element) []Text { return r.texts(e, "Name") }

func (r *reader) uris(e *xmlsec.Element) []Text { return r.texts(e, "URI") }
