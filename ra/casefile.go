package ra

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/problem"
)

// Event is one line of a case's history.
type Event struct {
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Action string    `json:"action"`
	// From and To are states; From is empty in the first event.
	From string `json:"from,omitempty"`
	To   string `json:"to"`
	// Reason is what the actor wrote. It may hold personal data.
	Reason string `json:"reason,omitempty"`
}

// Ids begin with the word for the kind of case, so that no address of one kind
// reads a case of the other.
const (
	applicationPrefix   = "app-"
	statusRequestPrefix = "req-"
)

func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()) }

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
	if string(t.Request) != string(u.Request) {
		return errTicket
	}
	return nil
}

var errTicket = problem.New(http.StatusConflict, "idempotency_conflict", "the Idempotency-Key was used for another request")

// readTicket returns the ticket of a request, nil when it has no key.
func readTicket(r *http.Request, who *Person, body []byte) (*ticket, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return nil, nil
	}
	key := values[0]
	if len(values) > 1 || key == "" || len(key) > 255 || strings.ContainsFunc(key, func(c rune) bool { return c < ' ' || c > '~' }) {
		return nil, problem.Invalid(problem.Field{Field: "Idempotency-Key", Detail: "is not 1 to 255 printable ASCII characters, given once"})
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s %s\n", r.Method, r.URL.Path)
	h.Write(body)
	return &ticket{Actor: who.Name, Key: key, Request: h.Sum(nil)}, nil
}

// errChanged means that a case was changed since it was read.
var errChanged = problem.New(http.StatusConflict, "changed_meanwhile", "the case was changed by somebody else at the same time: read it again")

// load reads case id into document.
func (o *Office) load(ctx context.Context, prefix, id string, document any) (version uint64, err error) {
	if !strings.HasPrefix(id, prefix) || len(id) > 64 {
		return 0, errNoCase
	}
	data, version, err := o.Store.Read(ctx, id)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, errNoCase
	}
	if err != nil {
		return 0, o.storeFault(ctx, err)
	}
	if err := json.Unmarshal(data, document); err != nil {
		// The text of the cause could quote the document.
		return 0, o.storeFault(ctx, fmt.Errorf("case %s is not of the form that this program writes", id))
	}
	return version, nil
}

var errNoCase = problem.New(http.StatusNotFound, "unknown_case", "there is no such case")

// file is what save stores.
type file interface {
	index() (index, sole []string)
}

// save stores document as the version after version. The error is fs.ErrExist
// as [Store] says, or the answer to give.
func (o *Office) save(ctx context.Context, id string, version uint64, document file, event Event) error {
	data, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("encoding case: %w", err)
	}
	line, err := json.Marshal(event)
	if err != nil {
		return fmt.Errorf("encoding event: %w", err)
	}
	index, sole := document.index()
	err = o.Store.Put(ctx, id, version, data, line, index, sole)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return o.storeFault(ctx, err)
	}
	return err
}

// events reads the history of case id.
func (o *Office) events(ctx context.Context, id string) ([]Event, error) {
	lines, err := o.Store.Events(ctx, id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoCase
	}
	if err != nil {
		return nil, o.storeFault(ctx, err)
	}
	events := make([]Event, len(lines))
	for i, line := range lines {
		if err := json.Unmarshal(line, &events[i]); err != nil {
			return nil, o.storeFault(ctx, fmt.Errorf("event %d of case %s is not of the form that this program writes", i+1, id))
		}
	}
	return events, nil
}

// find returns the ids that index leads to.
func (o *Office) find(ctx context.Context, index string) ([]string, error) {
	ids, err := o.Store.Find(ctx, index)
	if err != nil {
		return nil, o.storeFault(ctx, err)
	}
	return ids, nil
}

// storeFault logs what is wrong with the store and returns what the client is
// told of it.
func (o *Office) storeFault(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		o.Log.ErrorContext(ctx, "case files are unavailable", "error", err)
	}
	return problem.New(http.StatusServiceUnavailable, "store_unavailable", "the case files are unavailable at the moment")
}

// audit records that who is about to do action. Without the line there is no
// action.
func (o *Office) audit(ctx context.Context, who *Person, action, id string, attrs ...slog.Attr) error {
	if err := o.Audit(ctx, action, append([]slog.Attr{slog.String("actor", who.Name), slog.String("case", id)}, attrs...)...); err != nil {
		o.Log.ErrorContext(ctx, "audit log is unavailable", "action", action, "error", err)
		return problem.New(http.StatusServiceUnavailable, "audit_unavailable", "the audit log is unavailable, so nothing was done")
	}
	return nil
}

// refuse records that who was kept from action by a rule, and returns the
// answer. The refusal stands when the line cannot be written.
func (o *Office) refuse(ctx context.Context, who *Person, action, id, code, detail string) error {
	if err := o.Audit(ctx, action+".refused", slog.String("actor", who.Name), slog.String("case", id), slog.String("rule", code)); err != nil {
		o.Log.ErrorContext(ctx, "audit log is unavailable", "action", action, "error", err)
	}
	return problem.New(http.StatusForbidden, code, detail)
}

// ownCase refuses when the case with fin is who's own.
func (o *Office) ownCase(ctx context.Context, who *Person, action, id, fin string) error {
	if fin != who.FIN {
		return nil
	}
	return o.refuse(ctx, who, action, id, "own_case", "nobody handles a case of his own")
}

// illegal is the answer to an action that the state does not allow.
func illegal(what, state, action string, legal []string) error {
	d := problem.New(http.StatusConflict, "illegal_transition", fmt.Sprintf("%s that is %s does not allow %s", what, state, action))
	d.Legal = legal
	return d
}
