package ca

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/problem"
)

// What the centre does on its own initiative takes two persons (dual control).
// The first one's request is recorded and answered 202; it is carried out when
// a second person, by another client with the same role, confirms it:
//
//	open ──confirm──▶ confirmed ──carried out──▶ done
//	  │                   └──not possible any more──▶ failed
//	  ├──refuse──▶ refused      (the one who asked may take it back)
//	  └──time over──▶ lapsed
//
// The step out of "open" is a compare-and-set in the store, so of many
// decisions one wins. Carrying out redeems a ticket in the register, in the same
// commit as the change, so that what a crash interrupts after the
// confirmation is done once, by the next who comes: the same person repeating
// the confirmation, or [Authority.Run]. Rejected was carrying out inside of the
// store's transaction: a certificate cannot be signed in one.

// PendingStore keeps requests that wait for a second person. Every write is
// durable when it returns nil.
type PendingStore interface {
	// Propose records an open request; fs.ErrExist when the ID is taken.
	Propose(ctx context.Context, p journal.Pending) error
	// Pending returns a request; fs.ErrNotExist for an unknown ID.
	Pending(ctx context.Context, id string) (journal.Pending, error)
	// Undecided returns what is open or confirmed and not done, oldest first, a
	// bounded number.
	Undecided(ctx context.Context) ([]journal.Pending, error)
	// Decide moves a request on, with who decided and what came of it;
	// fs.ErrExist when it is not in the state from any more. A confirmation
	// by whoever asked is refused.
	Decide(ctx context.Context, from journal.PendingState, next journal.Pending) error
}

// pendingID is the ID of the request that a ticket stands for, or a random one.
// That the first is no secret does not matter: who may confirm is asked for.
func pendingID(t *journal.Ticket) string {
	if t == nil {
		var id [16]byte
		rand.Read(id[:])
		return hex.EncodeToString(id[:])
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(t.Actor), t.Actor, t.Key))
	return hex.EncodeToString(sum[:16])
}

