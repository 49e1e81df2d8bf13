package ra

import (
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/internal/problem"
)

// Category is the kind of holder that an application is for. The holder is a
// natural person in every category: the others act for somebody.
type Category string

const (
	Citizen      Category = "citizen"
	Entrepreneur Category = "entrepreneur"
	LegalPerson  Category = "legal_person"
	Government   Category = "government"
	NonResident  Category = "non_resident"
)

var categories = []Category{Citizen, Entrepreneur, LegalPerson, Government, NonResident}

// State is where an application stands.
type State string

const (
	Submitted State = "submitted"
	Verified  State = "verified"
	Approved  State = "approved"
	Completed State = "completed"
	Rejected  State = "rejected"
	Withdrawn State = "withdrawn"
)

// transition is one line of the application's state table.
type transition struct {
	action string
	from   []State
	to     State
	roles  []Role
}

// transitions is the whole table; what is not in it is illegal. An issuance
// that is not finished leaves the application approved. So do reject and
// withdraw from there, until another person confirms them, or keeps the
// application as it is.
var transitions = []transition{
	{"verify", []State{Submitted}, Verified, []Role{Operator}},
	{"approve", []State{Verified}, Approved, []Role{Officer}},
	{"reject", []State{Submitted, Verified, Approved}, Rejected, []Role{Officer}},
	{"withdraw", []State{Submitted, Verified, Approved}, Withdrawn, []Role{Operator}},
	{"issue", []State{Approved}, Completed, []Role{Operator}},
}

// endings are the actions on an approved application that somebody wants to
// end.
var endings = []transition{
	{"confirm", []State{Approved}, "", []Role{Officer}},
	{"keep", []State{Approved}, Approved, []Role{Operator, Officer}},
}

func transitionOf(action string) transition {
	return transitions[slices.IndexFunc(transitions, func(t transition) bool { return t.action == action })]
}

// Legal returns the actions that the state allows, nil for a final state.
func (s State) Legal() []string {
	var actions []string
	for _, t := range transitions {
		if slices.Contains(t.from, s) {
			actions = append(actions, t.action)
		}
	}
	return actions
}

// legal returns the actions that the application allows.
func (a *Application) legal() []string {
	if a.Ending != nil {
		return []string{"confirm", "keep"}
	}
	return a.State.Legal()
}

// Applicant is what an application says of the person that it is for.
type Applicant struct {
	Category  Category `json:"category"`
	GivenName string   `json:"given_name"`
	Surname   string   `json:"surname"`
	// FIN is in upper case.
	FIN string `json:"fin"`
	// VOEN of the entrepreneur or of the organisation that the person acts for.
	VOEN  string `json:"voen,omitempty"`
	Email string `json:"email"`
	// Phone is + and digits (ITU-T E.164).
	Phone string `json:"phone"`
	// SearchConsent is the holder's recorded consent to the public search: the
	// public page shows the name only with it.
	SearchConsent bool `json:"search_consent"`
}

// Application is the case file of one application.
type Application struct {
	ID    string `json:"id"`
	State State  `json:"state"`
	Applicant
	// Docs and Identity are what the operator found: "none" and "pending" until
	// verified, then "complete" and "matched".
	Docs     string `json:"docs"`
	Identity string `json:"identity"`

	SubmittedAt time.Time `json:"submitted_at"`
	UpdatedAt   time.Time `json:"updated_at"`
	TakenBy     string    `json:"taken_by"`
	VerifiedBy  string    `json:"verified_by,omitempty"`
	ApprovedBy  string    `json:"approved_by,omitempty"`
	// Reason of a rejection or withdrawal.
	Reason   string    `json:"reason,omitempty"`
	Issuance *Issuance `json:"issuance,omitempty"`
	// Ending is set while an approved application waits for a second person to
	// end it; EndedBy names both persons afterwards.
	Ending  *Ending  `json:"ending,omitempty"`
	EndedBy []string `json:"ended_by,omitempty"`
	// Void are certificates that were issued and taken back.
	Void []*Void `json:"void,omitempty"`
	// Ticket is the idempotency key that the application came with, Tickets
	// those of the steps after.
	Ticket  *ticket `json:"ticket,omitempty"`
	Tickets tickets `json:"tickets,omitempty"`
}

// Issuance is how far the issuing of an application's certificates has got. It
// is stored before the authority is asked.
type Issuance struct {
	// Set names the certificates that belong together.
	Set          string    `json:"set"`
	By           string    `json:"by"`
	Certificates []*Issue  `json:"certificates"`
	Chain        string    `json:"chain,omitempty"`
	StartedAt    time.Time `json:"started_at"`
	Ticket       *ticket   `json:"ticket,omitempty"`
}

// Issue is one certificate of an issuance.
type Issue struct {
	// Kind is "signature" or "authentication".
	Kind    string `json:"kind"`
	Profile string `json:"profile"`
	CSR     string `json:"csr"`
	// Serial and Certificate are empty until the authority has issued it.
	Serial      journal.Serial `json:"serial,omitempty"`
	Certificate string         `json:"certificate,omitempty"`
}

// find returns the certificate of the kind that was asked for with the same
// request, or nil.
func (i *Issuance) find(c *Issue) *Issue {
	if i == nil {
		return nil
	}
	for _, own := range i.Certificates {
		if own.Kind == c.Kind && strings.TrimSpace(own.CSR) == strings.TrimSpace(c.CSR) {
			return own
		}
	}
	return nil
}

// done reports whether every certificate that was asked for is there.
func (i *Issuance) done() bool {
	return i != nil && len(i.Certificates) > 0 && !slices.ContainsFunc(i.Certificates, func(c *Issue) bool { return c.Certificate == "" })
}

