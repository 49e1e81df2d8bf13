package est

import (
	"context"
	"fmt"
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
	ctx, err := a.config.Authority.AdmitAs(r.Context(), account.actor())
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
	request, err := grant.Request(csr, wish, account.actor())
	if err != nil {
		return err
	}
	if label.Approval {
		return a.approve(ctx, w, request)
	}
	return a.issue(ctx, w, request)
}

// actor is the account's name in journal and audit log.
func (a *account) actor() string { return "est:" + a.Name }

// simpleReenroll renews the TLS client certificate.
//
// RFC 7030, Section 4.2.2: the name stays, the key may change.
func (a *API) simpleReenroll(w http.ResponseWriter, r *http.Request, label *Label) error {
	current := ca.ClientCertificate(r)
	if current == nil {
		return fail(http.StatusForbidden, "renewing needs the certificate that is renewed as the TLS client certificate")
	}
	if _, err := a.config.Authority.Valid(r.Context(), current); err != nil {
		return forbidden(err)
	}
	actor := "est:" + current.SerialNumber.Text(16)
	ctx, err := a.config.Authority.AdmitAs(r.Context(), actor)
	if err != nil {
		return err
	}
	csr, _, err := a.read(w, r, label)
	if err != nil {
		return err
	}
	request, err := a.config.Authority.Renewal(ctx, current, csr, actor)
	if err != nil {
		return err
	}
	if request.Issuer != label.Issuer || !slices.Contains(label.Profiles, request.Profile) {
		return fail(http.StatusForbidden, fmt.Sprintf("the TLS client certificate is not one of label %q", label.Name))
	}
	return a.issue(ctx, w, request)
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

// issue issues, and answers with the certificate alone (RFC 7030, Section
// 4.2.3).
func (a *API) issue(ctx context.Context, w http.ResponseWriter, request *ca.Request) error {
	prepared, err := a.config.Authority.Prepare(ctx, *request)
	if err != nil {
		return err
	}
	issued, err := a.config.Authority.Issue(ctx, prepared)
	if err != nil {
		return err
	}
	return respondIssued(w, issued.Raw)
}

// approveEvery is when a client whose request waits is told to come again.
const approveEvery = time.Minute

// approve answers with the certificate if a person has agreed to it.
//
// RFC 7030, Section 4.2.3: 202 with Retry-After and text for people until then.
func (a *API) approve(ctx context.Context, w http.ResponseWriter, request *ca.Request) error {
	certificate, waiting, err := a.config.Authority.IssueApproved(ctx, *request)
	if err != nil {
		return err
	}
	if certificate == nil {
		w.Header().Set("Retry-After", strconv.Itoa(int(approveEvery.Seconds())))
		answerText(w, http.StatusAccepted, "request "+waiting.ID+" waits for approval; send the same request again after the time in Retry-After")
		return nil
	}
	return respondIssued(w, certificate.Raw)
}

func respondIssued(w http.ResponseWriter, certificate []byte) error {
	body, err := certsOnly(certificate)
	if err == nil {
		respond(w, "application/pkcs7-mime; smime-type=certs-only", body)
	}
	return err
}
