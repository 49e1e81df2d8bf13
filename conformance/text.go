package conformance

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// paint colours text for terminals.
type paint bool

func (p paint) in(code, text string) string {
	if !p {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

var marks = map[Verdict]struct{ mark, code string }{
	Pass: {"pass", "32"}, NotApplicable: {"n/a", "2"}, CouldNotTest: {"untested", "33"}, Fail: {"FAIL", "1;31"},
}

// WriteText writes the report for people: findings first in each section, then
// what could not be tested and what was measured, and the rest in one line unless
// all is asked for.
func (r *Report) WriteText(w io.Writer, colour, all bool) error {
	p := paint(colour)
	var b strings.Builder
	for i := range r.Sections {
		s := &r.Sections[i]
		c := s.Counts()
		fmt.Fprintf(&b, "%s %s\n", p.in("1", strings.ToUpper(s.Kind)), s.Name)
		for _, v := range []Verdict{Fail, CouldNotTest, NotApplicable, Pass} {
			for j := range s.Results {
				if one := &s.Results[j]; one.Verdict == v && (all || v == Fail || v == CouldNotTest || one.Figures != nil) {
					one.text(&b, p)
				}
			}
		}
		fmt.Fprintf(&b, "  %s\n\n", c.words(p))
	}
	c := r.Counts()
	took := r.Ended.Sub(r.Started).Round(time.Millisecond)
	fmt.Fprintf(&b, "%s: %s; %d requests and files in %v\n", p.in("1", string(r.Conclusion(false))), c.words(p), len(r.Exchanges), took)
	_, err := io.WriteString(w, b.String())
	return err
}

func (one *Result) text(b *strings.Builder, p paint) {
	m := marks[one.Verdict]
	level := ""
	if one.Verdict == Fail && one.Level == Should {
		level, m.code = " (should)", "33"
	}
	fmt.Fprintf(b, "  %s %s %s%s\n", p.in(m.code, fmt.Sprintf("%-8s", m.mark)), p.in("1", fmt.Sprintf("%-8s", one.ID)), one.Title, level)
	for _, d := range slices.Concat(one.Details, one.Figures) {
		fmt.Fprintf(b, "                    %s\n", printable(d))
	}
	if one.Verdict != Pass {
		fmt.Fprintf(b, "                    %s\n", p.in("2", one.Clause))
	}
}

func (c Counts) words(p paint) string {
	parts := []string{fmt.Sprintf("%d passed", c.Pass)}
	if c.Fail > 0 {
		failed := fmt.Sprintf("%d failed", c.Fail)
		if should := c.Fail - c.FailMust; should > 0 {
			failed += fmt.Sprintf(" (%d of them recommendations)", should)
		}
		parts = append(parts, p.in("31", failed))
	}
	if c.CouldNotTest > 0 {
		parts = append(parts, p.in("33", fmt.Sprintf("%d could not be tested", c.CouldNotTest)))
	}
	if c.NotApplicable > 0 {
		parts = append(parts, fmt.Sprintf("%d not applicable", c.NotApplicable))
	}
	return strings.Join(parts, ", ")
}

// printable takes control characters, with which a server could draw on the
// user's terminal, out of text that may be a server's.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
			return '?'
		}
		return r
	}, s)
}
