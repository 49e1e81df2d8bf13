package xmlsec

import (
	"strings"
	"unicode/utf8"
)

// The namespaces of the Namespaces in XML recommendation.
const (
	SpaceXML   = "http://www.w3.org/XML/1998/namespace"
	spaceXMLNS = "http://www.w3.org/2000/xmlns/"
)

const whiteSpace = " \t\r\n"

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// nameEnd returns where the NCName that s begins with ends: 0 when it begins
// with none.
func nameEnd(s string) int {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
			i++
		case i > 0 && ('0' <= c && c <= '9' || c == '-' || c == '.'):
			i++
		case c < utf8.RuneSelf:
			return i
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			if !nameStart(r) && (i == 0 || !nameMore(r)) {
				return i
			}
			i += n
		}
	}
	return len(s)
}

// nameStart has the non-ASCII part of NameStartChar (XML 1.0, Section 2.3).
func nameStart(r rune) bool {
	return 0xC0 <= r && r <= 0x2FF && r != 0xD7 && r != 0xF7 || 0x370 <= r && r <= 0x1FFF && r != 0x37E ||
		r == 0x200C || r == 0x200D || 0x2070 <= r && r <= 0x218F || 0x2C00 <= r && r <= 0x2FEF ||
		0x3001 <= r && r <= 0xD7FF || 0xF900 <= r && r <= 0xFDCF || 0xFDF0 <= r && r <= 0xFFFD || 0x10000 <= r && r <= 0xEFFFF
}

// nameMore has what NameChar adds to it.
func nameMore(r rune) bool {
	return r == 0xB7 || 0x300 <= r && r <= 0x36F || r == 0x203F || r == 0x2040
}

// isChar reports whether a character reference may name r (XML 1.0, Section
// 2.2).
func isChar(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || 0x20 <= r && r <= 0xD7FF || 0xE000 <= r && r <= 0xFFFD || 0x10000 <= r && r <= 0x10FFFF
}

// badCharacter returns where the first character stands that XML does not
// have, or -1. The octets are UTF-8.
func badCharacter(data []byte) int {
	for i, c := range data {
		if c < 0x20 && c != '\t' && c != '\n' && c != '\r' {
			return i
		}
		// U+FFFE and U+FFFF.
		if c == 0xEF && i+2 < len(data) && data[i+1] == 0xBF && data[i+2] >= 0xBE {
			return i
		}
	}
	return -1
}

// hasScheme reports whether a URI is absolute.
func hasScheme(uri string) bool {
	scheme, _, ok := strings.Cut(uri, ":")
	if !ok || scheme == "" {
		return false
	}
	for i := range len(scheme) {
		c := scheme[i] | 0x20
		if (c < 'a' || c > 'z') && (i == 0 || (c < '0' || c > '9') && scheme[i] != '+' && scheme[i] != '-' && scheme[i] != '.') {
			return false
		}
	}
	return true
}
