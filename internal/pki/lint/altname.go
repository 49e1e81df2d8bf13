package lint

import (
	"encoding/asn1"
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

var nameLints = []Lint{
	{"CERT-17", "RFC 5280, Section 4.2.1.6", "alternative names well-formed, none empty or relative", alternativeNames},
	{"CERT-18", "RFC 9549, Section 2.3", "international names as A-labels, mailboxes outside ASCII as SmtpUTF8Mailbox", internationalNames},
}

// generalName is one GeneralName: the context tag and the contents.
type generalName struct {
	tag   cryptobyte_asn1.Tag
	value string
	uri   uri // of a uniformResourceIdentifier
}

// Tags of GeneralName (RFC 5280, Section 4.2.1.6).
var (
	otherName = contextSequence(0)
	mailName  = context(1)
	hostName  = context(2)
	uriName   = context(6)
	ipName    = context(7)
)

func readGeneralName(s *cryptobyte.String, out *generalName) bool {
	var value cryptobyte.String
	if !s.ReadAnyASN1(&value, &out.tag) || out.tag&0xc0 != 0x80 {
		return false
	}
	if out.value = string(value); out.tag == uriName {
		out.uri = readURI(out.value)
	}
	return true
}

// readGeneralNames reads the contents of GeneralNames.
func readGeneralNames(list cryptobyte.String) (names []generalName, ok bool) {
	for !list.Empty() {
		var n generalName
		if !readGeneralName(&list, &n) {
			return nil, false
		}
		names = append(names, n)
	}
	return names, len(names) > 0
}

// alternative returns the names of subjectAltName; ok is false when they are
// malformed.
func (c *certificate) alternative() (names []generalName, ok bool) {
	e := c.extension(pki.OIDSubjectAltName)
	if e == nil {
		return nil, true
	}
	list, ok := der.Whole(e.value, sequence)
	if !ok {
		return nil, false
	}
	return readGeneralNames(list)
}

func alternativeNames(c *certificate, r *report) {
	names, ok := c.alternative()
	if !ok {
		r.must("the alternative names are malformed, or there is none")
	}
	for i, n := range names {
		if !ascii(n.value) && n.tag != ipName {
			continue // CERT-18's
		}
		switch {
		case n.tag == ipName && len(n.value) != 4 && len(n.value) != 16:
			r.must("alternative name %d is no address of 4 or 16 octets", i+1)
		case n.tag == ipName:
		case strings.TrimSpace(n.value) == "":
			r.must("alternative name %d is empty", i+1)
		case n.tag == hostName && !host(strings.TrimPrefix(n.value, "*.")):
			r.must("alternative name %d is not a host name", i+1)
		case n.tag == mailName && !mailbox(n.value):
			r.must("alternative name %d is not a mailbox", i+1)
		case n.tag == uriName && n.uri == noURI:
			r.must("alternative name %d is not an absolute URI", i+1)
		}
	}
}

func internationalNames(c *certificate, r *report) {
	names, _ := c.alternative()
	for i, n := range names {
		switch {
		case (n.tag == hostName || n.tag == mailName || n.tag == uriName) && !ascii(n.value):
			r.must("alternative name %d holds letters outside ASCII", i+1)
		case n.tag == otherName:
			if fault := mailboxUTF8(n.value); fault != "" {
				r.must("alternative name %d %s (RFC 9598, Section 3)", i+1, fault)
			}
		}
	}
}

// mailboxUTF8 says what is wrong with an otherName that is a SmtpUTF8Mailbox.
//
// RFC 9598, Section 3: a UTF8String without byte order mark, used only for a
// local part outside ASCII, and with a domain of A-labels.
func mailboxUTF8(contents string) string {
	body := cryptobyte.String(contents)
	var id asn1.ObjectIdentifier
	if !readID(&body, &id) {
		return "is malformed"
	}
	if !id.Equal(pki.OIDSmtpUTF8Mailbox) {
		return ""
	}
	var value, text cryptobyte.String
	if !body.ReadASN1(&value, contextSequence(0)) || !body.Empty() || !value.ReadASN1(&text, cryptobyte_asn1.UTF8String) || !value.Empty() || !utf8.Valid(text) {
		return "is not a UTF8String"
	}
	local, domain, ok := strings.Cut(string(text), "@")
	switch {
	case strings.HasPrefix(local, "\ufeff"):
		return "begins with a byte order mark"
	case !ok || local == "" || !host(domain):
		return "is not a mailbox at a domain of A-labels"
	case ascii(local):
		return "is in ASCII, for which rfc822Name is the form"
	}
	return ""
}

func ascii(s string) bool {
	for _, c := range []byte(s) {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// host reports whether s is a host name in the preferred syntax (RFC 1034,
// Section 3.5, with RFC 1123, Section 2.1).
func host(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-') {
				return false
			}
		}
	}
	// The last label of an address is a number.
	last := s[len(s)-1]
	return last < '0' || last > '9' || !address(s)
}

// mailbox reports whether s is a local part of printable characters at a host.
func mailbox(s string) bool {
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at > 64 || !host(s[at+1:]) {
		return false
	}
	return strings.IndexFunc(s[:at], func(c rune) bool { return c <= ' ' || c > '~' }) < 0
}

// uri is what a text is as a URI.
type uri int

const (
	noURI uri = iota // or not an absolute one
	otherURI
	httpURI
	httpsURI
)

// readURI reads an absolute URI: one with a scheme and a scheme-specific part,
// and with an authority a host that is a name or an address.
func readURI(s string) uri {
	if kind := readPlainURI(s); kind != noURI {
		return kind
	}
	return readAnyURI(s)
}

func readAnyURI(s string) uri {
	u, err := url.Parse(s)
	if err != nil || !u.IsAbs() || strings.IndexFunc(s, func(c rune) bool { return c <= ' ' || c > '~' }) >= 0 {
		return noURI
	}
	if u.Opaque != "" {
		return otherURI
	}
	if name := u.Hostname(); u.Host == "" || !host(name) && !address(name) {
		return noURI
	}
	switch u.Scheme {
	case "http":
		return httpURI
	case "https":
		return httpsURI
	}
	return otherURI
}

// readPlainURI reads the URIs that nearly all certificates hold: http or https, a
// name or address with or without a port, and a path of plain characters. Others it leaves to
// readAnyURI, which says the same of these at ten times the cost.
func readPlainURI(s string) uri {
	rest, kind := strings.TrimPrefix(s, "http://"), httpURI
	if len(rest) == len(s) {
		rest, kind = strings.TrimPrefix(s, "https://"), httpsURI
	}
	place, path, _ := strings.Cut(rest, "/")
	name, port, _ := strings.Cut(place, ":")
	if len(rest) == len(s) || strings.Trim(port, "0123456789") != "" || !host(name) && !address(name) {
		return noURI
	}
	for _, c := range []byte(path) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '/') {
			return noURI
		}
	}
	return kind
}

func address(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}
