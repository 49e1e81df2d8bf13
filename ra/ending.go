package ra

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"time"
)

// Ending is the request to end an application that is approved already: two
// persons do what two persons approved.
type Ending struct {
	// Action is "reject" or "withdraw".
	Action string    `json:"action"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"`
}

// end confirms the ending of an approved application. What was issued for it is
// revoked first.
func (o *Office) end(ctx context.Context, who *Person, id string, t *ticket) (*Application, error) {
	audited := false
	for range 2 * tries {
		a := new(Application)
		version, err := o.load(ctx, applicationPrefix, id, a)
		if err != nil {
			return nil, err
		}
		if again, err := o.repeated(ctx, a.used(), id, t); again || err != nil {
			return a, err
		}
		if err := o.permit(ctx, who, a, "confirm"); err != nil {
			return nil, err
		}
		to := transitionOf(a.Ending.Action).to
		if !audited {
			if err := o.audit(ctx, who, "application.confirm", id, slog.String("from", string(a.State)), slog.String("to", string(to))); err != nil {
				return nil, err
			}
			audited = true
		}
		switch {
		case a.Issuance != nil:
			err = o.giveUp(ctx, version, a)
		case a.unrevoked():
			_, err = o.revokeVoid(ctx, who, id)
		default:
			event := Event{At: time.Now().UTC(), Actor: who.Name, Action: "confirm", From: string(a.State), To: string(to), Reason: a.Ending.Reason}
			a.State, a.UpdatedAt, a.Reason, a.EndedBy = to, event.At, a.Ending.Reason, []string{a.Ending.By, who.Name}
			a.Ending = nil
			a.Tickets = a.Tickets.with(t)
			if err = o.save(ctx, id, version, a, event); err == nil {
				return a, nil
			}
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	return nil, errChanged
}

// giveUp makes void what was issued. Where an answer of the authority was lost,
// nobody but the authority knows whether there is a certificate; it is asked
// once more, by the same key, so that none stays valid unknown to the case.
func (o *Office) giveUp(ctx context.Context, version uint64, a *Application) error {
	if !a.Issuance.done() {
		if fault, final := o.askIssue(ctx, a); fault != nil && !final {
			return fault
		}
	}
	now := time.Now().UTC()
	a.voidIssuance(now)
	a.UpdatedAt = now
	return o.save(ctx, a.ID, version, a, Event{})
}
