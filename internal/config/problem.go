package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is everything that is wrong with one configuration file.
type Error struct {
	// Problems are sorted by line; it is never empty.
	Problems []*Problem
}

// Error returns the problems, one after another on lines of their own.
func (e *Error) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.Error())
	}
	return b.String()
}

// Hint says what to do about the first problem that has an answer to that, or
// what to do in general.
func (e *Error) Hint() string {
	for _, p := range e.Problems {
		if p.hint != "" {
			return p.hint
		}
	}
	return "correct the file and try it with --check, which starts nothing"
}

// Unwrap returns the problems.
func (e *Error) Unwrap() []error {
	errs := make([]error, len(e.Problems))
	for i, p := range e.Problems {
		errs[i] = p
	}
	return errs
}

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	// File, Line and Column say where; they are empty until Load fills them
	// in. Line is 0 where no line is to blame.
	File         string
	Line, Column int
	// Key is the key path from the section whose Validate method made the
	// problem, "issuers[1].key"; Load makes it a path from the file's top. ""
	// is the section itself.
	Key string
	// Detail says what is wrong, in words that follow the key.
	Detail string

	hint    string
	unknown bool   // the key itself is what is wrong
	excerpt string // the file's line and a caret below the value
	err     error
}

// Wrong returns the problem that a Validate method has with the value of key,
// a path from its own section. The words follow the key: Wrong("validity",
// "is longer than the issuer's certificate"). An error among args that is
// formatted with %w can be found in the problem with errors.Is.
func Wrong(key, format string, args ...any) *Problem {
	err := fmt.Errorf(format, args...)
	return &Problem{Key: key, Detail: err.Error(), err: err}
}

// Missing returns the problem that a Validate method has with a key that must
// have a value and has none.
func Missing(key string) *Problem {
	return Wrong(key, "is missing")
}

// WithHint adds what to do about the problem.
func (p *Problem) WithHint(hint string) *Problem {
	p.hint = hint
	return p
}

// Hint says what to do about the problem, if that is known.
func (p *Problem) Hint() string { return p.hint }

// Error returns "file:line: key: detail" and, where it helps, the line itself
// with a caret.
func (p *Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File + ":")
		if p.Line > 0 {
			fmt.Fprintf(&b, "%d:", p.Line)
		}
		b.WriteByte(' ')
	}
	switch {
	case p.unknown:
		detail, suggestion, _ := strings.Cut(p.Detail, " (")
		b.WriteString(detail + " " + p.Key)
		if suggestion != "" {
			b.WriteString(" (" + suggestion)
		}
	case p.Key != "":
		b.WriteString(p.Key + " " + p.Detail)
	default:
		b.WriteString(p.Detail)
	}
	if p.excerpt != "" {
		b.WriteString("\n" + p.excerpt)
	}
	return b.String()
}

// Unwrap returns the error behind the problem, if there is one.
func (p *Problem) Unwrap() error { return p.err }

func sortProblems(problems []*Problem) {
	slices.SortStableFunc(problems, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Key, b.Key))
	})
}

// join returns the path of key below section.
func join(section, key string) string {
	switch {
	case section == "":
		return key
	case key == "" || strings.HasPrefix(key, "["):
		return section + key
	}
	return section + "." + key
}
