package xmlsec

import (
	"strconv"
	"strings"
)

// reference reads the reference that s begins with, "&" included, and returns
// what it stands for and its length. Entities are the five predefined ones.
func reference(s string) (r rune, n int, ok bool) {
	end := strings.IndexByte(s[:min(len(s), 12)], ';')
	if end < 2 {
		return 0, 0, false
	}
	name := s[1:end]
	switch name {
	case "lt":
		return '<', end + 1, true
	case "gt":
		return '>', end + 1, true
	case "amp":
		return '&', end + 1, true
	case "quot":
		return '"', end + 1, true
	case "apos":
		return '\'', end + 1, true
	}
	digits, base := name[1:], 10
	if name[0] != '#' {
		return 0, 0, false
	}
	if rest, hexadecimal := strings.CutPrefix(digits, "x"); hexadecimal {
		digits, base = rest, 16
	}
	if digits == "" || digits[0] == '+' || digits[0] == '-' {
		return 0, 0, false
	}
	code, err := strconv.ParseUint(digits, base, 21)
	if err != nil || strings.Contains(digits, "_") || !isChar(rune(code)) {
		return 0, 0, false
	}
	return rune(code), end + 1, true
}

// decode replaces references and line ends, and in attributes white space
// (XML 1.0, Section 2.11 and Section 3.3.3). A false result is a bad reference,
// at the offset.
func decode(s string, attribute bool) (string, int, bool) {
	special := "&\r"
	if attribute {
		special = "&\r\n\t"
	}
	i := strings.IndexAny(s, special)
	if i < 0 {
		return s, 0, true
	}
	var b strings.Builder
	b.Grow(len(s))
	b.WriteString(s[:i])
	for i < len(s) {
		switch c := s[i]; {
		case c == '&':
			r, n, ok := reference(s[i:])
			if !ok {
				return "", i, false
			}
			b.WriteRune(r)
			i += n
			continue
		case attribute && (c == '\t' || c == '\n' || c == '\r'):
			if c == '\r' && i+1 < len(s) && s[i+1] == '\n' {
				i++
			}
			b.WriteByte(' ')
		case c == '\r':
			if i+1 < len(s) && s[i+1] == '\n' {
				i++
			}
			b.WriteByte('\n')
		default:
			b.WriteByte(c)
		}
		i++
	}
	return b.String(), 0, true
}

// lines replaces line ends in a CDATA section, where nothing else is special.
func lines(s string) string {
	if strings.IndexByte(s, '\r') < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}
