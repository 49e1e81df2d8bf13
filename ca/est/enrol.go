package est

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/altamga/altamga/ca"
)

// simpleEnroll issues by the terms of the client's account.
func (a *API) simpleEnroll(w http.ResponseWriter, r *http.Request, label *Label) error {
	account, err := a.authenticate(r)
	if err != nil {
		return err
	}
	grant := account.grants[label.Name]
	if grant == nil {
		return fail(http.StatusForbidden, fmt.Sprintf("this account may get nothing under label %q", label.Name))
	}
	csr, wish, err := a.read(w, r, label)
	if err != nil {
		return err
	}
	if wish.ChangeName {
		return fail(http.StatusBadRequest, "changeSubjectName is not granted: an account's terms give the name")
	}
	request, err := grant.Request(csr, wish, "est:"+account.Name)
	if err != nil {
		return err
	}
	return a.issue(w, r, Enrolment{Label: label.Name, Actor: request.Actor, Request: *request})
}

// simpleReenroll renews the TLS client certificate.
//
// RFC 7030, Section 4.2.2: the name stays, the key may change.
func (a *API) simpleReenroll(w http.ResponseWriter, r *http.Request, label *Label) error {
	current := clientCertificate(r)
	if current == nil {
		return fail(http.StatusForbidden, "renewing needs the certificate that is renewed as the TLS client certificate")
	}
	if _, err := a.config.Authority.Valid(r.Context(), current); err != nil {
		return forbidden(err)
	}
	csr, _, err := a.read(w, r, label)
	if err != nil {
		return err
	}
	request, err := a.config.Authority.Renewal(r.Context(), current, csr, "est:"+current.SerialNumber.Text(16))
	if err != nil {
		return err
	}
	if request.Issuer != label.Issuer || !slices.Contains(label.Profiles, request.Profile) {
		return fail(http.StatusForbidden, fmt.Sprintf("the TLS client certificate is not one of label %q", label.Name))
	}
	return a.issue(w, r, Enrolment{Label: label.Name, Actor: request.Actor, Request: *request, Renewal: true})
}

// read reads the request and checks its link to the connection.
func (a *API) read(w http.ResponseWriter, r *http.Request, label *Label) ([]byte, *ca.Wish, error) {
	csr, err := readBody(w, r)
	if err != nil {
		return nil, nil, err
	}
	wish, err := ca.ReadWish(csr)
	if err != nil {
		return nil, nil, err
	}
	return csr, wish, checkLink(r.TLS, wish, label)
}

// issue asks for approval, issues, and answers with the certificate alone (RFC
// 7030, Section 4.2.3).
func (a *API) issue(w http.ResponseWriter, r *http.Request, e Enrolment) error {
	if a.config.Approve != nil {
		wait, err := a.config.Approve(r.Context(), e)
		if err != nil {
			return err
		}
		if wait > 0 {
			return pending(w, wait)
		}
	}
	prepared, err := a.config.Authority.Prepare(r.Context(), e.Request)
	if err != nil {
		return err
	}
	issued, err := a.config.Authority.Issue(r.Context(), prepared)
	if err != nil {
		return err
	}
	body, err := certsOnly(issued.Certificate.Raw)
	if err != nil {
		return err
	}
	respond(w, "application/pkcs7-mime; smime-type=certs-only", body)
	return nil
}

// pending tells the client to come again.
//
// RFC 7030, Section 4.2.3: 202 with Retry-After and text for people.
func pending(w http.ResponseWriter, wait time.Duration) error {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(wait.Seconds())))))
	answerText(w, http.StatusAccepted, "the request waits for approval; send the same request again after the time in Retry-After")
	return nil
}
