package ca

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/problem"
)

func (a *Authority) postChange(action string, kind journal.Kind) endpoint {
	return func(w http.ResponseWriter, r *http.Request, actor string) error {
		serial, err := serialOf(r)
		if err != nil {
			return err
		}
		twice, err := a.permitChange(r.Context(), actor, action, serial)
		if err != nil {
			return err
		}
		var body ChangeRequest
		raw, details := problem.ReadJSON(w, r, maxBody, &body)
		if details != nil {
			return details
		}
		ticket, details := ticket(r, actor, raw)
		if details != nil {
			return details
		}
		replay := func(entry journal.Entry) error {
			status, err := a.statusAfter(r.Context(), entry)
			if err != nil {
				return err
			}
			problem.WriteJSON(w, http.StatusOK, ChangeAnswer{Status: status, Entry: entry})
			return nil
		}
		return a.once(w, r, ticket, replay, func() error {
			entry, err := entryOf(kind, serial, actor, &body)
			if err != nil {
				return err
			}
			if err := a.checkPersons(entry, body.Persons); err != nil {
				return err
			}
			if twice || a.takesTwo(entry) {
				return a.takeChange(w, r, action, entry, body, raw, ticket)
			}
			changed, status, err := a.change(r.Context(), entry, ticket, body.Persons)
			if err != nil {
				return err
			}
			problem.WriteJSON(w, http.StatusOK, ChangeAnswer{Status: status, Entry: changed})
			return nil
		})
	}
}

// permitChange asks whether actor may change this certificate: who may have
// certificates of a profile issued is not thereby allowed to revoke others. The
// certificate of an authority, twice, is changed by two persons who may act for
// authorities, and by nobody where the second is not asked for.
func (a *Authority) permitChange(ctx context.Context, actor, action string, serial journal.Serial) (twice bool, err error) {
	record, err := a.config.Register.Record(ctx, serial)
	if errors.Is(err, fs.ErrNotExist) {
		// What is wrong with the request is said first.
		return false, a.permit(actor, action, "", "")
	}
	if err != nil {
		return false, err
	}
	profile, ok := a.config.Profiles.Lookup(record.Profile)
	if ok && !profile.CA {
		return false, a.permit(actor, action, record.Issuer, record.Profile)
	}
	if !a.isAuthority(record.Profile) {
		return false, problem.New(http.StatusForbidden, "authority_certificate", "the certificate of an authority is not changed over this interface")
	}
	return true, a.permit(actor, ActionAuthority, record.Issuer, record.Profile)
}

func entryOf(kind journal.Kind, serial journal.Serial, actor string, body *ChangeRequest) (journal.Entry, error) {
	entry := journal.Entry{
		Kind: kind, Serial: serial, Actor: actor, Owner: journal.Owner(body.Owner),
		ReceivedAt: body.ReceivedAt.UTC(), InvalidityDate: body.InvalidityDate.UTC(),
	}
	if entry.ReceivedAt.IsZero() {
		entry.ReceivedAt = time.Now().UTC()
	}
	switch {
	case body.Reason == "":
	case kind != journal.Revoked && body.Reason == journal.CertificateHold.String():
	default:
		reason, err := journal.ParseRevocationReason(body.Reason)
		if err != nil {
			return entry, refusedFor(CodeInvalid, "reason", "is not the name of a revocation reason", "RFC 5280, Section 5.3.1")
		}
		entry.Reason = reason
	}
	return entry, nil
}

// statusAfter is the status as it was right after the entry, whatever came
// later.
func (a *Authority) statusAfter(ctx context.Context, entry journal.Entry) (journal.Status, error) {
	history, err := a.config.Register.History(ctx, entry.Serial)
	var status journal.Status
	for _, e := range history {
		if err != nil || e.Position > entry.Position {
			break
		}
		if status, err = status.Apply(e); err != nil {
			err = fmt.Errorf("folding history: %w", err)
		}
	}
	return status, err
}
