package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// place fills in where the problem is: at its key, or, for a key that is
// missing, at the section that it is missing from.
func (p *Problem) place(path, file string, places map[string]place) {
	p.File = path
	for key := p.Key; key != ""; key = parent(key) {
		at, ok := places[key]
		if !ok {
			continue
		}
		start, end := at.value, at.valueEnd
		if p.unknown {
			start, end = at.key, at.keyEnd
		}
		p.Line, p.Column = position(file, start)
		if key == p.Key {
			p.excerpt = excerpt(file, start, end)
		}
		return
	}
}

// parent returns the key path one level up.
func parent(key string) string {
	// A quoted name may hold dots and brackets. Cutting inside of one gives a
	// path that is not in the file, and the next cut is tried.
	return key[:max(0, strings.LastIndexAny(key, ".["))]
}

// position returns the line and column, in characters from 1, of an offset.
func position(file string, offset int) (line, column int) {
	before := file[:offset]
	start := strings.LastIndexByte(before, '\n') + 1
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[start:]) + 1
}

// excerpt returns the line of file that holds [start, end), with carets below
// as much of it as is on that line.
func excerpt(file string, start, end int) string {
	lineStart := strings.LastIndexByte(file[:start], '\n') + 1
	line, _, _ := strings.Cut(file[lineStart:], "\n")
	line = strings.TrimRight(line, "\r")
	// What is wrong may be the line's end itself.
	start = min(start, lineStart+len(line))
	before := line[:start-lineStart]
	marked := line[start-lineStart : max(start, min(end, lineStart+len(line)))-lineStart]
	number, _ := position(file, start)
	// Tabs stay tabs in both lines, so that the carets meet their text.
	indent := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, before)
	return fmt.Sprintf("%5d | %s\n      | %s%s", number, line, indent, strings.Repeat("^", max(1, utf8.RuneCountInString(marked))))
}

// syntaxProblem tells what the parser refused.
func syntaxProblem(path, file string, err error) *Problem {
	p := &Problem{File: path, Detail: err.Error(), err: err}
	parse, ok := errors.AsType[toml.ParseError](err)
	if !ok {
		return p
	}
	p.Detail = parse.Message
	start := min(max(0, parse.Position.Start), len(file))
	p.Line, p.Column = parse.Position.Line, parse.Position.Col
	p.excerpt = excerpt(file, start, min(start+parse.Position.Len, len(file)))
	p.hint = filepath.Base(path) + " must be TOML 1.0: see toml.io"
	return p
}
