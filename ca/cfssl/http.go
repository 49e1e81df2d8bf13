package cfssl

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/journal"
)

// Prefix is where the interface is mounted: every path of it begins so.
const Prefix = "/api/v1/cfssl/"

// maxBody bounds a request body in octets. A CSR is doubly encoded in a
// wrapper.
const maxBody = 128 << 10

// cfssl's error codes: thousands for the category, hundreds for the reason.
const (
	codeCertificate    = 1003 // certificate, parse failed
	codePolicy         = 5200 // policy, invalid policy
	codeInvalidRequest = 5300 // policy, invalid request
	codeUnknownProfile = 5400 // policy, unknown profile
	codeAuthentication = 7100 // API client, authentication failure
	codeJSON           = 7200 // API client, JSON error
	codeServer         = 7500 // API client, server request failed
	codeCSR            = 9003 // CSR, parse failed
	codeNotFound       = 11200
	codeBadRequest     = 400 // cfssl gives faults of the form the HTTP status
)

// response is cfssl's envelope.
type response struct {
	Success  bool      `json:"success"`
	Result   any       `json:"result"`
	Errors   []message `json:"errors"`
	Messages []message `json:"messages"`
}

type message struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// failure is an answer that is no success.
type failure struct {
	status int
	message
}

func (f *failure) Error() string { return f.Message }

func fail(status, code int, text string) *failure { return &failure{status, message{code, text}} }

// Handler returns the HTTP interface. A listener in front of it that verifies
// TLS client certificates, if they are given, makes sign usable; authsign needs
// none.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	for path, serve := range map[string]func(*http.Request, []byte) (any, []message, error){
		"info":     a.info,
		"sign":     func(r *http.Request, body []byte) (any, []message, error) { return a.sign(r, body, false) },
		"authsign": func(r *http.Request, body []byte) (any, []message, error) { return a.sign(r, body, true) },
		"revoke":   a.revoke,
		"certinfo": a.certinfo,
	} {
		mux.Handle(Prefix+path, a.endpoint(path, serve))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusNotFound, response{Errors: []message{{http.StatusNotFound, "there is nothing at this path"}}})
	})
	return mux
}

// endpoint reads the body, answers, and counts.
func (a *API) endpoint(name string, serve func(*http.Request, []byte) (any, []message, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			write(w, http.StatusMethodNotAllowed, response{Errors: []message{{http.StatusMethodNotAllowed, fmt.Sprintf("Method is not allowed:%q", r.Method)}}})
			return
		}
		admitted, err := a.config.Authority.Admit(r, "")
		var body []byte
		if err == nil {
			r = admitted
			body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
			if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
				err = fail(http.StatusRequestEntityTooLarge, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d octets", maxBody))
			} else if err != nil {
				err = fail(http.StatusBadRequest, codeBadRequest, "the body ended early")
			}
		}
		var result any
		var notes []message
		if err == nil {
			result, notes, err = serve(r, body)
		}
		if err != nil {
			refused := a.failure(r, err)
			a.config.Observe(name+"_refused", time.Since(began))
			if often, ok := errors.AsType[*ca.RateError](err); ok {
				w.Header().Set("Retry-After", strconv.Itoa(often.RetryAfter()))
			} else if refused.status == http.StatusServiceUnavailable {
				w.Header().Set("Retry-After", "5")
			}
			write(w, refused.status, response{Errors: []message{refused.message}})
			return
		}
		a.config.Observe(name, time.Since(began))
		write(w, http.StatusOK, response{Success: true, Result: result, Messages: notes})
	})
}

// refusals gives cfssl's code for what the authority refuses.
var refusals = map[string]int{
	ca.CodeBadCSR: codeCSR, ca.CodeUnknownProfile: codeUnknownProfile, ca.CodeUnknownIssuer: codeUnknownProfile,
}

// failure is the one table from errors to answers.
func (a *API) failure(r *http.Request, err error) *failure {
	if refused, ok := errors.AsType[*failure](err); ok {
		return refused
	}
	if often, ok := errors.AsType[*ca.RateError](err); ok {
		return fail(http.StatusTooManyRequests, http.StatusTooManyRequests, often.Error())
	}
	if standing, ok := errors.AsType[*ca.StandingError](err); ok {
		return fail(http.StatusForbidden, codeAuthentication, standing.Error())
	}
	if refused, ok := errors.AsType[*ca.RefusedError](err); ok {
		if refused.Code == ca.CodeIssuerExpired {
			return fail(http.StatusServiceUnavailable, codeServer, refused.Error())
		}
		code, ok := refusals[refused.Code]
		if !ok {
			code = codeInvalidRequest
		}
		return fail(http.StatusBadRequest, code, refused.Error())
	}
	if transition, ok := errors.AsType[*journal.TransitionError](err); ok {
		return fail(http.StatusConflict, codeInvalidRequest, transition.Error())
	}
	if r.Context().Err() == nil {
		a.config.Log.ErrorContext(r.Context(), "request was not served", "path", r.Pattern, "error", err)
	}
	return fail(http.StatusServiceUnavailable, codeServer, "the authority cannot do that now")
}

func write(w http.ResponseWriter, status int, answer response) {
	if answer.Errors == nil {
		answer.Errors = []message{}
	}
	if answer.Messages == nil {
		answer.Messages = []message{}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// The client may have gone, which nobody needs to know.
	_ = json.NewEncoder(w).Encode(answer)
}
