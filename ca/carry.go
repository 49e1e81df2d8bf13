package ca

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/problem"
)

// Carried is a confirmed request and what it led to.
type Carried struct {
	Pending journal.Pending `json:"pending"`
	// Change is the answer to a hold, release or revocation; Issued that to
	// the certificate of an authority.
	Change *ChangeAnswer `json:"change,omitempty"`
	Issued *IssueAnswer  `json:"issued,omitempty"`
}

// pendingTicket makes carrying out happen once. Its actor is nobody, so that no
// client's idempotency key can be the same.
func pendingTicket(p journal.Pending) *journal.Ticket {
	return &journal.Ticket{Actor: "", Key: "pending " + p.ID, Request: p.Hash}
}

// carryOut does what was confirmed, unless that has been done, and closes the
// request.
func (a *Authority) carryOut(ctx context.Context, p journal.Pending) (*Carried, error) {
	// Both persons were admitted, each in his time.
	ctx = inside(ctx)
	release, err := a.claim(ctx, pendingTicket(p))
	if err != nil {
		return nil, err
	}
	defer release()
	carried := &Carried{Pending: p}
	_, entry, err := a.config.Register.Redeemed(ctx, "", pendingTicket(p).Key)
	if errors.Is(err, fs.ErrNotExist) {
		err = a.execute(ctx, p, carried)
		if errors.Is(err, fs.ErrExist) {
			// Another process was faster.
			_, entry, err = a.config.Register.Redeemed(ctx, "", pendingTicket(p).Key)
		}
	}
	if err == nil && carried.Change == nil && carried.Issued == nil {
		err = a.recall(ctx, p, entry, carried)
	}
	next := p
	switch {
	case err == nil:
		next.State = journal.Done
	case isFinal(err):
		next.State, next.Outcome = journal.Failed, err.Error()
	default:
		// Nobody knows; the next try finds out.
		return nil, err
	}
	if p.State == journal.Confirmed {
		// What was done counts even if this fails: the ticket is redeemed, and the
		// next who looks closes the request.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), completeWithin)
		defer cancel()
		if failed := a.config.Access.Pending.Decide(ctx, journal.Confirmed, next); failed != nil && !errors.Is(failed, fs.ErrExist) {
			return nil, failed
		}
	}
	carried.Pending = next
	return carried, err
}

// isFinal reports whether trying again cannot help.
func isFinal(err error) bool {
	if _, ok := errors.AsType[*journal.TransitionError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*RefusedError](err); ok {
		return true
	}
	details, ok := errors.AsType[*problem.Details](err)
	return ok && details.Status/100 == 4 || errors.Is(err, fs.ErrNotExist)
}

// execute carries out a confirmed request.
func (a *Authority) execute(ctx context.Context, p journal.Pending, carried *Carried) error {
	if p.Action == ActionAuthority || p.Action == ActionApprove {
		return a.executeIssue(ctx, p, carried)
	}
	var body ChangeRequest
	if err := json.Unmarshal(p.Request, &body); err != nil {
		return fmt.Errorf("reading pending request: %w", err)
	}
	kind, ok := map[string]journal.Kind{ActionHold: journal.Held, ActionRelease: journal.Released, ActionRevoke: journal.Revoked}[p.Action]
	if !ok {
		return fmt.Errorf("reading pending request: action %q is unknown", p.Action)
	}
	entry, err := entryOf(kind, p.Serial, both(p), &body)
	if err != nil {
		return err
	}
	changed, status, err := a.change(ctx, entry, pendingTicket(p), []string{p.Requester, p.Decider})
	if err == nil {
		carried.Change = &ChangeAnswer{Status: status, Entry: changed}
	}
	return err
}

func (a *Authority) executeIssue(ctx context.Context, p journal.Pending, carried *Carried) error {
	var body IssueRequest
	if err := json.Unmarshal(p.Request, &body); err != nil {
		return fmt.Errorf("reading pending request: %w", err)
	}
	request, err := a.requestOf(&body)
	if err != nil {
		return err
	}
	// The names of an enrolment were chosen when it was asked for.
	request.OnlyNames = p.Action == ActionApprove
	request.Actor, request.Ticket = both(p), pendingTicket(p)
	issued, err := a.issueNow(ctx, request)
	if err != nil {
		return err
	}
	answer := issued.answer()
	carried.Issued = &answer
	return nil
}

// recall answers from the entry that carrying out led to before.
func (a *Authority) recall(ctx context.Context, p journal.Pending, entry journal.Entry, carried *Carried) error {
	if p.Action == ActionAuthority || p.Action == ActionApprove {
		answer, err := a.issuedBefore(ctx, entry)
		carried.Issued = &answer
		return err
	}
	status, err := a.statusAfter(ctx, entry)
	carried.Change = &ChangeAnswer{Status: status, Entry: entry}
	return err
}

// takeAuthority records the request for a certificate of an authority, which
// takes two persons.
func (a *Authority) takeAuthority(w http.ResponseWriter, r *http.Request, body *IssueRequest, raw []byte, actor string, t *journal.Ticket) error {
	if _, err := a.requestOf(body); err != nil {
		return err
	}
	p, err := a.propose(r.Context(), ActionAuthority, "", body, raw, actor, t)
	if err != nil {
		return err
	}
	return answerPending(w, p)
}

// takeChange records a change of the centre's own initiative.
func (a *Authority) takeChange(w http.ResponseWriter, r *http.Request, action string, entry journal.Entry, body ChangeRequest, raw []byte, t *journal.Ticket) error {
	if err := checkChange(entry, time.Now()); err != nil {
		return err
	}
	// What is not possible now is refused now; the second person's time is not
	// taken for it.
	record, err := a.config.Register.Record(r.Context(), entry.Serial)
	if err != nil {
		return err
	}
	if record.Certificate == nil {
		return fs.ErrNotExist
	}
	entry.EffectiveAt = time.Now()
	if _, err := record.Status.Apply(entry); err != nil {
		return err
	}
	// The request reached the centre when the first person sent it.
	body.ReceivedAt = entry.ReceivedAt
	p, err := a.propose(r.Context(), action, entry.Serial, body, raw, entry.Actor, t)
	if err != nil {
		return err
	}
	return answerPending(w, p)
}

// answerPending answers 202: recorded, and not carried out.
func answerPending(w http.ResponseWriter, p journal.Pending) error {
	w.Header().Set("Location", "/v1/pending/"+p.ID)
	problem.WriteJSON(w, http.StatusAccepted, p)
	return nil
}
