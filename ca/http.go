package ca

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/problem"
)

// Actions that [Config.Allow] decides on.
const (
	ActionIssue   = "issue"
	ActionHold    = "hold"
	ActionRelease = "release"
	ActionRevoke  = "revoke"
	ActionRead    = "read"    // GET /v1/certificates/{serial} and /v1/issuers
	ActionJournal = "journal" // GET /v1/journal and /v1/journal/snapshot
	// ActionAuthority asks for the certificate of an authority or for a change
	// of its status, or confirms that: always two persons.
	ActionAuthority = "authority"
)

// maxBody bounds a request body in octets.
const maxBody = 64 << 10

// clientName is the common name of the verified TLS client certificate, "" if
// there is none.
func clientName(r *http.Request) string {
	if certificate := ClientCertificate(r); certificate != nil {
		return certificate.Subject.CommonName
	}
	return ""
}

// Handler returns the HTTP interface. The listener in front of it asks for TLS
// client certificates and verifies them.
func (a *Authority) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v1/certificates", a.route(routes{http.MethodPost: a.postCertificate, http.MethodGet: a.listCertificates}))
	mux.Handle("/v1/sets", a.route(routes{http.MethodPost: a.postSet}))
	mux.Handle("/v1/certificates/{serial}", a.route(routes{http.MethodGet: a.getCertificate}))
	mux.Handle("/v1/certificates/{serial}/hold", a.route(routes{http.MethodPost: a.postChange(ActionHold, journal.Held)}))
	mux.Handle("/v1/certificates/{serial}/release", a.route(routes{http.MethodPost: a.postChange(ActionRelease, journal.Released)}))
	mux.Handle("/v1/certificates/{serial}/revoke", a.route(routes{http.MethodPost: a.postChange(ActionRevoke, journal.Revoked)}))
	mux.Handle("/v1/journal", a.route(routes{http.MethodGet: a.getJournal}))
	mux.Handle("/v1/journal/snapshot", a.route(routes{http.MethodGet: a.getSnapshot}))
	mux.Handle("/v1/renew", a.route(routes{http.MethodPost: a.postRenew}))
	a.handlePending(mux)
	mux.Handle("/v1/issuers", a.route(routes{http.MethodGet: a.getIssuers}))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem.New(http.StatusNotFound, "not_found", "there is nothing at this path").Write(w)
	})
	return mux
}

// endpoint answers a request of an authenticated actor. An error that it
// returns becomes the answer.
type endpoint func(w http.ResponseWriter, r *http.Request, actor string) error

// routes maps a path's methods to endpoints.
type routes map[string]endpoint

func (a *Authority) route(methods routes) http.Handler {
	var allowed []string
	for method := range methods {
		allowed = append(allowed, method)
		if method == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	slices.Sort(allowed)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		serve, ok := methods[method]
		if !ok {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			problem.New(http.StatusMethodNotAllowed, "method_not_allowed", "this path takes "+strings.Join(allowed, ", ")).Write(w)
			return
		}
		actor := a.config.Actor(r)
		if actor == "" {
			problem.New(http.StatusUnauthorized, "client_certificate_required", "this interface asks for a TLS client certificate with a common name").Write(w)
			return
		}
		admitted, err := a.Admit(r, actor)
		if err == nil {
			err = serve(w, admitted, actor)
		}
		if err != nil {
			a.answer(w, r, err)
		}
	})
}

