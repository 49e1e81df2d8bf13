package xmlsec

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Limits bound what [Parse] takes. A zero field means its default.
type Limits struct {
	Octets   int // default 32 MiB
	Elements int // default 250,000
	Depth    int // default 64
	// Attributes of one element, namespace declarations included. Default 64.
	Attributes int
	// Namespaces that are declared at one place, by the element and all around
	// it. Default 64: canonicalisation looks through them.
	Namespaces int
}

func (l Limits) withDefaults() Limits {
	fill := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	fill(&l.Octets, 32<<20)
	fill(&l.Elements, 250_000)
	fill(&l.Depth, 64)
	fill(&l.Attributes, 64)
	fill(&l.Namespaces, 64)
	return l
}

// SyntaxError says what of a document is not well-formed or not taken, and
// where.
type SyntaxError struct {
	Line   int
	Detail string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Detail) }

// declaration is what a document may begin with (XML 1.0, Section 2.8), when
// its encoding is UTF-8.
var declaration = regexp.MustCompile(`^<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:"1\.0"|'1\.0')` +
	`(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?:"(?i:utf-8)"|'(?i:utf-8)'))?` +
	`(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:"(?:yes|no)"|'(?:yes|no)'))?[ \t\r\n]*\?>`)

// mark is the byte order mark, which a UTF-8 document may begin with.
var mark = []byte("\uFEFF")

// Parse reads a document. It takes well-formed XML 1.0 with namespaces and
// without document type, processing instructions and relative namespace names.
// The error is a [*SyntaxError].
func Parse(data []byte, limits Limits) (*Document, error) {
	limits = limits.withDefaults()
	p := &parser{limits: limits}
	if len(data) > limits.Octets {
		return nil, p.fault("the document has %d octets; %d are taken", len(data), limits.Octets)
	}
	if !utf8.Valid(data) {
		return nil, p.fault("the document is not UTF-8")
	}
	p.s = string(data)
	if at := badCharacter(data); at >= 0 {
		p.at = at
		return nil, p.fault("XML has no character %#02x", data[at])
	}
	if bytes.HasPrefix(data, mark) {
		p.at = len(mark)
	}
	if strings.HasPrefix(p.s[p.at:], "<?xml") {
		found := declaration.FindString(p.s[p.at:min(len(p.s), p.at+256)])
		if found == "" {
			return nil, p.fault("the XML declaration is not one of XML 1.0 in UTF-8")
		}
		p.at += len(found)
	}
	if err := p.misc(); err != nil {
		return nil, err
	}
	if p.at == len(p.s) {
		return nil, p.fault("there is no element")
	}
	if err := p.tree(); err != nil {
		return nil, err
	}
	if err := p.misc(); err != nil {
		return nil, err
	}
	if p.at < len(p.s) {
		return nil, p.fault("something follows the root element")
	}
	return &Document{Root: p.root, Size: len(data), Elements: p.elements}, nil
}

// parser is one run over a document. Names and most texts are pieces of s.
type parser struct {
	s      string
	at     int
	limits Limits
	root   *Element
	// open is the element that is being read, depth deep.
	open     *Element
	depth    int
	elements int
	// scope has the declarations in force, the innermost last.
	scope []Namespace
	// pieces are the text that was read since the last tag: comments and CDATA
	// sections cut it.
	pieces []string
	// line is that of the offset lineAt.
	line, lineAt int
	// spareElements and spareNodes are allocated many at a time.
	spareElements []Element
	spareNodes    []node
}

func (p *parser) fault(format string, args ...any) error {
	return &SyntaxError{p.lineHere(), fmt.Sprintf(format, args...)}
}

func (p *parser) lineHere() int {
	at := min(p.at, len(p.s))
	if at > p.lineAt {
		p.line += strings.Count(p.s[p.lineAt:at], "\n")
		p.lineAt = at
	}
	return p.line + 1
}

// misc skips white space and comments outside of the root.
func (p *parser) misc() error {
	for {
		p.space()
		switch {
		case strings.HasPrefix(p.s[p.at:], "<!--"):
			if err := p.comment(); err != nil {
				return err
			}
		case strings.HasPrefix(p.s[p.at:], "<?"):
			return p.fault("processing instructions are not taken")
		case strings.HasPrefix(p.s[p.at:], "<!"):
			return p.fault("document types are not taken")
		default:
			return nil
		}
	}
}

func (p *parser) space() bool {
	from := p.at
	for p.at < len(p.s) && isSpace(p.s[p.at]) {
		p.at++
	}
	return p.at > from
}

// comment skips a comment. XML 1.0, Section 2.5: no "--" in it.
func (p *parser) comment() error {
	body := p.s[p.at+len("<!--"):]
	end := strings.Index(body, "--")
	if end < 0 || !strings.HasPrefix(body[end:], "-->") {
		return p.fault("the comment does not end")
	}
	p.at += len("<!--") + end + len("-->")
	return nil
}

// tree reads the root element and all below it.
func (p *parser) tree() error {
	for {
		rest := p.s[p.at:]
		var err error
		switch {
		case strings.HasPrefix(rest, "</"):
			err = p.endTag()
		case strings.HasPrefix(rest, "<!--"):
			err = p.comment()
		case strings.HasPrefix(rest, "<![CDATA["):
			err = p.cdata()
		case strings.HasPrefix(rest, "<!"), strings.HasPrefix(rest, "<?"):
			err = p.fault("document types and processing instructions are not taken")
		case strings.HasPrefix(rest, "<"):
			err = p.startTag()
		case rest == "":
			err = p.fault("the document ends inside of %s", p.open.Path())
		default:
			err = p.text()
		}
		if err != nil || p.open == nil {
			return err
		}
	}
}

func (p *parser) text() error {
	if p.open == nil {
		return p.fault("text stands outside of the root element")
	}
	end := strings.IndexByte(p.s[p.at:], '<')
	if end < 0 {
		end = len(p.s) - p.at
	}
	raw := p.s[p.at : p.at+end]
	// XML 1.0, Section 2.4.
	if i := strings.Index(raw, "]]>"); i >= 0 {
		p.at += i
		return p.fault("]]> stands in text")
	}
	decoded, bad, ok := decode(raw, false)
	if !ok {
		p.at += bad
		return p.fault("this reference is not taken")
	}
	p.at += end
	p.pieces = append(p.pieces, decoded)
	return nil
}

func (p *parser) cdata() error {
	if p.open == nil {
		return p.fault("text stands outside of the root element")
	}
	body := p.s[p.at+len("<![CDATA["):]
	end := strings.Index(body, "]]>")
	if end < 0 {
		return p.fault("the CDATA section does not end")
	}
	p.at += len("<![CDATA[") + end + len("]]>")
	if end > 0 {
		p.pieces = append(p.pieces, lines(body[:end]))
	}
	return nil
}

// addText adds the pieces as one text. They are joined once, since a document
// may cut its text into millions.
func (p *parser) addText() {
	switch len(p.pieces) {
	case 0:
		return
	case 1:
		p.add(node{text: p.pieces[0]})
	default:
		p.add(node{text: strings.Join(p.pieces, "")})
	}
	p.pieces = p.pieces[:0]
}

func (p *parser) add(n node) {
	if len(p.spareNodes) == 0 {
		p.spareNodes = make([]node, 256)
	}
	added := &p.spareNodes[0]
	p.spareNodes = p.spareNodes[1:]
	*added = n
	if p.open.last == nil {
		p.open.first = added
	} else {
		p.open.last.next = added
	}
	p.open.last = added
}
