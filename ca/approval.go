package ca

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// What a client of an enrolment protocol asks for can be made to wait until a
// person agrees: the client's password or certificate alone then gets nothing.
// The client asks again, with the same certification request, and gets the
// certificate when it is there.

// ActionApprove agrees to what clients of enrolment protocols ask for.
const ActionApprove = "approve"

// CodeNotApproved is the code of a [RefusedError] for what nobody agreed to.
const CodeNotApproved = "not_approved"

// maxWaiting bounds how many requests of one client wait for approval: whoever
// decides has to read them.
const maxWaiting = 50

// Approves reports whether requests can wait for a person's approval here.
func (a *Authority) Approves() bool { return a.config.Access.Pending != nil }

// IssueApproved returns the certificate that request asks for when a person has
// agreed to it, and issues it by that. Until then it returns the request that
// waits, open or confirmed; what was refused, or not decided in time, is a
// [*RefusedError], and remains so for the same CSR.
func (a *Authority) IssueApproved(ctx context.Context, request Request) (*x509.Certificate, journal.Pending, error) {
	if err := a.checkAdmitted(ctx, request.Actor); err != nil {
		return nil, journal.Pending{}, err
	}
	csr := sha256.Sum256(request.CSR)
	t := &journal.Ticket{Actor: request.Actor, Key: "approve " + hex.EncodeToString(csr[:]), Request: csr}
	p, err := a.config.Access.Pending.Pending(ctx, pendingID(t))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p, err = a.askApproval(ctx, &request, t)
	case err == nil && p.State == journal.Open && time.Now().After(p.ExpiresAt):
		p, err = a.lapse(ctx, p)
	}
	if err != nil {
		return nil, p, err
	}
	switch p.State {
	case journal.Open, journal.Confirmed:
		return nil, p, nil
	case journal.Done:
		certificate, err := a.approved(ctx, p)
		return certificate, p, err
	}
	var r refusal
	detail := "is " + string(p.State)
	if p.Outcome != "" {
		detail += ": " + p.Outcome
	}
	r.add(CodeNotApproved, "csr", detail, "")
	return nil, p, r.error()
}

// askApproval records a request. What is not possible now is refused now: a
// person's time is not taken for it.
func (a *Authority) askApproval(ctx context.Context, request *Request, t *journal.Ticket) (journal.Pending, error) {
	if err := a.checkGrantable(ctx, request); err != nil {
		return journal.Pending{}, a.refused(ctx, request.Actor, time.Now(), err)
	}
	undecided, err := a.config.Access.Pending.Undecided(ctx)
	if err != nil {
		return journal.Pending{}, err
	}
	waiting := 0
	for _, p := range undecided {
		if p.RequestedBy == request.Actor {
			waiting++
		}
	}
	if waiting >= maxWaiting {
		return journal.Pending{}, &RateError{time.Minute}
	}
	body := IssueRequest{
		Issuer: request.Issuer, Profile: request.Profile, Subject: request.Subject, DNSNames: request.DNSNames, Emails: request.Emails,
		CSR: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request.CSR})),
	}
	for _, address := range request.IPAddresses {
		body.IPAddresses = append(body.IPAddresses, address.String())
	}
	return a.propose(ctx, ActionApprove, "", body, nil, request.Actor, t)
}

// checkGrantable refuses a request as Prepare would now, and leaves nothing.
func (a *Authority) checkGrantable(ctx context.Context, request *Request) error {
	decided, err := a.decide(ctx, request)
	if err != nil {
		return err
	}
	records, err := a.config.Register.RecordsByKey(ctx, decided.intent.KeyHash)
	if err != nil {
		return fmt.Errorf("looking up key: %w", err)
	}
	var r refusal
	decided.checkHistory(records, "", &r)
	return r.error()
}

// approved returns the certificate that a request led to.
func (a *Authority) approved(ctx context.Context, p journal.Pending) (*x509.Certificate, error) {
	_, entry, err := a.config.Register.Redeemed(ctx, "", pendingTicket(p).Key)
	if err != nil {
		return nil, fmt.Errorf("reading approved request: %v", err)
	}
	record, err := a.config.Register.Record(ctx, entry.Serial)
	if err != nil {
		return nil, fmt.Errorf("reading approved request: %v", err)
	}
	return x509.ParseCertificate(record.Certificate)
}
