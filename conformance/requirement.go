package conformance

import "slices"

// Level says how binding a requirement is.
type Level string

// The levels of the catalogue.
const (
	Must   Level = "must"
	Should Level = "should"
)

// Requirement is one thing that a relying party may demand. Its ID stays the
// same for ever: reports, tests and the README speak by it.
type Requirement struct {
	// ID is the requirement's name, such as OCSP-30.
	ID string `json:"id"`
	// Clause is where it stands.
	Clause string `json:"clause"`
	Level  Level  `json:"level"`
	// Title is what must be, in a few words.
	Title string `json:"title"`
	// How says how it is tested from outside.
	How string `json:"how"`
	// Hostile is true when its test sends what no honest client would.
	Hostile bool `json:"hostile,omitempty"`
}

// mode says what a check needs.
type mode int

const (
	// anywhere: octets are enough, from a server or out of a file.
	anywhere mode = iota
	// wire: a server must be asked.
	wire
	// hostile: the server is sent what no honest client would send.
	hostile
)

// check is one requirement with the function that tests it on a subject of
// type S.
type check[S any] struct {
	id     string
	clause string
	level  Level
	title  string
	how    string
	mode   mode
	run    func(*trial, S)
}

func (c check[S]) requirement() Requirement {
	return Requirement{ID: c.id, Clause: c.clause, Level: c.level, Title: c.title, How: c.how, Hostile: c.mode == hostile}
}

func requirements[S any](checks []check[S]) []Requirement {
	all := make([]Requirement, len(checks))
	for i, c := range checks {
		all[i] = c.requirement()
	}
	return all
}

// Every check of each kind of subject, in the order of the catalogue.
var (
	responderChecks   = byID(slices.Concat(rfc6960, rfc6960Status, rfc9654, rfc9919, rfc9110OCSP))
	listChecks        = byID(slices.Concat(rfc5280CRL, rfc2585, en319411CRL))
	authorityChecks   = byID(slices.Concat(rfc3161, rfc5652, rfc5816, en319422, rfc9110TSA))
	certificateChecks = byID(slices.Concat(rfc5280, en319412, otherCertificate))
	requestChecks     = byID(rfc2986)
	trustListChecks   = byID(ts119612)
	enrolmentChecks   = byID(rfc7030)
)

// byID sorts checks by the number in their ids, so that a report reads as the
// catalogue does whatever file a check stands in.
func byID[S any](checks []check[S]) []check[S] {
	slices.SortStableFunc(checks, func(a, b check[S]) int { return compareIDs(a.id, b.id) })
	return checks
}

func compareIDs(a, b string) int {
	if len(a) != len(b) && prefix(a) == prefix(b) {
		return len(a) - len(b)
	}
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// prefix is the id without its number.
func prefix(id string) string {
	for len(id) > 0 && id[len(id)-1] >= '0' && id[len(id)-1] <= '9' {
		id = id[:len(id)-1]
	}
	return id
}

// Requirements returns every requirement that this package tests, in the order
// of the catalogue. A requirement that several kinds of subject are held to
// stands there once.
func Requirements() []Requirement {
	var all []Requirement
	seen := map[string]bool{}
	for _, list := range [][]Requirement{
		requirements(certificateChecks), requirements(requestChecks), requirements(responderChecks),
		requirements(listChecks), requirements(authorityChecks), requirements(consistency), requirements(trustListChecks),
		requirements(enrolmentChecks), requirements(changeChecks), requirements(holdChecks), requirements(loadChecks), requirements(slowChecks),
	} {
		for _, r := range list {
			if !seen[r.ID] {
				seen[r.ID] = true
				all = append(all, r)
			}
		}
	}
	return all
}
