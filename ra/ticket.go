package ra

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/problem"
)

// ticket remembers the Idempotency-Key that a request came with.
type ticket struct {
	Actor string `json:"actor"`
	Key   string `json:"key"`
	// Request is the SHA-256 hash of the method, path and body.
	Request []byte `json:"request"`
}

func (t *ticket) index() string { return "ticket:" + t.Actor + ":" + t.Key }

// sameKey reports whether both are of one actor and key.
func (t *ticket) sameKey(u *ticket) bool {
	return t != nil && u != nil && t.Actor == u.Actor && t.Key == u.Key
}

// agree refuses a key that stood for another request before.
func (t *ticket) agree(u *ticket) error {
	if !t.sameKey(u) || string(t.Request) != string(u.Request) {
		return errTicket
	}
	return nil
}

// tickets are those of the steps of a case that were carried out.
type tickets []*ticket

func (s tickets) with(t *ticket) tickets {
	if t == nil || slices.ContainsFunc(s, t.sameKey) {
		return s
	}
	return append(s, t)
}

var errTicket = problem.New(http.StatusConflict, "idempotency_conflict", "the Idempotency-Key was used for another request")

// repeated reports whether t was redeemed by what it now comes for again, done
// being all the tickets of case id, and refuses a key that stood for anything else.
func (o *Office) repeated(ctx context.Context, done tickets, id string, t *ticket) (bool, error) {
	if t == nil {
		return false, nil
	}
	if at := slices.IndexFunc(done, t.sameKey); at >= 0 {
		return true, done[at].agree(t)
	}
	ids, err := o.find(ctx, t.index())
	if err != nil {
		return false, err
	}
	if slices.ContainsFunc(ids, func(other string) bool { return other != id }) {
		return false, errTicket
	}
	return false, nil
}

// ticketKey returns the request's Idempotency-Key, empty when it has none.
func ticketKey(r *http.Request) (string, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	if len(values) > 1 || key == "" || len(key) > 255 || strings.ContainsFunc(key, func(c rune) bool { return c < ' ' || c > '~' }) {
		return "", problem.Invalid(problem.Field{Field: "Idempotency-Key", Detail: "is not 1 to 255 printable ASCII characters, given once"})
	}
	return key, nil
}

// readTicket returns the ticket of a request, nil when it has no key.
func readTicket(r *http.Request, who *Person, body []byte) (*ticket, error) {
	key, err := ticketKey(r)
	if err != nil || key == "" {
		return nil, err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s %s\n", r.Method, r.URL.Path)
	h.Write(body)
	return &ticket{Actor: who.Name, Key: key, Request: h.Sum(nil)}, nil
}

// inFlightWait is how long a repeat waits for the request that it repeats.
const inFlightWait = 10 * time.Second

// inFlightKey names a request that is being worked on.
type inFlightKey struct{ actor, key string }

// claim keeps a second request with one Idempotency-Key waiting until the first
// is answered; then it finds what the first one led to.
func (o *Office) claim(r *http.Request, who *Person) (release func(), err error) {
	text, err := ticketKey(r)
	if err != nil {
		return nil, err
	}
	if text == "" || r.Method != http.MethodPost {
		return func() {}, nil
	}
	key := inFlightKey{who.Name, text}
	mine := make(chan struct{})
	timeout := time.NewTimer(inFlightWait)
	defer timeout.Stop()
	for {
		other, taken := o.inFlight.LoadOrStore(key, mine)
		if !taken {
			return func() { o.inFlight.Delete(key); close(mine) }, nil
		}
		select {
		case <-other.(chan struct{}):
		case <-timeout.C:
			return nil, problem.New(http.StatusConflict, "idempotency_in_flight", "a request with this Idempotency-Key is still being worked on")
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
}