// answer is the one table from errors to answers.
func (a *Authority) answer(w http.ResponseWriter, r *http.Request, err error) {
	if details, ok := errors.AsType[*problem.Details](err); ok {
		details.Write(w)
		return
	}
	if often, ok := errors.AsType[*RateError](err); ok {
		// RFC 6585, Section 4.
		w.Header().Set("Retry-After", strconv.Itoa(often.RetryAfter()))
		problem.New(http.StatusTooManyRequests, "rate_limited", often.Error()).Write(w)
		return
	}
	if standing, ok := errors.AsType[*StandingError](err); ok {
		problem.New(http.StatusForbidden, "client_certificate_invalid", standing.Error()).Write(w)
		return
	}
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		details := problem.Invalid(refused.Fields...)
		if refused.Code == CodeIssuerExpired {
			// Nothing in the request is wrong.
			details = problem.New(http.StatusConflict, refused.Code, "the issuer cannot issue now")
			details.Errors = refused.Fields
		}
		details.Code = refused.Code
		details.Write(w)
		return
	}
	if errors.Is(err, ErrTwoPersons) {
		problem.New(http.StatusForbidden, "two_persons_required", "the centre's own changes take two persons: ask for it over /v1/certificates and have it confirmed").Write(w)
		return
	}
	if transition, ok := errors.AsType[*journal.TransitionError](err); ok && transition.From.State != journal.NonIssued {
		details := problem.New(http.StatusConflict, "illegal_transition", transition.Error())
		for _, kind := range transition.Legal() {
			details.Legal = append(details.Legal, verb(kind))
		}
		details.Write(w)
		return
	}
	if _, ok := errors.AsType[*journal.TransitionError](err); ok || errors.Is(err, fs.ErrNotExist) {
		problem.New(http.StatusNotFound, "unknown_certificate", "no certificate of this serial number was issued here").Write(w)
		return
	}
	if r.Context().Err() != nil {
		// The client has gone: nobody reads an answer.
		return
	}
	a.config.Log.ErrorContext(r.Context(), "request was not served", "path", r.Pattern, "error", err)
	code, detail := "register_unavailable", "the register does not answer"
	if _, ok := errors.AsType[*AuditError](err); ok {
		code, detail = "audit_unavailable", "the audit log cannot be written, so nothing was done"
	} else if _, ok := errors.AsType[*SigningError](err); ok {
		code, detail = "signing_unavailable", "the issuer's key does not sign"
	}
	w.Header().Set("Retry-After", "5")
	problem.New(http.StatusServiceUnavailable, code, detail).Write(w)
}

// verb is the path word for a kind of change.
func verb(kind journal.Kind) string {
	switch kind {
	case journal.Held:
		return ActionHold
	case journal.Released:
		return ActionRelease
	case journal.Revoked:
		return ActionRevoke
	}
	return string(kind)
}

func (a *Authority) permit(actor, action, issuer, profile string) error {
	if !a.config.Allow(actor, action, issuer, profile) {
		return problem.New(http.StatusForbidden, "forbidden", "this client may not do that")
	}
	return nil
}

func (a *Authority) postCertificate(w http.ResponseWriter, r *http.Request, actor string) error {
	var body IssueRequest
	raw, details := problem.ReadJSON(w, r, maxBody, &body)
	if details != nil {
		return details
	}
	action := ActionIssue
	if a.isAuthority(body.Profile) {
		action = ActionAuthority
	}
	if err := a.permit(actor, action, body.Issuer, body.Profile); err != nil {
		return err
	}
	ticket, details := ticket(r, actor, raw)
	if details != nil {
		return details
	}
	return a.once(w, r, ticket, a.replayIssued(w, r), func() error {
		if action == ActionAuthority {
			return a.takeAuthority(w, r, &body, raw, actor, ticket)
		}
		request, err := a.requestOf(&body)
		if err != nil {
			return err
		}
		request.Actor, request.Ticket = actor, ticket
		issued, err := a.issueNow(r.Context(), request)
		if err != nil {
			return err
		}
		created(w, issued.answer())
		return nil
	})
}

// replayIssued answers from the entry that the same request led to before.
func (a *Authority) replayIssued(w http.ResponseWriter, r *http.Request) func(journal.Entry) error {
	return func(entry journal.Entry) error {
		again, err := a.issuedBefore(r.Context(), entry)
		if err == nil {
			created(w, again)
		}
		return err
	}
}

// created tells of a new certificate.
func created(w http.ResponseWriter, issued IssueAnswer) {
	w.Header().Set("Location", "/v1/certificates/"+string(issued.Serial))
	problem.WriteJSON(w, http.StatusCreated, issued)
}

// isAuthority reports whether the profile makes an authority for which clients
// may ask. Without somebody to confirm, and for self-signed ones, they may not.
func (a *Authority) isAuthority(profile string) bool {
	p, ok := a.config.Profiles.Lookup(profile)
	return ok && p.CA && !p.SelfSigned && a.config.Access.Pending != nil
}

