package conformance

import (
	"encoding/json"
	"io"
	"time"
)

// Report is what came of a run. Its JSON form is stable: fields are added, never
// renamed.
type Report struct {
	Tool        string            `json:"tool"`
	Version     string            `json:"version,omitempty"`
	Profile     string            `json:"profile,omitempty"`
	Started     time.Time         `json:"started"`
	Ended       time.Time         `json:"ended"`
	Environment map[string]string `json:"environment"`
	Sections    []Section         `json:"sections"`
	// Exchanges are the evidence, numbered from 0.
	Exchanges []*Exchange `json:"exchanges"`
}

// Section is one subject: a server or a file.
type Section struct {
	Kind    string   `json:"kind"`
	Name    string   `json:"name"`
	Results []Result `json:"results"`
}

// Counts are how many requirements have which verdict.
type Counts struct {
	Pass          int `json:"pass"`
	Fail          int `json:"fail"`
	NotApplicable int `json:"not_applicable"`
	CouldNotTest  int `json:"could_not_test"`
	// FailMust are those of Fail that are binding.
	FailMust int `json:"fail_must"`
}

// Counts returns the counts of one section.
func (s *Section) Counts() (c Counts) {
	for i := range s.Results {
		c.add(&s.Results[i])
	}
	return c
}

// Counts returns the counts of all sections.
func (r *Report) Counts() (c Counts) {
	for _, s := range r.Sections {
		for i := range s.Results {
			c.add(&s.Results[i])
		}
	}
	return c
}

func (c *Counts) add(r *Result) {
	switch r.Verdict {
	case Pass:
		c.Pass++
	case NotApplicable:
		c.NotApplicable++
	case CouldNotTest:
		c.CouldNotTest++
	default:
		c.Fail++
		if r.Level == Must {
			c.FailMust++
		}
	}
}

// Conclusion is a whole report in one word.
type Conclusion string

// The conclusions, and the exit codes that the command line makes of them.
const (
	Conforms      Conclusion = "conforms"           // 0
	Findings      Conclusion = "findings"           // 1
	Inconclusive  Conclusion = "could not test"     // 2
	NothingTested Conclusion = "nothing was tested" // 2
)

// Conclusion returns what the report comes to. A requirement that could not be
// tested never conforms. With mustOnly, recommendations that are not met are
// left out.
func (r *Report) Conclusion(mustOnly bool) Conclusion {
	switch c := r.Counts(); {
	case mustOnly && c.FailMust > 0, !mustOnly && c.Fail > 0:
		return Findings
	case c.CouldNotTest > 0:
		return Inconclusive
	case c.Pass+c.Fail == 0:
		return NothingTested
	}
	return Conforms
}

// number takes the exchanges into the report and points the results to them.
func (r *Report) number(all []*Exchange) {
	r.Exchanges = all
	place := make(map[*Exchange]int, len(all))
	for i, x := range all {
		place[x] = i
	}
	for i := range r.Sections {
		for j := range r.Sections[i].Results {
			result := &r.Sections[i].Results[j]
			result.Evidence = nil
			for _, x := range result.exchanges {
				result.Evidence = append(result.Evidence, place[x])
			}
		}
	}
}

// MarshalJSON adds what follows from the results to the report.
func (r *Report) MarshalJSON() ([]byte, error) {
	type plain Report
	return json.Marshal(struct {
		*plain
		Conclusion Conclusion `json:"conclusion"`
		Summary    Counts     `json:"summary"`
	}{(*plain)(r), r.Conclusion(false), r.Counts()})
}

// WriteJSON writes the report for programs.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