// propose records what actor asks for. body is the request in JSON, raw what
// came, and the ticket, if there is one, makes repeating safe.
func (a *Authority) propose(ctx context.Context, action string, serial journal.Serial, body any, raw []byte, actor string, t *journal.Ticket) (journal.Pending, error) {
	if a.config.Access.Vouches(actor) {
		// There is no person behind it who could be the first of two.
		return journal.Pending{}, problem.New(http.StatusForbidden, "forbidden", "this takes two persons, and the client is a server")
	}
	request, err := json.Marshal(body)
	if err != nil {
		return journal.Pending{}, fmt.Errorf("encoding request: %w", err)
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	p := journal.Pending{
		ID: pendingID(t), State: journal.Open, Action: action, Serial: serial, Request: request, Hash: sha256.Sum256(raw),
		RequestedBy: actor, Requester: a.config.Access.Person(actor), RequestedAt: now, ExpiresAt: now.Add(a.config.Access.PendingFor),
	}
	if t != nil {
		p.Hash = t.Request
	}
	if err := a.auditPending(ctx, "ca.pending.request", p, actor); err != nil {
		return p, err
	}
	err = a.config.Access.Pending.Propose(ctx, p)
	if errors.Is(err, fs.ErrExist) && t != nil {
		earlier, err := a.config.Access.Pending.Pending(ctx, p.ID)
		if err == nil && earlier.Hash != t.Request {
			err = errTicketConflict
		}
		return earlier, err
	}
	if err != nil {
		return p, err
	}
	a.config.Observe("pending", time.Since(now))
	return p, nil
}

// auditPending writes the audit line of a step of a pending request.
func (a *Authority) auditPending(ctx context.Context, action string, p journal.Pending, actor string) error {
	attrs := []slog.Attr{slog.String("actor", actor), slog.String("pending", p.ID), slog.String("asks", p.Action), slog.String("requester", p.Requester)}
	if actor != "" {
		attrs = append(attrs, slog.String("person", a.config.Access.Person(actor)))
	}
	if p.Serial != "" {
		attrs = append(attrs, slog.String("serial", string(p.Serial)))
	}
	if err := a.config.Audit(ctx, action, attrs...); err != nil {
		return &AuditError{err}
	}
	return nil
}

// mayDecide checks that actor is a person with the role for what is asked.
func (a *Authority) mayDecide(ctx context.Context, p journal.Pending, actor string) error {
	if a.config.Access.Vouches(actor) {
		return problem.New(http.StatusForbidden, "forbidden", "a person decides here, and the client is a server")
	}
	if p.Action != ActionAuthority && p.Action != ActionApprove {
		_, err := a.permitChange(ctx, actor, p.Action, p.Serial)
		return err
	}
	var body IssueRequest
	if err := json.Unmarshal(p.Request, &body); err != nil {
		return fmt.Errorf("reading pending request: %w", err)
	}
	return a.permit(actor, p.Action, body.Issuer, body.Profile)
}

// confirm agrees to a request in the name of actor and carries it out.
func (a *Authority) confirm(ctx context.Context, id, actor string) (*Carried, error) {
	p, err := a.pending(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := a.mayDecide(ctx, p, actor); err != nil {
		return nil, err
	}
	person := a.config.Access.Person(actor)
	if samePerson(actor, p.RequestedBy) || samePerson(person, p.Requester) || samePerson(person, a.config.Access.Person(p.RequestedBy)) {
		if err := a.auditPending(ctx, "ca.pending.same_person", p, actor); err != nil {
			return nil, err
		}
		return nil, problem.New(http.StatusForbidden, "same_person", "another person than the one who asked has to confirm")
	}
	if p.State == journal.Open {
		// Whoever asked may have lost the role since.
		var err error
		if p.Action != ActionApprove {
			err = a.mayDecide(ctx, p, p.RequestedBy)
		}
		if _, forbidden := errors.AsType[*problem.Details](err); err != nil && !forbidden {
			return nil, err
		}
		if err != nil {
			return nil, problem.New(http.StatusForbidden, "requester_forbidden", "the client that asked may not do this any more")
		}
		if err := a.auditPending(ctx, "ca.pending.confirm", p, actor); err != nil {
			return nil, err
		}
		next := p
		next.State, next.DecidedBy, next.Decider, next.DecidedAt = journal.Confirmed, actor, person, time.Now().UTC()
		switch err := a.config.Access.Pending.Decide(ctx, journal.Open, next); {
		case errors.Is(err, fs.ErrExist):
			if p, err = a.pending(ctx, id); err != nil {
				return nil, err
			}
		case err != nil:
			return nil, err
		default:
			p = next
		}
	}
	if !p.State.Agreed() || p.State == journal.Failed || p.DecidedBy != actor {
		return nil, decided(p)
	}
	return a.carryOut(ctx, p)
}

// decided says that a request cannot be decided any more.
func decided(p journal.Pending) error {
	detail := "the request is " + string(p.State)
	if p.Outcome != "" {
		detail += ": " + p.Outcome
	}
	return problem.New(http.StatusConflict, "already_decided", detail)
}

// refuse says no in the name of actor, or takes the actor's own request back.
func (a *Authority) refuse(ctx context.Context, id, actor, reason string) (journal.Pending, error) {
	p, err := a.pending(ctx, id)
	if err != nil {
		return p, err
	}
	if err := a.mayDecide(ctx, p, actor); err != nil {
		return p, err
	}
	if p.State == journal.Refused && p.DecidedBy == actor {
		return p, nil
	}
	if p.State != journal.Open {
		return p, decided(p)
	}
	if err := a.auditPending(ctx, "ca.pending.refuse", p, actor); err != nil {
		return p, err
	}
	p.State, p.DecidedBy, p.Decider, p.DecidedAt, p.Outcome = journal.Refused, actor, a.config.Access.Person(actor), time.Now().UTC(), reason
	err = a.config.Access.Pending.Decide(ctx, journal.Open, p)
	if errors.Is(err, fs.ErrExist) {
		if p, err = a.pending(ctx, id); err == nil {
			err = decided(p)
		}
	}
	return p, err
}

// pending reads a request, and lets it lapse when its time is over.
func (a *Authority) pending(ctx context.Context, id string) (journal.Pending, error) {
	p, err := a.config.Access.Pending.Pending(ctx, id)
	if errors.Is(err, fs.ErrNotExist) {
		return p, problem.New(http.StatusNotFound, "unknown_pending", "there is no request of this id")
	}
	if err != nil || p.State != journal.Open || time.Now().Before(p.ExpiresAt) {
		return p, err
	}
	return a.lapse(ctx, p)
}

func (a *Authority) lapse(ctx context.Context, p journal.Pending) (journal.Pending, error) {
	if err := a.auditPending(ctx, "ca.pending.lapse", p, ""); err != nil {
		return p, err
	}
	p.State, p.DecidedAt = journal.Unanswered, time.Now().UTC()
	err := a.config.Access.Pending.Decide(ctx, journal.Open, p)
	if errors.Is(err, fs.ErrExist) {
		return a.config.Access.Pending.Pending(ctx, p.ID)
	}
	return p, err
}

// resumeAfter is how long a confirmed request is left to the one who confirmed
// it before Run carries it out.
const resumeAfter = 2 * completeWithin

// tendPending lets lapse what nobody decided in time, and carries out what was
// confirmed and not finished, as after a crash.
func (a *Authority) tendPending(ctx context.Context) {
	if a.config.Access.Pending == nil {
		return
	}
	all, err := a.config.Access.Pending.Undecided(ctx)
	for _, p := range all {
		now := time.Now()
		switch {
		case err != nil:
		case p.State == journal.Open && !now.Before(p.ExpiresAt):
			_, err = a.lapse(ctx, p)
		case p.State == journal.Confirmed && now.Sub(p.DecidedAt) > resumeAfter:
			if _, failed := a.carryOut(ctx, p); failed != nil {
				a.config.Log.WarnContext(ctx, "confirmed request was not carried out", "pending", p.ID, "error", failed)
			}
		}
	}
	if err != nil && ctx.Err() == nil {
		a.config.Log.ErrorContext(ctx, "pending requests were not tended", "error", err)
	}
}

// both names the two clients in journal and audit log.
func both(p journal.Pending) string {
	return strings.Join([]string{p.RequestedBy, p.DecidedBy}, " & ")
}
