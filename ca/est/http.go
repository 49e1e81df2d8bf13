package est

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/altamga/altamga/ca"
)

// Prefix is where the interface is mounted (RFC 7030, Section 3.2.2).
const Prefix = "/.well-known/est/"

// operation is one path segment of RFC 7030, Section 3.2.2.
type operation struct {
	method string
	serve  func(*API, http.ResponseWriter, *http.Request, *Label) error
}

// operations has those that are offered; nil ones are names that mean
// something and are not.
var operations = map[string]*operation{
	"cacerts":        {http.MethodGet, (*API).getCACerts},
	"csrattrs":       {http.MethodGet, (*API).getCSRAttrs},
	"simpleenroll":   {http.MethodPost, (*API).simpleEnroll},
	"simplereenroll": {http.MethodPost, (*API).simpleReenroll},
	"serverkeygen":   nil,
	"fullcmc":        nil,
}

// failure is an answer that is no success: a status and text for people.
type failure struct {
	status int
	text   string
}

func (f *failure) Error() string { return f.text }

func fail(status int, text string) *failure { return &failure{status, text} }

// Handler returns the HTTP interface. The listener in front of it speaks TLS
// and verifies the certificates of clients that show one, but takes clients
// without one, too.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(Prefix+"{operation}", a.route)
	mux.HandleFunc(Prefix+"{label}/{operation}", a.route)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		answerText(w, http.StatusNotFound, "there is nothing at this path")
	})
	return mux
}

// route finds the operation and the label, answers, and counts.
func (a *API) route(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	name := r.PathValue("operation")
	found, known := operations[name]
	label := a.label(r.PathValue("label"))
	switch {
	case label == nil || !known:
		answerText(w, http.StatusNotFound, "there is no such label or operation")
		return
	case found == nil:
		// RFC 7030, Section 4.4 leaves it to the server. A key that signs for
		// its holder is made where it stays.
		answerText(w, http.StatusNotFound, name+" is not offered here")
		return
	case r.TLS == nil:
		// RFC 7030, Section 3.3: HTTPS must be used.
		answerText(w, http.StatusForbidden, "this interface is for TLS alone (RFC 7030, Section 3.3)")
		return
	case r.Method != found.method && (r.Method != http.MethodHead || found.method != http.MethodGet):
		allow := found.method
		if allow == http.MethodGet {
			allow += ", HEAD"
		}
		w.Header().Set("Allow", allow)
		answerText(w, http.StatusMethodNotAllowed, "this path takes "+allow)
		return
	}
	admitted, err := a.config.Authority.Admit(r, "")
	if err == nil {
		err = found.serve(a, w, admitted, label)
	}
	if err != nil {
		a.config.Observe(name+"_refused", time.Since(began))
		a.answer(w, r, err)
		return
	}
	a.config.Observe(name, time.Since(began))
}

// getCACerts answers with the issuer's certificate and those above it, with
// the root.
//
// RFC 7030, Section 4.1.3: the current root and what a client needs to build a
// chain to it.
func (a *API) getCACerts(w http.ResponseWriter, _ *http.Request, label *Label) error {
	chain, ok := a.config.Authority.Chain(label.Issuer)
	if !ok {
		return fail(http.StatusServiceUnavailable, "the issuer has no certificate yet")
	}
	var raws [][]byte
	for _, certificate := range chain {
		raws = append(raws, certificate.Raw)
	}
	body, err := certsOnly(raws...)
	if err != nil {
		return err
	}
	respond(w, "application/pkcs7-mime", body)
	return nil
}

func asRefused(err error) (*ca.RefusedError, bool) { return errors.AsType[*ca.RefusedError](err) }

// answer is the one table from errors to answers.
//
// RFC 7030, Section 4.2.3, with RFC 8951, Section 5.1: 4xx or 5xx with
// text/plain that says why.
func (a *API) answer(w http.ResponseWriter, r *http.Request, err error) {
	if refused, ok := errors.AsType[*failure](err); ok {
		if refused.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="EST", charset="UTF-8"`)
		}
		answerText(w, refused.status, refused.text)
		return
	}
	if often, ok := errors.AsType[*ca.RateError](err); ok {
		w.Header().Set("Retry-After", strconv.Itoa(often.RetryAfter()))
		answerText(w, http.StatusTooManyRequests, often.Error())
		return
	}
	if standing, ok := errors.AsType[*ca.StandingError](err); ok {
		answerText(w, http.StatusForbidden, standing.Error())
		return
	}
	if refused, ok := asRefused(err); ok && refused.Code != ca.CodeIssuerExpired {
		answerText(w, http.StatusBadRequest, refused.Error())
		return
	}
	if r.Context().Err() == nil {
		a.config.Log.ErrorContext(r.Context(), "request was not served", "path", r.Pattern, "error", err)
	}
	w.Header().Set("Retry-After", "5")
	answerText(w, http.StatusServiceUnavailable, "the authority cannot do that now")
}

// respond answers with DER in base64.
//
// RFC 8951, Section 3: base64 by RFC 4648, Section 4, hence without line
// breaks, and no Content-Transfer-Encoding.
func respond(w http.ResponseWriter, media string, body []byte) {
	w.Header().Set("Content-Type", media)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	// The client may have gone, which nobody needs to know.
	_, _ = w.Write([]byte(base64.StdEncoding.EncodeToString(body)))
}

func answerText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(strings.TrimSpace(text) + "\n"))
}