// answer is what the HTTP interface says of an issued certificate.
func (i *Issued) answer() IssueAnswer {
	return IssueAnswer{
		Serial: i.Serial, Issuer: i.Issuer, Profile: i.Profile, Set: i.Set,
		Certificate: encodePEM(i.Raw), Chain: chainPEM(i.Chain), Position: i.Entry.Position,
	}
}

// issuedBefore says the same of the certificate of an Issued entry in the journal.
func (a *Authority) issuedBefore(ctx context.Context, entry journal.Entry) (IssueAnswer, error) {
	record, err := a.config.Register.Record(ctx, entry.Serial)
	if err != nil {
		return IssueAnswer{}, err
	}
	answer := IssueAnswer{
		Serial: record.Serial, Issuer: record.Issuer, Profile: record.Profile, Set: record.Set,
		Certificate: encodePEM(record.Certificate), Position: entry.Position,
	}
	if by, ok := a.issuers[record.Issuer]; ok {
		answer.Chain = chainPEM(by.above)
	}
	return answer, nil
}

// requestOf reads what only the HTTP form of a request can get wrong.
func (a *Authority) requestOf(body *IssueRequest) (*Request, error) {
	var r refusal
	if profile, ok := a.config.Profiles.Lookup(body.Profile); ok && profile.CA && !a.isAuthority(body.Profile) {
		r.add(CodeUnknownProfile, "profile", "certificates of authorities are not issued over HTTP", "")
	}
	request := &Request{
		Issuer: body.Issuer, Profile: body.Profile, Subject: body.Subject,
		DNSNames: body.DNSNames, Emails: body.Emails, URIs: body.URIs, Set: body.Set,
	}
	for i, text := range body.IPAddresses {
		address, err := netip.ParseAddr(text)
		if err != nil {
			r.add(CodeInvalid, fmt.Sprintf("ip_addresses[%d]", i), "is not an IPv4 or IPv6 address", "")
			continue
		}
		request.IPAddresses = append(request.IPAddresses, address)
	}
	if body.CSR != "" {
		der, err := DecodeCSR([]byte(body.CSR))
		if err != nil {
			r.add(CodeBadCSR, "csr", err.Error(), "RFC 7468, Section 7")
		}
		request.CSR = der
	}
	return request, r.error()
}

func (a *Authority) getCertificate(w http.ResponseWriter, r *http.Request, actor string) error {
	if err := a.permit(actor, ActionRead, "", ""); err != nil {
		return err
	}
	serial, err := serialOf(r)
	if err != nil {
		return err
	}
	record, err := a.config.Register.Record(r.Context(), serial)
	if err != nil {
		return err
	}
	if record.Certificate == nil {
		return fs.ErrNotExist
	}
	history, err := a.config.Register.History(r.Context(), serial)
	if err != nil {
		return err
	}
	above, err := a.aboveOf(r.Context(), record.Issuer)
	if err != nil {
		return err
	}
	problem.WriteJSON(w, http.StatusOK, CertificateAnswer{
		Above: above, Serial: record.Serial, Issuer: record.Issuer, Profile: record.Profile, Set: record.Set,
		Certificate: encodePEM(record.Certificate), Status: record.Status, NotAfter: record.NotAfter, History: history,
	})
	return nil
}

func serialOf(r *http.Request) (journal.Serial, error) {
	serial, err := journal.ParseSerial(r.PathValue("serial"))
	if err != nil {
		return "", problem.Invalid(problem.Field{Field: "serial", Detail: err.Error(), Clause: "RFC 5280, Section 4.1.2.2"})
	}
	return serial, nil
}

func (a *Authority) getIssuers(w http.ResponseWriter, r *http.Request, actor string) error {
	if err := a.permit(actor, ActionRead, "", ""); err != nil {
		return err
	}
	answer := []IssuerAnswer{}
	for _, given := range a.config.Issuers {
		issuer := IssuerAnswer{ID: given.ID, Profiles: []string{}}
		if given.Certificate != nil {
			issuer.Certificate = encodePEM(given.Certificate.Raw)
		}
		for _, name := range given.Profiles {
			if profile, ok := a.config.Profiles.Lookup(name); ok && !profile.CA {
				issuer.Profiles = append(issuer.Profiles, name)
			}
		}
		answer = append(answer, issuer)
	}
	problem.WriteJSON(w, http.StatusOK, answer)
	return nil
}
