package ca

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/altamga/altamga/internal/journal"
)

// Access says what is asked of clients beyond [Config.Allow]: a second person
// for what the centre does on its own initiative, and moderation.
type Access struct {
	// Pending keeps the requests that wait for a second person. nil: nobody is
	// asked for, and authorities are not issued over HTTP; this is for callers
	// in the same process, not for a server.
	Pending PendingStore
	// PendingFor is how long a request can be confirmed. Default 24 hours.
	PendingFor time.Duration
	// Person names the person behind a client, since one person may have
	// several client certificates. nil: every client is a person of its own.
	Person func(client string) string
	// Vouches says of a client that it is not a person but a server that has
	// had two persons agree before it asks, and that names them in
	// [ChangeRequest.Persons]. Its word is taken for it. nil: no client does.
	Vouches func(client string) bool
	// Rate bounds the requests of a client: so many a second, and burst at
	// once. Zero a second is no bound. The client "" stands for whoever is not
	// known yet, by TLS client certificate or address. nil: nobody is bound, and
	// whoever calls is in the same process; see door.go.
	Rate func(client string) (perSecond float64, burst int)
}

func (x *Access) setDefaults() {
	if x.PendingFor <= 0 {
		x.PendingFor = 24 * time.Hour
	}
	if x.Person == nil {
		x.Person = func(client string) string { return client }
	}
	if x.Vouches == nil {
		x.Vouches = func(string) bool { return false }
	}
	if x.Rate == nil {
		x.Rate = func(string) (float64, int) { return 0, 0 }
	}
}

// ErrTwoPersons is returned by [Authority.Change] for a change of the centre's
// own initiative that one client asks for alone.
var ErrTwoPersons = errors.New("ca: the centre's own changes take two persons")

// centresOwn reports whether the change is of the centre's own initiative. A
// revocation in nobody's name is: else leaving the owner out would do alone
// what takes two with it.
func centresOwn(entry journal.Entry) bool {
	return entry.Owner == journal.Centre || entry.Kind == journal.Revoked && entry.Owner == ""
}

// takesTwo reports whether a second client has to confirm the change.
func (a *Authority) takesTwo(entry journal.Entry) bool {
	return a.config.Access.Pending != nil && centresOwn(entry) && !a.config.Access.Vouches(entry.Actor)
}

// checkPersons checks the names of those who agreed before the client asked.
//
// A vouching client must name two different persons for what lifts a hold of
// the centre or revokes; one may put the centre's hold on, because waiting is
// then the greater harm and the hold can be lifted again.
func (a *Authority) checkPersons(entry journal.Entry, persons []string) error {
	var r refusal
	distinct := slices.CompactFunc(slices.SortedFunc(slices.Values(persons), func(a, b string) int {
		return strings.Compare(strings.ToLower(a), strings.ToLower(b))
	}), samePerson)
	switch {
	case !a.config.Access.Vouches(entry.Actor):
		if len(persons) > 0 {
			r.add(CodeInvalid, "persons", "is for clients that vouch for their staff; this one asks for itself", "")
		}
		return r.error()
	case len(persons) > 8 || slices.ContainsFunc(persons, func(s string) bool { return !isShortName(s) }):
		r.add(CodeInvalid, "persons", "is not a list of at most 8 short names without spaces", "")
	case !centresOwn(entry) || a.config.Access.Pending == nil:
	case len(distinct) == 0:
		r.add(CodeInvalid, "persons", "is missing: the centre's own change names those who decided it", "")
	case entry.Kind != journal.Held && len(distinct) < 2:
		r.add(CodeInvalid, "persons", "names one person where two must agree", "")
	}
	return r.error()
}

// samePerson reports whether two names are of one person. Another spelling of a
// name makes no other person.
func samePerson(a, b string) bool {
	return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
}

// isShortName reports whether s can name a person in the audit log. Each name
// has one spelling: no marks that make one letter of two characters, and no
// letters but Latin ones, which others look like.
func isShortName(s string) bool {
	return s != "" && len(s) <= 128 && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		ascii := r > ' ' && r <= '~'
		return !ascii && (!unicode.Is(unicode.Latin, r) || r >= 0x1e00)
	})
}
