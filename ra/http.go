package ra

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/problem"
)

// answer is what a handler gives back; the error comes before it.
type answer struct {
	status int
	body   any
	// location of the case that the answer is about; given with errors, too.
	location string
}

// route is one method of one path. name is what the metrics count successes by.
type route struct {
	name, method, path string
	// roles that may call it; none means all staff.
	roles  []Role
	handle func(w http.ResponseWriter, r *http.Request, who *Person) (answer, error)
}

func (o *Office) table() []route {
	desk := []Role{Operator, Officer}
	routes := []route{
		{"submit", "POST", "/v1/applications", []Role{Operator}, o.postApplication},
		{"find", "POST", "/v1/applications/find", desk, o.findApplications},
		{"application", "GET", "/v1/applications/{id}", nil, o.getApplication},
		{"application_history", "GET", "/v1/applications/{id}/history", desk, o.getApplicationHistory},
		{"issue", "POST", "/v1/applications/{id}/issue", transitionOf("issue").roles, o.postIssue},
		{"certificate_history", "GET", "/v1/certificates/{serial}/history", nil, o.getCertificateHistory},
		{"status_request", "GET", "/v1/status-requests/{id}", nil, o.getStatusRequest},
		{"status_request_history", "GET", "/v1/status-requests/{id}/history", nil, o.getStatusRequestHistory},
	}
	for _, action := range []string{"verify", "approve", "reject", "withdraw"} {
		routes = append(routes, route{action, "POST", "/v1/applications/{id}/" + action, transitionOf(action).roles, o.postTransition(action)})
	}
	for _, e := range endings {
		routes = append(routes, route{e.action, "POST", "/v1/applications/{id}/" + e.action, e.roles, o.postTransition(e.action)})
	}
	for _, k := range actionKinds {
		routes = append(routes, route{k.action, "POST", "/v1/certificates/{serial}/" + k.action, nil, o.postChange(k.action)})
	}
	for _, s := range statusSteps {
		routes = append(routes, route{s.action, "POST", "/v1/status-requests/{id}/" + s.action, s.roles, o.postStatusStep(s)})
	}
	return routes
}

// routes returns the API's paths. The mux sees no methods, so that a wrong one
// is answered with a problem document like everything else.
func (o *Office) routes() *http.ServeMux {
	methods := make(map[string][]route)
	for _, r := range o.table() {
		methods[r.path] = append(methods[r.path], r)
	}
	mux := http.NewServeMux()
	for pattern, routes := range methods {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { o.serveAPI(w, r, routes) })
	}
	mux.HandleFunc("/v1/", func(w http.ResponseWriter, r *http.Request) {
		o.fail(w, r, errUnknownPath, time.Now())
	})
	return mux
}

var errUnknownPath = problem.New(http.StatusNotFound, "unknown_path", "there is nothing at this address")

// ServeHTTP answers the API under /v1/ and the public page everywhere else.
func (o *Office) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v1" || strings.HasPrefix(r.URL.Path, "/v1/") {
		if path.Clean(r.URL.Path) != r.URL.Path || r.URL.Path == "/v1" {
			// The mux would redirect to the path that it takes this one for.
			o.fail(w, r, errUnknownPath, time.Now())
			return
		}
		o.api.ServeHTTP(w, r)
		return
	}
	o.servePage(w, r)
}

func (o *Office) serveAPI(w http.ResponseWriter, r *http.Request, routes []route) {
	start := time.Now()
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	at := slices.IndexFunc(routes, func(x route) bool { return x.method == method })
	if at < 0 {
		var allow []string
		for _, x := range routes {
			if allow = append(allow, x.method); x.method == http.MethodGet {
				allow = append(allow, http.MethodHead)
			}
		}
		w.Header().Set("Allow", strings.Join(allow, ", "))
		o.fail(w, r, problem.New(http.StatusMethodNotAllowed, "method_not_allowed", "the address allows "+strings.Join(allow, ", ")), start)
		return
	}
	route := routes[at]
	who, d := o.authenticate(r)
	if d != nil {
		o.fail(w, r, o.failedLogin(w, r, d), start)
		return
	}
	if len(route.roles) > 0 && !who.has(route.roles...) {
		o.fail(w, r, o.refuse(r.Context(), who, "api."+route.name, "", "role_required", "the person has none of the roles that this needs"), start)
		return
	}
	release, err := o.claim(r, who)
	if err != nil {
		o.fail(w, r, err, start)
		return
	}
	defer release()
	a, err := route.handle(w, r, who)
	if a.location != "" {
		w.Header().Set("Location", a.location)
	}
	if err != nil {
		o.fail(w, r, err, start)
		return
	}
	problem.WriteJSON(w, a.status, a.body)
	o.Observe(route.name, time.Since(start))
}

// failedLogin records a log-in that failed. What one address may fail is
// bounded, and what all of them may, so that guessing does not fill the audit
// log.
func (o *Office) failedLogin(w http.ResponseWriter, r *http.Request, d *problem.Details) error {
	if now := time.Now(); !o.logins.allow(networkOf(o.ClientAddress(r)), now) || !o.failures.allow(struct{}{}, now) {
		return problem.New(http.StatusTooManyRequests, "too_many_requests", "too many log-ins failed")
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="registration"`)
	if err := o.Audit(r.Context(), "login.refused", slog.String("address", o.ClientAddress(r).String())); err != nil {
		o.Log.ErrorContext(r.Context(), "audit log is unavailable", "action", "login.refused", "error", err)
	}
	return d
}

// retryAfter is what an unavailable or busy office tells clients to wait, in
// seconds.
const retryAfter = "5"

// fail is the one place where an error becomes an answer.
func (o *Office) fail(w http.ResponseWriter, r *http.Request, err error, start time.Time) {
	d, ok := errors.AsType[*problem.Details](err)
	if !ok {
		if !errors.Is(err, context.Canceled) {
			o.Log.ErrorContext(r.Context(), "request was not answered", "error", err)
		}
		d = problem.New(http.StatusInternalServerError, "internal", "the request could not be carried out")
	}
	if d.Status == http.StatusServiceUnavailable || d.Status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", retryAfter)
	}
	d.Write(w)
	o.Observe(d.Code, time.Since(start))
}
