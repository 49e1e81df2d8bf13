package conformance

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// The elements of JUnit's form, as build servers read it.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Failure *junitMessage `xml:"failure,omitempty"`
		Error   *junitMessage `xml:"error,omitempty"`
		Skipped *junitMessage `xml:"skipped,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes the report for build servers: a finding is a failure, what
// could not be tested an error, and what does not apply is skipped.
func (r *Report) WriteJUnit(w io.Writer) error {
	c := r.Counts()
	suites := junitSuites{Name: r.Tool, Time: fmt.Sprintf("%.3f", r.Ended.Sub(r.Started).Round(time.Millisecond).Seconds()),
		Tests: c.Pass + c.Fail + c.CouldNotTest + c.NotApplicable, Failures: c.Fail, Errors: c.CouldNotTest, Skipped: c.NotApplicable}
	for i := range r.Sections {
		s := &r.Sections[i]
		c := s.Counts()
		suite := junitSuite{Name: s.Kind + " " + printable(s.Name), Tests: len(s.Results), Failures: c.Fail, Errors: c.CouldNotTest, Skipped: c.NotApplicable}
		for j := range s.Results {
			suite.Cases = append(suite.Cases, s.Results[j].junit(s.Kind))
		}
		suites.Suites = append(suites.Suites, suite)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(suites); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (one *Result) junit(class string) junitCase {
	c := junitCase{Name: one.ID + " " + one.Title, Class: class}
	m := &junitMessage{Message: printable(strings.Join(one.Details, "; ")), Text: one.Clause}
	switch one.Verdict {
	case Fail:
		m.Type = string(one.Level)
		c.Failure = m
	case CouldNotTest:
		c.Error = m
	case NotApplicable:
		c.Skipped = m
	}
	return c
}
