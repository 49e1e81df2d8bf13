package ra

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/problem"
)

// StatusState is where a status request stands.
type StatusState string

const (
	// Received: recorded, and not yet carried out. Either a second person has
	// to confirm it, or the authority gave no answer so far.
	Received StatusState = "received"
	Executed StatusState = "executed"
	Notified StatusState = "notified"
	Refused  StatusState = "refused"
)

// legal returns the actions that a request in this state allows.
func (s *StatusRequest) legal() []string {
	switch {
	case s.State == Received && s.TwoPersons && s.ConfirmedBy == "":
		return []string{"confirm", "refuse"}
	case s.State == Received:
		return []string{"execute", "refuse"}
	case s.State == Executed:
		return []string{"notified"}
	}
	return nil
}

// actionKinds gives the journal's word for each action on a certificate.
var actionKinds = []struct {
	action string
	kind   journal.Kind
}{{"suspend", journal.Held}, {"restore", journal.Released}, {"revoke", journal.Revoked}}

func kindOf(action string) journal.Kind {
	for _, k := range actionKinds {
		if k.action == action {
			return k.kind
		}
	}
	return ""
}

// legalActions names what the owner may ask for a certificate of that status.
func legalActions(status journal.Status, owner journal.Owner) []string {
	var actions []string
	for _, k := range actionKinds {
		if slices.Contains(status.Legal(owner), k.kind) {
			actions = append(actions, k.action)
		}
	}
	return actions
}

// Channels by which a request reaches the centre.
var channels = []string{"visit", "electronic", "letter", "phone"}

// statusInput is the body of a suspend, restore or revoke request.
type statusInput struct {
	Owner string `json:"owner"`
	// Reason of a revocation, by its name in RFC 5280, Section 5.3.1.
	Reason string `json:"reason"`
	// Note is for the case file alone.
	Note string `json:"note"`
	// Document is the number of the letter, decision or statement that asks for
	// the change, for the case file alone.
	Document string `json:"document"`
	// Channel defaults to "visit", but for a revocation in the holder's name.
	Channel string `json:"channel"`
	// Scope is "set" (default), every certificate that was issued together
	// with the one named, or "certificate", that one alone.
	Scope string `json:"scope"`
	// ReceivedAt defaults to now.
	ReceivedAt     time.Time `json:"received_at"`
	InvalidityDate time.Time `json:"invalidity_date"`
}

// StatusRequest is the case file of one request to suspend, restore or revoke.
//
// Three times stand in it, because deadlines are counted from them: when the
// request reached the centre, when it took effect, and when the holder was
// told.
type StatusRequest struct {
	ID     string      `json:"id"`
	State  StatusState `json:"state"`
	Action string      `json:"action"`
	// Serial is the certificate that the request names. Scope says whether the
	// others of its set change with it.
	Serial journal.Serial `json:"serial"`
	Scope  string         `json:"scope"`
	Owner  journal.Owner  `json:"owner"`
	Reason journal.Reason `json:"reason,omitzero"`
	Note   string         `json:"note,omitempty"`
	// Document is what the request rests on, for owners that ask in writing.
	Document string `json:"document,omitempty"`
	Channel  string `json:"channel"`

	InvalidityDate time.Time `json:"invalidity_date,omitzero"`
	ReceivedAt     time.Time `json:"received_at"`
	RecordedAt     time.Time `json:"recorded_at"`
	EffectiveAt    time.Time `json:"effective_at,omitzero"`
	NotifiedAt     time.Time `json:"notified_at,omitzero"`

	// TwoPersons: the request is the centre's own or a court's and needs
	// ConfirmedBy.
	TwoPersons  bool   `json:"two_persons,omitempty"`
	RequestedBy string `json:"requested_by"`
	ConfirmedBy string `json:"confirmed_by,omitempty"`
	NotifiedBy  string `json:"notified_by,omitempty"`
	// Refusal says why a refused request was refused.
	Refusal string `json:"refusal,omitempty"`
	// Changes are the certificates that the request has changed.
	Changes []Change `json:"changes,omitempty"`
	Ticket  *ticket  `json:"ticket,omitempty"`
	// Tickets are those of the steps after.
	Tickets tickets `json:"tickets,omitempty"`
}

// Change is what a status request did to one certificate.
type Change struct {
	Serial      journal.Serial `json:"serial"`
	Position    uint64         `json:"position"`
	EffectiveAt time.Time      `json:"effective_at"`
	Status      journal.Status `json:"status"`
}

// used returns the tickets of all that was done to the request.
func (s *StatusRequest) used() tickets { return slices.Clone(s.Tickets).with(s.Ticket) }

func (s *StatusRequest) index() (index, sole []string) {
	index = append(index, "requests:"+string(s.Serial))
	for _, c := range s.Changes {
		if c.Serial != s.Serial {
			index = append(index, "requests:"+string(c.Serial))
		}
	}
	for _, t := range s.used() {
		sole = append(sole, t.index())
	}
	return index, sole
}

// farPast bounds how late a request may be entered: what is older is a slip.
const farPast = 366 * 24 * time.Hour

