package conformance

import (
	_ "embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strings"
	"time"
)

//go:embed report.html
var pageText string

// page is parsed once. Everything of a server's goes through html/template,
// which escapes it.
var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"printable": printable,
	"dump":      dump,
	"header":    headerLines,
	"class":     func(v Verdict) string { return strings.ReplaceAll(string(v), " ", "-") },
	"when":      func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") },
	"plural": func(n int, one, many string) string {
		if n == 1 {
			return fmt.Sprintf("%d %s", n, one)
		}
		return fmt.Sprintf("%d %s", n, many)
	},
}).Parse(pageText))

// pageSection is a section as the page shows it.
type pageSection struct {
	*Section
	Counts Counts
	// Open are findings, what could not be tested and what was measured; the
	// rest is folded away.
	Open, Folded []pageResult
}

type pageResult struct {
	*Result
	// Anchor is what the overview points to; "" for what is not in it.
	Anchor string
}

// pageFinding is a line of the overview.
type pageFinding struct {
	ID, Title, Anchor string
	Times             int
}

type pageExchange struct {
	Number int
	exchangeJSON
}

// WriteHTML writes the report as one page that needs nothing else: it can be
// filed, printed, and read on a telephone.
func (r *Report) WriteHTML(w io.Writer) error {
	var sections []pageSection
	var overview []pageFinding
	shown := map[int]bool{}
	for i := range r.Sections {
		s := &r.Sections[i]
		p := pageSection{Section: s, Counts: s.Counts()}
		for _, v := range []Verdict{Fail, CouldNotTest, Pass, NotApplicable} {
			for j := range s.Results {
				one := &s.Results[j]
				if one.Verdict == v {
					for _, n := range one.Evidence {
						shown[n] = true
					}
					row := pageResult{Result: one, Anchor: noted(&overview, one)}
					if v == Fail || v == CouldNotTest || one.Figures != nil {
						p.Open = append(p.Open, row)
					} else {
						p.Folded = append(p.Folded, row)
					}
				}
			}
		}
		sections = append(sections, p)
	}
	var exchanges []pageExchange
	for n, x := range r.Exchanges {
		if shown[n] {
			exchanges = append(exchanges, pageExchange{Number: n, exchangeJSON: x.view()})
		}
	}
	return page.Execute(w, struct {
		*Report
		Conclusion Conclusion
		Counts     Counts
		Overview   []pageFinding
		Pages      []pageSection
		Evidence   []pageExchange
		Took       time.Duration
	}{r, r.Conclusion(false), r.Counts(), overview, sections, exchanges, r.Ended.Sub(r.Started).Round(time.Millisecond)})
}

// noted adds a finding to the overview, once for each id, and returns the anchor
// of its first place.
func noted(overview *[]pageFinding, one *Result) string {
	if one.Verdict != Fail && one.Verdict != CouldNotTest {
		return ""
	}
	for i := range *overview {
		if (*overview)[i].ID == one.ID {
			(*overview)[i].Times++
			return ""
		}
	}
	f := pageFinding{ID: one.ID, Title: one.Title, Anchor: "f-" + one.ID, Times: 1}
	*overview = append(*overview, f)
	return f.Anchor
}

// dump writes octets in hexadecimal, as far as they are shown; the page breaks
// the lines.
func dump(o *octets) string {
	if o == nil {
		return ""
	}
	raw, err := hex.DecodeString(o.Hex)
	if err != nil {
		return o.Hex
	}
	const most = 8 << 10 // a page of every octet of every answer is no page
	text := fmt.Sprintf("% x", raw[:min(len(raw), most)])
	if o.Cut || len(raw) > most {
		text += " …"
	}
	return text
}

// headerLines writes a header as it went over the wire, sorted.
func headerLines(h http.Header) string {
	var b strings.Builder
	h.Write(&b)
	return printableLines(strings.ReplaceAll(b.String(), "\r", ""))
}

func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return strings.Join(lines, "\n")
}
