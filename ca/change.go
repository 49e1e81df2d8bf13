package ca

import (
	"context"
	"log/slog"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// tolerance is how far a client's clock may be ahead of ours.
const tolerance = time.Minute

// Change puts a Held, Released or Revoked entry into the journal and returns
// it with the status that it leads to. The caller sets Kind, Serial and Actor;
// Owner for holds and releases; Reason and InvalidityDate for revocations;
// ReceivedAt if it knows it. What the certificate's status does not allow is a
// [*journal.TransitionError], an unknown certificate fs.ErrNotExist, and what
// takes two persons [ErrTwoPersons].
func (a *Authority) Change(ctx context.Context, entry journal.Entry, ticket *journal.Ticket) (journal.Entry, journal.Status, error) {
	if a.takesTwo(entry) {
		return journal.Entry{}, journal.Status{}, ErrTwoPersons
	}
	return a.change(ctx, entry, ticket, nil)
}

// change is Change after persons have agreed to it; none is for changes that
// take one.
func (a *Authority) change(ctx context.Context, entry journal.Entry, ticket *journal.Ticket, persons []string) (journal.Entry, journal.Status, error) {
	if err := a.checkAdmitted(ctx, entry.Actor); err != nil {
		return journal.Entry{}, journal.Status{}, err
	}
	began := time.Now()
	if err := checkChange(entry, began); err != nil {
		a.config.Observe("refused", time.Since(began))
		return journal.Entry{}, journal.Status{}, err
	}
	attrs := []slog.Attr{
		slog.String("actor", entry.Actor), slog.String("serial", string(entry.Serial)), slog.String("kind", string(entry.Kind)),
		slog.String("owner", string(entry.Owner)), slog.String("reason", entry.Reason.String()),
	}
	if len(persons) > 0 {
		attrs = append(attrs, slog.Any("persons", persons))
	}
	if err := a.config.Audit(ctx, "ca.change", attrs...); err != nil {
		return journal.Entry{}, journal.Status{}, &AuditError{err}
	}
	changed, status, err := a.config.Register.Change(ctx, entry, ticket)
	if err != nil {
		a.config.Observe("unchanged", time.Since(began))
		return journal.Entry{}, journal.Status{}, err
	}
	a.clients.forget()
	a.superiors.forget()
	a.config.Observe(string(entry.Kind), time.Since(began))
	return changed, status, nil
}

func checkChange(entry journal.Entry, now time.Time) error {
	var r refusal
	switch entry.Kind {
	case journal.Held, journal.Released:
		if _, err := journal.ParseOwner(string(entry.Owner)); err != nil {
			r.add(CodeInvalid, "owner", "is none of holder, organisation, court, centre", "")
		}
		if entry.Reason != journal.Unspecified && entry.Reason != journal.CertificateHold {
			r.add(CodeInvalid, "reason", "belongs to a revocation; a hold is always certificateHold", "RFC 5280, Section 5.3.1")
		}
		if !entry.InvalidityDate.IsZero() {
			r.add(CodeInvalid, "invalidity_date", "belongs to a revocation", "RFC 5280, Section 5.3.2")
		}
	case journal.Revoked:
		if entry.Owner != "" {
			if _, err := journal.ParseOwner(string(entry.Owner)); err != nil {
				r.add(CodeInvalid, "owner", "is none of holder, organisation, court, centre", "")
			}
		}
		if _, err := journal.ParseRevocationReason(entry.Reason.String()); err != nil {
			r.add(CodeInvalid, "reason", "is not a reason of a revocation", "RFC 5280, Section 5.3.1")
		}
		if entry.InvalidityDate.After(now.Add(tolerance)) {
			r.add(CodeInvalid, "invalidity_date", "is in the future", "RFC 5280, Section 5.3.2")
		}
	default:
		r.add(CodeInvalid, "kind", "is none of held, released, revoked", "")
	}
	// RFC 5280, Section 4.1.2.5: the years that certificates and lists can tell.
	if !journal.Tellable(entry.InvalidityDate) {
		r.add(CodeInvalid, "invalidity_date", "is not between the years 1950 and 9999", "RFC 5280, Section 5.3.2")
	}
	if !journal.Tellable(entry.ReceivedAt) {
		r.add(CodeInvalid, "received_at", "is not between the years 1950 and 9999", "")
	}
	if entry.ReceivedAt.After(now.Add(tolerance)) {
		r.add(CodeInvalid, "received_at", "is in the future", "")
	}
	return r.error()
}
