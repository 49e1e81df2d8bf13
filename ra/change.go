package ra

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/problem"
)

// changeRoles says who may enter a request. Requests of the centre itself are
// for those who may confirm them, too.
func changeRoles(s *StatusRequest) []Role {
	switch {
	case s.Owner == journal.Centre:
		return []Role{Officer, Revocation}
	case s.Action == "revoke":
		return []Role{Revocation}
	}
	return []Role{Operator, Revocation}
}

// request records a request to change a certificate and, unless a second person
// has to confirm it, carries it out.
//
// It is recorded even when the authority cannot be reached, since deadlines
// count from its receipt: then the case comes back together with the answer
// that says so.
func (o *Office) request(ctx context.Context, who *Person, serial journal.Serial, s *StatusRequest, t *ticket) (*StatusRequest, error) {
	if t != nil {
		if earlier, err := o.requested(ctx, t); earlier != nil || err != nil {
			return o.resume(ctx, who, earlier, err)
		}
	}
	s.ID, s.State, s.Serial, s.RequestedBy, s.Ticket = newID(statusRequestPrefix), Received, serial, who.Name, t
	if !who.has(changeRoles(s)...) {
		return nil, o.refuse(ctx, who, "status."+s.Action, s.ID, "role_required", "the person has none of the roles that this needs")
	}
	a, issue, err := o.origin(ctx, serial)
	if err != nil {
		if errors.Is(err, errNoCertificate) {
			o.auditRefusal(ctx, who, "status."+s.Action, s.ID, "unknown_certificate")
		}
		return nil, err
	}
	if err := o.ownCase(ctx, who, "status."+s.Action, s.ID, a.FIN); err != nil {
		return nil, err
	}
	if parsed, err := parseCertificate(issue.Certificate); err != nil {
		return nil, err
	} else if err := s.checkTimes(parsed.NotBefore); err != nil {
		return nil, err
	}
	certificate, away := o.certificate(ctx, serial)
	switch {
	case unknownCertificate(certificate, away):
		return nil, errNoCertificate
	case away == nil:
		if legal := legalActions(certificate.Status, s.Owner); !slices.Contains(legal, s.Action) {
			return nil, illegalChange(certificate.Status, s.Action, s.Owner, legal)
		}
	case isFinal(away):
		return nil, o.authorityFault(ctx, away, "serial")
	}
	if err := o.audit(ctx, who, "status."+s.Action, s.ID, slog.String("serial", string(serial)), slog.String("owner", string(s.Owner))); err != nil {
		return nil, err
	}
	err = o.save(ctx, s.ID, 0, s, Event{At: s.RecordedAt, Actor: who.Name, Action: s.Action, To: string(Received), Reason: s.Note})
	if errors.Is(err, fs.ErrExist) && t != nil {
		earlier, err := o.requested(ctx, t)
		return o.resume(ctx, who, earlier, err)
	}
	switch {
	case err != nil:
		return nil, err
	case s.TwoPersons:
		return s, nil
	case away != nil:
		return s, o.authorityFault(ctx, away, "serial")
	}
	return o.execute(ctx, who, s.ID, nil)
}

// requested returns the status request that the ticket led to before, or nil.
func (o *Office) requested(ctx context.Context, t *ticket) (*StatusRequest, error) {
	ids, err := o.find(ctx, t.index())
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	var s StatusRequest
	if _, err := o.load(ctx, statusRequestPrefix, ids[0], &s); err != nil {
		if errors.Is(err, errNoCase) {
			err = errTicket
		}
		return nil, err
	}
	return &s, s.Ticket.agree(t)
}

// resume goes on with a request that came before.
func (o *Office) resume(ctx context.Context, who *Person, s *StatusRequest, err error) (*StatusRequest, error) {
	switch {
	case err != nil:
		return nil, err
	case s.State == Refused:
		return s, problem.New(http.StatusConflict, "refused", "the request was refused: "+s.Refusal)
	case s.State == Received && !s.TwoPersons:
		if err := o.ownCertificate(ctx, who, s, "execute"); err != nil {
			return s, err
		}
		return o.execute(ctx, who, s.ID, nil)
	}
	return s, nil
}

// origin returns the application that a certificate came from, with the
// certificate. Any other certificate of the register, such as the authority's
// own, is not the office's business: errNoCertificate.
func (o *Office) origin(ctx context.Context, serial journal.Serial) (*Application, *Issue, error) {
	ids, err := o.find(ctx, serialIndex(serial))
	if err != nil {
		return nil, nil, err
	}
	for _, id := range ids {
		a := new(Application)
		if _, err := o.load(ctx, applicationPrefix, id, a); err != nil {
			return nil, nil, err
		}
		for _, c := range a.all() {
			if c.Serial == serial {
				return a, c, nil
			}
		}
	}
	return nil, nil, errNoCertificate
}

// ownCertificate keeps who, and whoever entered the request, from the status of
// a certificate of their own.
func (o *Office) ownCertificate(ctx context.Context, who *Person, s *StatusRequest, action string) error {
	a, _, err := o.origin(ctx, s.Serial)
	if err != nil {
		return err
	}
	for _, person := range []*Person{who, o.person(s.RequestedBy)} {
		if person == nil {
			continue
		}
		if err := o.ownCase(ctx, person, "status."+action, s.ID, a.FIN); err != nil {
			return err
		}
	}
	return nil
}

