package ra

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/altamga/altamga/internal/problem"
)

// tries bounds how often a change is made anew on the newest version of a case
// that others change at the same time.
const tries = 5

// submit takes in an application. A ticket that was used before leads to the
// case that it led to then.
func (o *Office) submit(ctx context.Context, who *Person, applicant Applicant, t *ticket) (*Application, error) {
	if t != nil {
		if a, err := o.submitted(ctx, t); a != nil || err != nil {
			return a, err
		}
	}
	if wrong := applicant.check(); len(wrong) > 0 {
		return nil, problem.Invalid(wrong...)
	}
	now := time.Now().UTC()
	a := &Application{
		ID: newID(applicationPrefix), State: Submitted, Applicant: applicant, Docs: "none", Identity: "pending",
		SubmittedAt: now, UpdatedAt: now, TakenBy: who.Name, Ticket: t,
	}
	const action = "application.submit"
	if err := o.ownCase(ctx, who, action, a.ID, a.FIN); err != nil {
		return nil, err
	}
	if err := o.audit(ctx, who, action, a.ID, slog.String("category", string(a.Category)), slog.String("to", string(a.State))); err != nil {
		return nil, err
	}
	err := o.save(ctx, a.ID, 0, a, Event{At: now, Actor: who.Name, Action: "submit", To: string(a.State)})
	if !errors.Is(err, fs.ErrExist) {
		return a, err
	}
	if t != nil {
		// Of two requests with one ticket the other was first.
		if a, err := o.submitted(ctx, t); a != nil || err != nil {
			return a, err
		}
	}
	return nil, problem.New(http.StatusConflict, "already_open", "the person has an open application in this category")
}

// submitted returns the application that the ticket led to before, as it was
// then, or nil.
func (o *Office) submitted(ctx context.Context, t *ticket) (*Application, error) {
	ids, err := o.find(ctx, t.index())
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	var a Application
	if _, err := o.load(ctx, applicationPrefix, ids[0], &a); err != nil {
		if errors.Is(err, errNoCase) {
			// The key belongs to a case of the other kind.
			err = errTicket
		}
		return nil, err
	}
	// The key may belong to a later step of the case.
	if err := a.Ticket.agree(t); err != nil {
		return nil, err
	}
	// Nothing that the applicant said changes after submission, so the first
	// answer can be given again.
	return &Application{
		ID: a.ID, State: Submitted, Applicant: a.Applicant, Docs: "none", Identity: "pending",
		SubmittedAt: a.SubmittedAt, UpdatedAt: a.SubmittedAt, TakenBy: a.TakenBy, Ticket: a.Ticket,
	}, nil
}

// permit refuses action on the application when its state or one of the rules
// on who may act forbids it.
func (o *Office) permit(ctx context.Context, who *Person, a *Application, action string) error {
	if err := o.ownCase(ctx, who, "application."+action, a.ID, a.FIN); err != nil {
		return err
	}
	if legal := a.legal(); !slices.Contains(legal, action) {
		state := string(a.State)
		if a.Ending != nil {
			state += " and waits to be ended"
		}
		return illegal("an application", state, action, legal)
	}
	// Design rule G4: who took the application in or verified it does not
	// approve it, whatever other roles the person has.
	if action == "approve" && (who.Name == a.TakenBy || who.Name == a.VerifiedBy) {
		return o.refuse(ctx, who, "application."+action, a.ID, "four_eyes", "another person than the one who took in or verified the application approves it")
	}
	// What two persons approved one alone does not end.
	if action == "confirm" && who.Name == a.Ending.By {
		return o.refuse(ctx, who, "application."+action, a.ID, "four_eyes", "another person than the one who wants to end the application confirms it")
	}
	return nil
}

// act carries out one transition of the table. On an approved application
// reject and withdraw are recorded, for a second person to confirm.
func (o *Office) act(ctx context.Context, who *Person, id, action, reason string, t *ticket) (*Application, error) {
	if action == "confirm" {
		return o.end(ctx, who, id, t)
	}
	for range tries {
		a := new(Application)
		version, err := o.load(ctx, applicationPrefix, id, a)
		if err != nil {
			return nil, err
		}
		if again, err := o.repeated(ctx, a.used(), id, t); again || err != nil {
			return a, err
		}
		if err := o.permit(ctx, who, a, action); err != nil {
			return nil, err
		}
		event := Event{At: time.Now().UTC(), Actor: who.Name, Action: action, From: string(a.State), Reason: reason}
		a.apply(event)
		event.To = string(a.State)
		a.Tickets = a.Tickets.with(t)
		if err := o.audit(ctx, who, "application."+action, id, slog.String("from", event.From), slog.String("to", event.To)); err != nil {
			return nil, err
		}
		err = o.save(ctx, id, version, a, event)
		if !errors.Is(err, fs.ErrExist) {
			return a, err
		}
	}
	return nil, errChanged
}

// apply changes the application by one legal action.
func (a *Application) apply(event Event) {
	a.UpdatedAt = event.At
	switch action := event.Action; {
	case action == "keep":
		a.Ending = nil
		return
	case action == "verify":
		a.VerifiedBy, a.Docs, a.Identity = event.Actor, "complete", "matched"
	case action == "approve":
		a.ApprovedBy = event.Actor
	case a.State == Approved:
		a.Ending = &Ending{Action: action, By: event.Actor, At: event.At, Reason: event.Reason}
		return
	default:
		a.Reason = event.Reason
	}
	a.State = transitionOf(event.Action).to
}
