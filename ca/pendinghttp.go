package ca

import (
	"net/http"
	"strings"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/problem"
)

// handlePending mounts the interface of requests that wait for a second person.
func (a *Authority) handlePending(mux *http.ServeMux) {
	if a.config.Access.Pending == nil {
		return
	}
	mux.Handle("/v1/pending", a.route(routes{http.MethodGet: a.getPendings}))
	mux.Handle("/v1/pending/{id}", a.route(routes{http.MethodGet: a.getPending}))
	mux.Handle("/v1/pending/{id}/confirm", a.route(routes{http.MethodPost: a.postConfirm}))
	mux.Handle("/v1/pending/{id}/refuse", a.route(routes{http.MethodPost: a.postRefuse}))
}

// getPendings lists what waits for a decision or is being carried out.
func (a *Authority) getPendings(w http.ResponseWriter, r *http.Request, actor string) error {
	if err := a.permit(actor, ActionRead, "", ""); err != nil {
		return err
	}
	all, err := a.config.Access.Pending.Undecided(r.Context())
	if err != nil {
		return err
	}
	if all == nil {
		all = []journal.Pending{}
	}
	problem.WriteJSON(w, http.StatusOK, all)
	return nil
}

func (a *Authority) getPending(w http.ResponseWriter, r *http.Request, actor string) error {
	if err := a.permit(actor, ActionRead, "", ""); err != nil {
		return err
	}
	p, err := a.pending(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	problem.WriteJSON(w, http.StatusOK, p)
	return nil
}

// postConfirm answers 200 with what was carried out. Repeating it is safe, with
// and without an idempotency key: the state of the request answers.
func (a *Authority) postConfirm(w http.ResponseWriter, r *http.Request, actor string) error {
	var body struct{}
	raw, details := problem.ReadJSON(w, r, maxBody, &body)
	if details != nil {
		return details
	}
	if _, details := ticket(r, actor, raw); details != nil {
		return details
	}
	carried, err := a.confirm(r.Context(), r.PathValue("id"), actor)
	if err != nil {
		return err
	}
	problem.WriteJSON(w, http.StatusOK, carried)
	return nil
}

// RefuseRequest is the body of POST /v1/pending/{id}/refuse.
type RefuseRequest struct {
	// Reason is for the one who asked; at most 500 octets.
	Reason string `json:"reason,omitempty"`
}

func (a *Authority) postRefuse(w http.ResponseWriter, r *http.Request, actor string) error {
	var body RefuseRequest
	raw, details := problem.ReadJSON(w, r, maxBody, &body)
	if details != nil {
		return details
	}
	if len(body.Reason) > 500 {
		return problem.Invalid(problem.Field{Field: "reason", Detail: "is longer than 500 octets"})
	}
	if strings.ContainsRune(body.Reason, 0) {
		return problem.Invalid(problem.Field{Field: "reason", Detail: "holds the character U+0000"})
	}
	if _, details := ticket(r, actor, raw); details != nil {
		return details
	}
	p, err := a.refuse(r.Context(), r.PathValue("id"), actor, body.Reason)
	if err != nil {
		return err
	}
	problem.WriteJSON(w, http.StatusOK, p)
	return nil
}
