package config

import (
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
)

// place is where a key and its value stand in a file, as octet offsets.
type place struct {
	key, keyEnd     int
	value, valueEnd int // equal to key and keyEnd for a table's header

	// implied by a longer key: [a.b] implies a. A header of its own is the
	// better place.
	implied bool
}

// locate finds every key path of a file that has been parsed already. The
// library knows positions too, but one for each name: of the elements of an
// array of tables it remembers the last.
func locate(file string) map[string]place {
	s := &scanner{file: file, places: make(map[string]place), counts: make(map[string]int)}
	section := ""
	for s.blank(); !s.end() && !s.lost; s.blank() {
		if s.peek() == '[' {
			section = s.header()
		} else {
			s.pair(section)
		}
	}
	return s.places
}

// scanner reads a file's keys and passes over its values. It does not judge:
// where the file is not what it expects, it is lost and stops.
type scanner struct {
	file   string
	at     int
	lost   bool
	places map[string]place
	counts map[string]int // elements seen of each array of tables
}

func (s *scanner) end() bool { return s.at >= len(s.file) }

func (s *scanner) peek() byte {
	if s.end() {
		return 0
	}
	return s.file[s.at]
}

// take passes over text if it comes next.
func (s *scanner) take(text string) bool {
	if !strings.HasPrefix(s.file[s.at:], text) {
		return false
	}
	s.at += len(text)
	return true
}

// expect takes text or is lost.
func (s *scanner) expect(text string) {
	if !s.take(text) {
		s.lost = true
	}
}

func (s *scanner) space() {
	for s.peek() == ' ' || s.peek() == '\t' {
		s.at++
	}
}

// blank passes over white space, line ends and comments.
func (s *scanner) blank() {
	for !s.end() {
		switch s.peek() {
		case ' ', '\t', '\r', '\n':
			s.at++
		case '#':
			s.until("\n")
		default:
			return
		}
	}
}

// until passes over everything before the first of the characters.
func (s *scanner) until(characters string) {
	n := strings.IndexAny(s.file[s.at:], characters)
	if n < 0 {
		n = len(s.file) - s.at
	}
	s.at += n
}

// header reads [a.b] or [[a.b]] and returns the path of the table it opens.
func (s *scanner) header() string {
	start := s.at
	open, shut := "[", "]"
	if strings.HasPrefix(s.file[s.at:], "[[") {
		open, shut = "[[", "]]"
	}
	s.expect(open)
	path := ""
	names, end := s.name()
	for i, name := range names {
		path = join(path, name)
		last := i == len(names)-1
		n := s.counts[path]
		switch {
		case last && shut == "]]":
			s.counts[path]++
			s.note(path, place{start, end, start, end, false})
			path = fmt.Sprintf("%s[%d]", path, n)
		case n > 0:
			// A name that is an array of tables means its latest element.
			path = fmt.Sprintf("%s[%d]", path, n-1)
		case !last:
			s.note(path, place{start, end, start, end, true})
		}
	}
	s.expect(shut)
	s.note(path, place{start, s.at, start, s.at, false})
	return path
}

// pair reads key = value in the table at section.
func (s *scanner) pair(section string) {
	start := s.at
	names, keyEnd := s.name()
	s.expect("=")
	s.space()
	path := section
	for i, name := range names {
		path = join(path, name)
		if i < len(names)-1 {
			s.note(path, place{start, keyEnd, start, keyEnd, true})
		}
	}
	if s.lost {
		return
	}
	value := s.at
	s.value(path)
	s.note(path, place{start, keyEnd, value, s.at, false})
}

// note remembers the first place of path.
func (s *scanner) note(path string, p place) {
	if known, ok := s.places[path]; (!ok || known.implied && !p.implied) && !s.lost {
		s.places[path] = p
	}
}

// name reads a dotted key and the space behind it. It returns the key's parts
// as key paths spell them, and where the last one ends.
func (s *scanner) name() (parts []string, end int) {
	for !s.lost {
		s.space()
		start := s.at
		switch s.peek() {
		case '"', '\'':
			s.quoted()
			// The library knows the escapes.
			var key struct{ K string }
			if _, err := toml.Decode("K = "+s.file[start:s.at], &key); err != nil {
				s.lost = true
			}
			parts = append(parts, toml.Key{key.K}.String())
		default:
			s.until(" \t.=]\r\n#\"'")
			if s.at == start {
				s.lost = true
			}
			parts = append(parts, s.file[start:s.at])
		}
		end = s.at
		s.space()
		if !s.take(".") {
			break
		}
	}
	return parts, end
}

// value passes over the value at path and notes what is inside of it.
func (s *scanner) value(path string) {
	switch s.peek() {
	case '"', '\'':
		s.quoted()
	case '[':
		s.at++
		for i := 0; !s.lost; i++ {
			s.blank()
			if s.take("]") {
				return
			}
			start := s.at
			element := fmt.Sprintf("%s[%d]", path, i)
			s.value(element)
			s.note(element, place{start, s.at, start, s.at, false})
			s.separator("]")
		}
	case '{':
		s.at++
		for !s.lost {
			s.blank()
			if s.take("}") {
				return
			}
			s.pair(path)
			s.separator("}")
		}
	default:
		start := s.at
		s.until(",]}#\r\n")
		s.at = start + len(strings.TrimRight(s.file[start:s.at], " \t"))
		if s.at == start {
			s.lost = true
		}
	}
}

// separator passes over the comma between elements; before shut none is
// needed.
func (s *scanner) separator(shut string) {
	s.blank()
	if !s.take(",") && !strings.HasPrefix(s.file[s.at:], shut) {
		s.lost = true
	}
}

// quoted passes over a string in any of its four forms.
func (s *scanner) quoted() {
	quote := s.file[s.at : s.at+1]
	long := strings.Repeat(quote, 3)
	if s.take(long) {
		quote = long
	} else {
		s.at++
	}
	for !s.end() {
		if quote[0] == '"' && s.peek() == '\\' {
			s.at = min(s.at+2, len(s.file))
			continue
		}
		if !s.take(quote) {
			s.at++
			continue
		}
		// A long string may end in one or two quotes of its own.
		for quote == long && (s.take(long[:1])) {
		}
		return
	}
	s.lost = true
}
