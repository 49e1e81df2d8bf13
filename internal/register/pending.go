package register

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/journal/column"
)

// Propose records a request that waits for a second person. [fs.ErrExist] means
// that there is one of that ID.
func (r *Register) Propose(ctx context.Context, p journal.Pending) error {
	if p.ID == "" || p.State != journal.Open || p.RequestedBy == "" || p.Requester == "" || p.RequestedAt.IsZero() || p.ExpiresAt.IsZero() {
		return errors.New("recording pending request: id, client, person and times must be there, and it must be open")
	}
	err := checkTexts("id", p.ID, "action", p.Action, "serial", string(p.Serial), "client", p.RequestedBy, "person", p.Requester)
	if err == nil {
		err = checkText("request", string(p.Request))
	}
	if err == nil {
		err = r.write(ctx, &write{run: func(b *batch) error {
			var number int64
			taken := false
			err := b.read("SELECT number FROM pending WHERE id = ?", []any{p.ID}, func(row scanner) error {
				taken = true
				return row.Scan(&number)
			})
			if err == nil && taken {
				err = fs.ErrExist
			}
			if err == nil {
				err = b.read("SELECT coalesce(max(number), 0) FROM pending", nil, func(row scanner) error { return row.Scan(&number) })
			}
			if err != nil {
				return err
			}
			b.change(`INSERT INTO pending
				(number, id, state, action, serial, request, hash, requested_by, requester, requested_at, expires_at)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
				number+1, p.ID, string(p.State), p.Action, string(p.Serial), string(p.Request), p.Hash[:], p.RequestedBy, p.Requester,
				column.Time(p.RequestedAt), column.Time(p.ExpiresAt))
			return nil
		}})
	}
	if err != nil {
		return fmt.Errorf("recording pending request %s: %w", p.ID, err)
	}
	return nil
}

// Decide moves a pending request on from the state that the caller saw, and
// writes down who decided and what came of it. [fs.ErrExist] means that it is
// not in that state any more, [fs.ErrNotExist] that there is none of that ID.
// That the person who asked confirms is refused.
func (r *Register) Decide(ctx context.Context, from journal.PendingState, next journal.Pending) error {
	err := checkTexts("client", next.DecidedBy, "person", next.Decider)
	if err == nil {
		err = checkText("outcome", next.Outcome)
	}
	if err == nil {
		err = r.write(ctx, &write{run: func(b *batch) error { return b.decide(from, next) }})
	}
	if err != nil {
		return fmt.Errorf("deciding pending request %s: %w", next.ID, err)
	}
	return nil
}

func (b *batch) decide(from journal.PendingState, next journal.Pending) error {
	found := false
	var state, requestedBy, requester string
	err := b.read("SELECT state, requested_by, requester FROM pending WHERE id = ?", []any{next.ID}, func(row scanner) error {
		found = true
		return row.Scan(&state, &requestedBy, &requester)
	})
	switch {
	case err != nil:
		return err
	case !found:
		return fs.ErrNotExist
	case state != string(from):
		return fmt.Errorf("it is %s: %w", state, fs.ErrExist)
	case !next.State.Known():
		return fmt.Errorf("there is no state %q", next.State)
	case next.State.Agreed() && (next.DecidedBy == "" || next.Decider == "" || next.DecidedBy == requestedBy || next.Decider == requester):
		return errors.New("nobody confirms a request of his own")
	}
	b.change("UPDATE pending SET state = ?, decided_by = ?, decider = ?, decided_at = ?, outcome = ? WHERE id = ?",
		string(next.State), next.DecidedBy, next.Decider, column.Time(next.DecidedAt), next.Outcome, next.ID)
	return nil
}

const pendingColumns = "id, state, action, serial, request, hash, requested_by, requester, requested_at, expires_at, decided_by, decider, decided_at, outcome"

func scanPending(scan func(...any) error) (journal.Pending, error) {
	var p journal.Pending
	var request string
	var hash []byte
	var requested, expires, decided sql.NullInt64
	err := scan(&p.ID, &p.State, &p.Action, &p.Serial, &request, &hash, &p.RequestedBy, &p.Requester, &requested, &expires,
		&p.DecidedBy, &p.Decider, &decided, &p.Outcome)
	if err == nil && copy(p.Hash[:], hash) != len(p.Hash) {
		err = fmt.Errorf("its hash has %d octets", len(hash))
	}
	p.Request = []byte(request)
	p.RequestedAt, p.ExpiresAt, p.DecidedAt = column.TimeOf(requested), column.TimeOf(expires), column.TimeOf(decided)
	return p, err
}

// Pending returns the request of that ID, whatever its state. [fs.ErrNotExist]
// means that there is none.
func (r *Register) Pending(ctx context.Context, id string) (journal.Pending, error) {
	p, err := scanPending(func(dest ...any) error {
		return r.row(ctx, "SELECT "+pendingColumns+" FROM pending WHERE id = ?", []any{id}, dest...)
	})
	if errors.Is(err, sql.ErrNoRows) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return journal.Pending{}, fmt.Errorf("reading pending request %s: %w", id, err)
	}
	return p, nil
}

// maxUndecided bounds one answer of Undecided.
const maxUndecided = 1000

// Undecided returns the requests that are open or confirmed and not carried
// out, oldest first, at most 1,000.
func (r *Register) Undecided(ctx context.Context) ([]journal.Pending, error) {
	var all []journal.Pending
	err := r.each(ctx, "SELECT "+pendingColumns+" FROM pending WHERE state IN ('open', 'confirmed') ORDER BY number LIMIT ?", []any{maxUndecided},
		func(row scanner) error {
			p, err := scanPending(row.Scan)
			all = append(all, p)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("reading pending requests: %w", err)
	}
	return all, nil
}
