package ra

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/altamga/altamga/internal/problem"
)

// step carries out one step of a status request.
func (o *Office) step(ctx context.Context, who *Person, id, action, reason string, notifiedAt time.Time) (*StatusRequest, error) {
	if action == "confirm" || action == "execute" {
		var s StatusRequest
		if _, err := o.load(ctx, statusRequestPrefix, id, &s); err != nil {
			return nil, err
		}
		if err := o.ownCertificate(ctx, who, &s, action); err != nil {
			return nil, err
		}
	}
	s, err := o.amend(ctx, who, id, func(s *StatusRequest) (Event, error) {
		if !slices.Contains(s.legal(), action) {
			return Event{}, illegal("a status request", string(s.State), action, s.legal())
		}
		// Design rule G4: two persons restore a centre's hold or revoke on the
		// centre's own initiative.
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
		return event, nil
	})
	if err != nil {
		return nil, err
	}
	if action == "confirm" || action == "execute" {
		return o.execute(ctx, who, id)
	}
	return s, nil
}
