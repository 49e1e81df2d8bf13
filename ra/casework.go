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
	if !slices.Contains(transitionOf(action).from, a.State) {
		return illegal("an application", string(a.State), action, a.State.Legal())
	}
	// Design rule G4: who took the application in or verified it does not
	// approve it, whatever other roles the person has.
	if action == "approve" && (who.Name == a.TakenBy || who.Name == a.VerifiedBy) {
		return o.refuse(ctx, who, "application."+action, a.ID, "four_eyes", "another person than the one who took in or verified the application approves it")
	}
	return nil
}

// act carries out one transition of the table.
func (o *Office) act(ctx context.Context, who *Person, id, action, reason string) (*Application, error) {
	for range tries {
		var a Application
		version, err := o.load(ctx, applicationPrefix, id, &a)
		if err != nil {
			return nil, err
		}
		if err := o.permit(ctx, who, &a, action); err != nil {
			return nil, err
		}
		event := Event{At: time.Now().UTC(), Actor: who.Name, Action: action, From: string(a.State), Reason: reason}
		a.State, a.UpdatedAt = transitionOf(action).to, event.At
		event.To = string(a.State)
		switch action {
		case "verify":
			a.VerifiedBy, a.Docs, a.Identity = who.Name, "complete", "matched"
		case "approve":
			a.ApprovedBy = who.Name
		default:
			a.Reason = reason
		}
		if err := o.audit(ctx, who, "application."+action, id, slog.String("from", event.From), slog.String("to", event.To)); err != nil {
			return nil, err
		}
		err = o.save(ctx, id, version, &a, event)
		if !errors.Is(err, fs.ErrExist) {
			return &a, err
		}
	}
	return nil, errChanged
}