func illegalChange(status journal.Status, action string, owner journal.Owner, legal []string) error {
	d := problem.New(http.StatusConflict, "illegal_transition",
		(&journal.TransitionError{From: status, Kind: kindOf(action), Owner: owner}).Error())
	d.Legal = legal
	return d
}

// execute carries a received request out. Each certificate of its scope is
// asked for with a key of its own, so that a repetition finds the changes that
// an earlier try led to.
func (o *Office) execute(ctx context.Context, who *Person, id string, t *ticket) (*StatusRequest, error) {
	var s StatusRequest
	if _, err := o.load(ctx, statusRequestPrefix, id, &s); err != nil {
		return nil, err
	}
	if s.State != Received {
		// Somebody else carried it out since it was read.
		return &s, nil
	}
	if s.TwoPersons && s.ConfirmedBy == "" {
		return &s, illegal("a status request", "not confirmed", "execute", s.legal())
	}
	s.Tickets = s.Tickets.with(t)
	serials, err := o.scope(ctx, &s)
	if err != nil {
		return &s, err
	}
	var changes []Change
	for _, serial := range serials {
		changed, err := o.askChange(ctx, &s, serial)
		if err == nil {
			changes = append(changes, Change{Serial: serial, Position: changed.Entry.Position, EffectiveAt: changed.Entry.EffectiveAt, Status: changed.Status})
			continue
		}
		if isFinal(err) && serial != s.Serial {
			// Another of the set changed since the scope was read; the one that
			// was named is done.
			continue
		}
		fault := o.authorityFault(ctx, err, "serial")
		if isFinal(err) {
			s.Refusal = fault.Error()
			return o.settle(ctx, who, &s, Refused, nil, fault)
		}
		return &s, fault
	}
	return o.settle(ctx, who, &s, Executed, changes, nil)
}

// settle writes the outcome of a request.
func (o *Office) settle(ctx context.Context, who *Person, s *StatusRequest, state StatusState, changes []Change, answer error) (*StatusRequest, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.AuthorityTimeout)
	defer cancel()
	refusal, done := s.Refusal, s.Tickets
	settled, err := o.amend(ctx, who, s.ID, func(s *StatusRequest) (Event, error) {
		// What the authority has done counts, even if the request was refused
		// here while it did.
		if s.State != Received && (s.State != Refused || state != Executed) {
			return Event{}, nil
		}
		event := Event{Action: "execute", From: string(s.State), To: string(state), Reason: refusal}
		s.State, s.Changes, s.Refusal = state, changes, refusal
		for _, t := range done {
			s.Tickets = s.Tickets.with(t)
		}
		if len(changes) > 0 {
			s.EffectiveAt = changes[0].EffectiveAt
		}
		return event, nil
	})
	if err != nil {
		return s, err
	}
	return settled, answer
}

// amend changes a status request on its newest version. change returns the
// event that tells of it, or a zero one when there is nothing to do.
func (o *Office) amend(ctx context.Context, who *Person, id string, change func(*StatusRequest) (Event, error)) (*StatusRequest, error) {
	for range tries {
		var s StatusRequest
		version, err := o.load(ctx, statusRequestPrefix, id, &s)
		if err != nil {
			return nil, err
		}
		event, err := change(&s)
		if err != nil || event.Action == "" {
			return &s, err
		}
		event.At, event.Actor = time.Now().UTC(), who.Name
		err = o.save(ctx, id, version, &s, event)
		if !errors.Is(err, fs.ErrExist) {
			return &s, err
		}
	}
	return nil, errChanged
}

// scope returns the certificates that a request changes, the one named first.
func (o *Office) scope(ctx context.Context, s *StatusRequest) ([]journal.Serial, error) {
	a, _, err := o.origin(ctx, s.Serial)
	if err != nil {
		return nil, err
	}
	serials := []journal.Serial{s.Serial}
	if s.Scope != "set" {
		return serials, nil
	}
	for _, c := range a.all() {
		if c.Serial != "" && c.Serial != s.Serial {
			serials = append(serials, c.Serial)
		}
	}
	return serials, nil
}

// askChange asks the authority to change one certificate.
func (o *Office) askChange(ctx context.Context, s *StatusRequest, serial journal.Serial) (Changed, error) {
	ctx, cancel := context.WithTimeout(ctx, o.AuthorityTimeout)
	defer cancel()
	persons := []string{s.RequestedBy}
	if s.ConfirmedBy != "" {
		persons = append(persons, s.ConfirmedBy)
	}
	return o.Authority.Change(ctx, ChangeRequest{
		Persons: persons,
		Serial:  serial, Kind: kindOf(s.Action), Owner: s.Owner, Reason: s.Reason, InvalidityDate: s.InvalidityDate,
		ReceivedAt: s.ReceivedAt, IdempotencyKey: s.ID + "/" + string(serial),
	})
}

// certificate asks the authority for a certificate and its history.
func (o *Office) certificate(ctx context.Context, serial journal.Serial) (Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, o.AuthorityTimeout)
	defer cancel()
	return o.Authority.Certificate(ctx, serial)
}

func parseCertificate(text string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("the authority's certificate is not in PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}
