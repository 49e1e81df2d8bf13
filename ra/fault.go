package ra

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/problem"
)

// isFinal reports whether the authority refused for good. Anything else may
// have been carried out all the same, and the same question may be asked again.
func isFinal(err error) bool {
	d, ok := errors.AsType[*problem.Details](err)
	if !ok || d.Status < 400 || d.Status > 499 {
		return false
	}
	switch d.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	}
	return d.Code != "idempotency_in_flight"
}

// authorityFault turns the authority's refusal, or its silence, into the answer
// to our own client. Fields that the authority calls csr are called field.
func (o *Office) authorityFault(ctx context.Context, err error, field string) error {
	d, refused := errors.AsType[*problem.Details](err)
	if !refused || !isFinal(err) {
		// The cause is ours to see, not the client's.
		o.Log.WarnContext(ctx, "authority gave no answer", "error", err)
		return problem.New(http.StatusServiceUnavailable, "authority_unavailable", "the certification authority gave no answer; the request may be repeated")
	}
	answer := *d
	answer.Errors = slices.Clone(d.Errors)
	for i := range answer.Errors {
		// "csr" itself or a part of it, "csr.keyUsage".
		if part, ok := strings.CutPrefix(answer.Errors[i].Field, "csr"); ok && (part == "" || part[0] == '.') {
			answer.Errors[i].Field = field + part
		}
	}
	answer.Legal = nil
	for _, legal := range d.Legal {
		for _, k := range actionKinds {
			if string(k.kind) == legal {
				legal = k.action
			}
		}
		answer.Legal = append(answer.Legal, legal)
	}
	return &answer
}

// unknownCertificate reports whether the register has no such certificate.
func unknownCertificate(c Certificate, err error) bool {
	if err == nil {
		return c.Status.State == journal.NonIssued
	}
	d, ok := errors.AsType[*problem.Details](err)
	return ok && d.Status == http.StatusNotFound
}
