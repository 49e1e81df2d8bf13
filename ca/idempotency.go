package ca

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io/fs"
	"net/http"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/problem"
)

// maxKey bounds an Idempotency-Key in octets.
const maxKey = 255

// inFlightWait is how long a repeat waits for the request that it repeats.
const inFlightWait = 10 * time.Second

// inFlightKey names a request being worked on.
type inFlightKey struct{ actor, key string }

// ticket reads the request's Idempotency-Key. nil without one.
func ticket(r *http.Request, actor string, body []byte) (*journal.Ticket, *problem.Details) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return nil, nil
	}
	key := values[0]
	if len(values) > 1 || key == "" || len(key) > maxKey || !all(key, ' ', '~') {
		return nil, problem.Invalid(problem.Field{Field: "Idempotency-Key", Detail: "is not one value of 1 to 255 printable ASCII characters"})
	}
	// The lengths keep the parts apart: no two requests hash the same octets.
	h := sha256.New()
	for _, part := range []string{r.Method, r.URL.Path, string(body)} {
		binary.Write(h, binary.BigEndian, uint64(len(part)))
		h.Write([]byte(part))
	}
	return &journal.Ticket{Actor: actor, Key: key, Request: [32]byte(h.Sum(nil))}, nil
}

// once runs do unless the ticket was redeemed, in which case replay answers
// from the entry that it led to. Of two requests with one ticket at once the
// second waits for the first; when that takes long it is told to come again.
func (a *Authority) once(w http.ResponseWriter, r *http.Request, t *journal.Ticket, replay func(journal.Entry) error, do func() error) error {
	if t == nil {
		return do()
	}
	release, err := a.claim(r.Context(), t)
	if err != nil {
		return err
	}
	defer release()
	if replayed, err := a.replay(w, r, t, replay); replayed || err != nil {
		return err
	}
	err = do()
	if errors.Is(err, fs.ErrExist) {
		// Another process redeemed the ticket in the meantime.
		if replayed, err := a.replay(w, r, t, replay); replayed || err != nil {
			return err
		}
	}
	return err
}

var errTicketConflict = problem.New(http.StatusConflict, "idempotency_conflict", "this Idempotency-Key was used for another request")

// replayPending answers for a ticket that led to a request that waits, or
// waited, for a second person.
func (a *Authority) replayPending(w http.ResponseWriter, r *http.Request, t *journal.Ticket) (bool, error) {
	if a.config.Access.Pending == nil {
		return false, nil
	}
	p, err := a.config.Access.Pending.Pending(r.Context(), pendingID(t))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case p.Hash != t.Request:
		return false, errTicketConflict
	}
	w.Header().Set("Idempotent-Replayed", "true")
	return true, answerPending(w, p)
}

func (a *Authority) claim(ctx context.Context, t *journal.Ticket) (release func(), err error) {
	key := inFlightKey{t.Actor, t.Key}
	mine := make(chan struct{})
	timeout := time.NewTimer(inFlightWait)
	defer timeout.Stop()
	for {
		other, loaded := a.inFlight.LoadOrStore(key, mine)
		if !loaded {
			return func() { a.inFlight.Delete(key); close(mine) }, nil
		}
		select {
		case <-other.(chan struct{}):
		case <-timeout.C:
			return nil, problem.New(http.StatusConflict, "idempotency_in_flight", "a request with this Idempotency-Key is still being worked on")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (a *Authority) replay(w http.ResponseWriter, r *http.Request, t *journal.Ticket, answer func(journal.Entry) error) (bool, error) {
	used, entry, err := a.config.Register.Redeemed(r.Context(), t.Actor, t.Key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return a.replayPending(w, r, t)
	case err != nil:
		return false, err
	case used.Request != t.Request:
		return false, errTicketConflict
	}
	w.Header().Set("Idempotent-Replayed", "true")
	a.config.Observe("replayed", 0)
	return true, answer(entry)
}