// request checks the input and names every wrong field.
func (in *statusInput) request(action string, now time.Time) (*StatusRequest, []problem.Field) {
	var wrong []problem.Field
	fault := func(field, detail string) { wrong = append(wrong, problem.Field{Field: field, Detail: detail}) }
	s := &StatusRequest{Action: action, Scope: in.Scope, Note: in.Note, Document: strings.TrimSpace(in.Document), Channel: in.Channel, ReceivedAt: in.ReceivedAt.UTC(), RecordedAt: now, InvalidityDate: in.InvalidityDate}
	var err error
	if s.Owner, err = journal.ParseOwner(in.Owner); err != nil {
		fault("owner", "is none of holder, organisation, court, centre")
	}
	switch {
	case action == "revoke" && in.Reason == "":
		fault("reason", "is missing: a revocation has one of the reasons of RFC 5280, Section 5.3.1")
	case action == "revoke":
		if s.Reason, err = journal.ParseRevocationReason(in.Reason); err != nil {
			wrong = append(wrong, problem.Field{Field: "reason", Detail: "is not the name of a reason that a revocation may have, such as keyCompromise", Clause: "RFC 5280, Section 5.3.1"})
		}
	case in.Reason != "" && !(action == "suspend" && in.Reason == journal.CertificateHold.String()):
		fault("reason", "qualifies a revocation only; words for the case file belong into note")
	}
	in.checkGround(action, s, fault)
	s.Channel = cmp.Or(s.Channel, "visit")
	switch {
	case !slices.Contains(channels, s.Channel):
		fault("channel", "is none of visit, electronic, letter, phone")
	case s.Channel == "phone" && action != "suspend":
		fault("channel", "a request by telephone may only suspend")
	}
	s.Scope = cmp.Or(s.Scope, "set")
	if s.Scope != "set" && s.Scope != "certificate" {
		fault("scope", "is none of set, certificate")
	}
	if detail := checkText(in.Note); detail != "" {
		fault("note", detail)
	}
	if in.ReceivedAt.IsZero() {
		s.ReceivedAt = now
	} else if detail := checkPast(in.ReceivedAt, now); detail != "" {
		fault("received_at", detail)
	}
	if !in.InvalidityDate.IsZero() {
		s.InvalidityDate = in.InvalidityDate.UTC().Truncate(time.Second)
		if action != "revoke" {
			fault("invalidity_date", "qualifies a revocation only")
		} else if in.InvalidityDate.After(now) {
			fault("invalidity_date", "lies in the future")
		}
	}
	// What the centre asks for itself nobody asks for alone. Nor does one
	// person speak for a court: its hold outlasts everybody else's wish.
	s.TwoPersons = s.Owner == journal.Court || s.Owner == journal.Centre && action != "suspend"
	return s, wrong
}

// checkGround: in whose right a request is made is the word of whoever enters
// it. So a request in another's right says what it rests on, where somebody can
// look it up.
func (in *statusInput) checkGround(action string, s *StatusRequest, fault func(field, detail string)) {
	switch {
	case len(s.Document) > 200 || strings.ContainsAny(s.Document, "\n\t"):
		fault("document", "is not a reference of at most 200 octets in one line")
	case checkText(s.Document) != "":
		fault("document", checkText(s.Document))
	case s.Document == "" && (s.Owner == journal.Court || s.Owner == journal.Organisation):
		fault("document", "is missing: a request of a court or an organisation names the letter or decision that asks for it")
	}
	if action == "revoke" && s.Owner == journal.Holder {
		// A revocation in the holder's name needs no second person, so it
		// must be possible to ask the holder.
		if in.Channel == "" {
			fault("channel", "is missing: how the holder's request to revoke reached the centre")
		}
		if s.Document == "" && strings.TrimSpace(in.Note) == "" {
			fault("note", "is missing: what the holder's request to revoke rests on is said in note or document")
		}
	}
}

// checkTimes compares the times of a request with when the certificate began.
func (s *StatusRequest) checkTimes(began time.Time) error {
	var wrong []problem.Field
	if !s.InvalidityDate.IsZero() && s.InvalidityDate.Before(began) {
		// RFC 5280, Section 5.3.2: when the key was compromised or the
		// certificate otherwise became invalid.
		wrong = append(wrong, problem.Field{Field: "invalidity_date", Detail: "lies before the certificate was issued", Clause: "RFC 5280, Section 5.3.2"})
	}
	if s.ReceivedAt.Before(began.Add(-farPast)) {
		wrong = append(wrong, problem.Field{Field: "received_at", Detail: "lies more than a year before the certificate was issued"})
	}
	if len(wrong) > 0 {
		return problem.Invalid(wrong...)
	}
	return nil
}

func checkPast(at, now time.Time) string {
	switch {
	case at.After(now.Add(time.Minute)):
		return "lies in the future"
	case at.Before(now.Add(-farPast)):
		return "lies more than a year back"
	}
	return ""
}

// checkText says what is wrong with words that a person wrote, or nothing.
func checkText(text string) string {
	if len(text) > 2000 {
		return "is longer than 2000 octets"
	}
	for _, r := range text {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r == '\uFFFD' {
			return fmt.Sprintf("holds the control character U+%04X", r)
		}
	}
	return ""
}
