package journal

import (
	"encoding/json"
	"time"
)

// PendingState is where a request stands that two persons have to agree on.
type PendingState string

const (
	// Open: nobody has decided yet.
	Open PendingState = "open"
	// Confirmed: a second person agreed; it is being carried out.
	Confirmed PendingState = "confirmed"
	// Done: it was carried out.
	Done PendingState = "done"
	// Failed: it was confirmed, and what it asks for was not possible any more.
	Failed PendingState = "failed"
	// Refused: somebody, perhaps the one who asked, said no.
	Refused PendingState = "refused"
	// Unanswered: nobody decided in time.
	Unanswered PendingState = "lapsed"
)

// Pending is a request that waits for a second person. It holds no personal
// data.
type Pending struct {
	// ID names it; 32 hexadecimal digits.
	ID    string       `json:"id"`
	State PendingState `json:"state"`
	// Action is what is asked for, in the words of the interface that took it
	// in, and Serial the certificate that it is about, if there is one.
	Action string `json:"action"`
	Serial Serial `json:"serial,omitempty"`
	// Request is all that was asked for, in JSON, so that who confirms sees
	// what he confirms.
	Request json.RawMessage `json:"request"`
	// Hash is the SHA-256 hash of the request as it came, so that an
	// idempotency key cannot stand for two.
	Hash [32]byte `json:"-"`
	// RequestedBy is the client that asked, and Requester the person behind it.
	RequestedBy string    `json:"requested_by"`
	Requester   string    `json:"requester"`
	RequestedAt time.Time `json:"requested_at"`
	// ExpiresAt is until when it can be confirmed.
	ExpiresAt time.Time `json:"expires_at"`
	// DecidedBy is the client that confirmed or refused, and Decider the person
	// behind it; empty while open, and when it lapsed.
	DecidedBy string    `json:"decided_by,omitempty"`
	Decider   string    `json:"decider,omitempty"`
	DecidedAt time.Time `json:"decided_at,omitzero"`
	// Outcome says why it was refused or failed.
	Outcome string `json:"outcome,omitempty"`
}

// Known reports whether the state is one of those above.
func (s PendingState) Known() bool {
	switch s {
	case Open, Confirmed, Done, Failed, Refused, Unanswered:
		return true
	}
	return false
}

// Agreed reports whether the state says that a second person confirmed.
func (s PendingState) Agreed() bool { return s == Confirmed || s == Done || s == Failed }

// Tally counts the serials that were ever reserved: each is one of these.
type Tally struct {
	Issued, Abandoned, Unfinished int
}
