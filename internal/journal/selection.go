package journal

import "fmt"

// Selection says which issued certificates of a register are meant, and which
// page of them.
type Selection struct {
	// Issuer and Profile narrow the selection; empty means every one.
	Issuer, Profile string
	// State narrows it to one of [SelectableStates]; empty means every one.
	State State
	// After is the serial number that the page follows; empty for the first
	// page. The order is that of the serials' reservation.
	After Serial
	// Limit bounds the page; zero or less is the register's own bound.
	Limit int
}

// Lapsed is the state that a Selection calls certificates by whose validity is
// over, whatever else they are. They are not among the valid ones.
const Lapsed State = "expired"

// SelectableStates are the states that a Selection knows.
func SelectableStates() []State { return []State{Valid, OnHold, Gone, Lapsed} }

// ParseSelectableState reads the state of a Selection; "" is every state.
func ParseSelectableState(s string) (State, error) {
	if s == "" {
		return "", nil
	}
	for _, state := range SelectableStates() {
		if s == string(state) {
			return state, nil
		}
	}
	return "", fmt.Errorf("state %q is none of valid, held, revoked, expired", s)
}

// Selects reports whether the selection, its page aside, holds the record.
func (s Selection) Selects(r Record) bool {
	switch {
	case r.Certificate == nil, s.Issuer != "" && r.Issuer != s.Issuer, s.Profile != "" && r.Profile != s.Profile:
		return false
	case s.State == "":
		return true
	case s.State == Lapsed:
		return r.Status.Expired
	case s.State == Valid:
		return r.Status.State == Valid && !r.Status.Expired
	}
	return r.Status.State == s.State
}
