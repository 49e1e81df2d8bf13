package ra

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/altamga/altamga/internal/problem"
)

// stepInput is what one step is asked for with.
type stepInput struct {
	action, reason string
	notifiedAt     time.Time
	ticket         *ticket
}

// step carries out one step of a status request.
func (o *Office) step(ctx context.Context, who *Person, id string, in stepInput) (*StatusRequest, error) {
	action := in.action
	var s StatusRequest
	if _, err := o.load(ctx, statusRequestPrefix, id, &s); err != nil {
		return nil, err
	}
	again, err := o.repeated(ctx, s.used(), id, in.ticket)
	if err != nil {
		return nil, err
	}
	if again && s.State != Received {
		return &s, nil
	}
	carriedOut := action == "confirm" || action == "execute"
	if carriedOut {
		if err := o.ownCertificate(ctx, who, &s, action); err != nil {
			return nil, err
		}
	}
	if again {
		// It was confirmed, and the authority gave no answer.
		return o.execute(ctx, who, id, in.ticket)
	}
	return o.takeStep(ctx, who, id, in, carriedOut)
}

func (o *Office) takeStep(ctx context.Context, who *Person, id string, in stepInput, carriedOut bool) (*StatusRequest, error) {
	action, reason, notifiedAt := in.action, in.reason, in.notifiedAt
	s, err := o.amend(ctx, who, id, func(s *StatusRequest) (Event, error) {
		if !slices.Contains(s.legal(), action) {
			return Event{}, illegal("a status request", string(s.State), action, s.legal())
		}
		// Design rule G4: two persons restore a centre's hold, revoke on the
		// centre's own initiative, and act for a court.
		if action == "confirm" && who.Name == s.RequestedBy {
			return Event{}, o.refuse(ctx, who, "status.confirm", id, "four_eyes", "another person than the one who entered the request confirms it")
		}
		if action == "notified" && notifiedAt.Before(s.EffectiveAt) {
			return Event{}, problem.Invalid(problem.Field{Field: "notified_at", Detail: "lies before the change took effect"})
		}
		if err := o.audit(ctx, who, "status."+action, id, slog.String("serial", string(s.Serial))); err != nil {
			return Event{}, err
		}
		event := Event{Action: action, From: string(s.State), Reason: reason}
		switch action {
		case "confirm":
			s.ConfirmedBy = who.Name
		case "execute":
			// Carried out below; the request itself does not change before.
			return Event{}, nil
		case "refuse":
			s.State, s.Refusal = Refused, reason
		case "notified":
			s.State, s.NotifiedAt, s.NotifiedBy = Notified, notifiedAt, who.Name
		}
		event.To = string(s.State)
		s.Tickets = s.Tickets.with(in.ticket)
		return event, nil
	})
	if err != nil {
		return nil, err
	}
	if carriedOut {
		return o.execute(ctx, who, id, in.ticket)
	}
	return s, nil
}