// all returns the application's certificates, those taken back last. What is
// only asked for has no serial yet.
func (a *Application) all() []*Issue {
	var all []*Issue
	if a.Issuance != nil {
		all = slices.Clone(a.Issuance.Certificates)
	}
	for _, v := range a.Void {
		all = append(all, &v.Issue)
	}
	return all
}

// used returns the tickets of all that was done to the application.
func (a *Application) used() tickets {
	used := slices.Clone(a.Tickets).with(a.Ticket)
	if a.Issuance != nil {
		used = used.with(a.Issuance.Ticket)
	}
	return used
}

// index returns the strings that the case is found by, and those of them that
// no other case may have.
func (a *Application) index() (index, sole []string) {
	index = append(index, "fin:"+a.FIN)
	if a.VOEN != "" {
		index = append(index, "voen:"+a.VOEN)
	}
	if len(a.State.Legal()) > 0 {
		sole = append(sole, openIndex(a.Category, a.FIN))
	}
	for _, t := range a.used() {
		sole = append(sole, t.index())
	}
	for _, c := range a.all() {
		if c.Serial != "" {
			sole = append(sole, serialIndex(c.Serial))
		}
	}
	return index, sole
}

// openIndex is held by the one open application of a person in a category.
func openIndex(category Category, fin string) string { return "open:" + string(category) + ":" + fin }

// serialIndex leads from a certificate to the application that it came from.
func serialIndex(serial journal.Serial) string { return "certificate:" + string(serial) }

// check brings the applicant's fields to their stored form and names every one
// that is wrong. No text of it repeats a value.
func (a *Applicant) check() []problem.Field {
	var wrong []problem.Field
	fault := func(field, format string, args ...any) {
		wrong = append(wrong, problem.Field{Field: field, Detail: fmt.Sprintf(format, args...)})
	}
	if !slices.Contains(categories, a.Category) {
		fault("category", "is none of citizen, entrepreneur, legal_person, government, non_resident")
	}
	a.GivenName, a.Surname = strings.TrimSpace(a.GivenName), strings.TrimSpace(a.Surname)
	for _, name := range []struct{ field, key, value string }{{"given_name", "givenName", a.GivenName}, {"surname", "surname", a.Surname}} {
		if detail := checkName(name.key, name.value); detail != "" {
			fault(name.field, "%s", detail)
		}
	}
	if len(wrong) == 0 {
		// The common name is both names and has a bound of its own.
		if detail := checkName("CN", a.commonName()); detail != "" {
			fault("surname", "together with given_name %s", detail)
		}
	}
	fin, err := pki.ParseFIN(strings.TrimSpace(a.FIN))
	if err != nil {
		fault("fin", "%v", err)
	}
	a.FIN = fin
	a.checkVOEN(fault)
	a.Email = strings.TrimSpace(a.Email)
	if detail := checkEmail(a.Email); detail != "" {
		fault("email", "%s", detail)
	}
	a.Phone = strings.NewReplacer(" ", "", "-", "", "(", "", ")", "").Replace(a.Phone)
	// ITU-T E.164, Section 6: at most 15 digits, the country code first.
	if digits, ok := strings.CutPrefix(a.Phone, "+"); !ok || len(digits) < 7 || len(digits) > 15 || digits[0] == '0' || strings.Trim(digits, "0123456789") != "" {
		fault("phone", "is not an international number such as +994 50 000 00 00")
	}
	return wrong
}

func (a *Applicant) commonName() string { return a.GivenName + " " + a.Surname }

// checkVOEN: who acts for an undertaking names it; a citizen acts for nobody.
func (a *Applicant) checkVOEN(fault func(field, format string, args ...any)) {
	a.VOEN = strings.TrimSpace(a.VOEN)
	if a.VOEN == "" {
		if a.Category == Entrepreneur || a.Category == LegalPerson {
			fault("voen", "is required for this category")
		}
		return
	}
	if a.Category == Citizen {
		fault("voen", "does not belong to a citizen's application")
		return
	}
	voen, err := pki.ParseVOEN(a.VOEN)
	if err != nil {
		fault("voen", "%v", err)
		return
	}
	a.VOEN = voen
	switch legal := voen[9] == '1'; {
	case legal && a.Category == Entrepreneur:
		fault("voen", "is that of a legal person, and an entrepreneur is a natural one")
	case !legal && (a.Category == LegalPerson || a.Category == Government):
		fault("voen", "is that of a natural person, and this category needs a legal one's")
	}
}

// checkName says what is wrong with a person's name, or nothing.
func checkName(key, value string) string {
	if value == "" {
		return "is missing"
	}
	oid, _ := pki.AttributeType(key)
	if _, err := pki.MarshalName([]pki.Attribute{{Type: oid, Value: value}}); err != nil {
		return strings.TrimPrefix(err.Error(), key+" ")
	}
	letters := 0
	for _, r := range value {
		switch {
		case unicode.IsLetter(r):
			letters++
		case !unicode.IsMark(r) && !strings.ContainsRune(" -.'’ʼ", r):
			return "holds a character that names do not have"
		}
	}
	if letters == 0 {
		return "has no letter"
	}
	return ""
}

// checkEmail says what is wrong with an address, or nothing.
//
// RFC 5321, Section 4.5.3.1: 64 octets before the @, 254 altogether.
func checkEmail(value string) string {
	local, domain, ok := strings.Cut(value, "@")
	address, err := mail.ParseAddress(value)
	switch {
	case value == "":
		return "is missing"
	case !ok, err != nil, address.Address != value, !strings.Contains(domain, "."), strings.HasSuffix(domain, "."):
		return "is not an e-mail address"
	case len(local) > 64 || len(value) > 254:
		return "is longer than an e-mail address may be"
	case strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "holds a character outside ASCII"
	}
	return ""
}
