package ra

import (
	"context"
	"crypto/rand"
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

// save stores document as the version after version. The zero event tells
// nothing: the history does not show that version. The error is fs.ErrExist as
// [Store] says, or the answer to give.
func (o *Office) save(ctx context.Context, id string, version uint64, document file, event Event) error {
	data, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("encoding case: %w", err)
	}
	var line []byte
	if event.Action != "" {
		if line, err = json.Marshal(event); err != nil {
			return fmt.Errorf("encoding event: %w", err)
		}
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
	o.auditRefusal(ctx, who, action, id, code)
	return problem.New(http.StatusForbidden, code, detail)
}

func (o *Office) auditRefusal(ctx context.Context, who *Person, action, id, code string) {
	if err := o.Audit(ctx, action+".refused", slog.String("actor", who.Name), slog.String("case", id), slog.String("rule", code)); err != nil {
		o.Log.ErrorContext(ctx, "audit log is unavailable", "action", action, "error", err)
	}
}

// ownCase refuses when the case with fin is who's own.
func (o *Office) ownCase(ctx context.Context, who *Person, action, id, fin string) error {
	if o.HashFIN(fin) != who.FINHash {
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
