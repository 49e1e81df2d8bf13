package ra

import (
	"context"
	"errors"
	"fmt"
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

// issueFault is authorityFault for a set: what the authority calls
// certificates[1].csr is the csr of the second kind here.
func (o *Office) issueFault(ctx context.Context, err error, asked []*Issue) error {
	fault := o.authorityFault(ctx, err, "csr")
	d, ok := errors.AsType[*problem.Details](fault)
	if !ok {
		return fault
	}
	var fields []problem.Field
	for _, f := range d.Errors {
		for i, c := range asked {
			name, ok := strings.CutPrefix(f.Field, fmt.Sprintf("certificates[%d].", i))
			if !ok {
				continue
			}
			if part, ok := strings.CutPrefix(name, "csr"); ok && (part == "" || part[0] == '.') {
				name = "csr_" + c.Kind + part
			}
			f.Field = name
			break
		}
		// What is wrong with the holder is wrong in each of them.
		if !slices.Contains(fields, f) {
			fields = append(fields, f)
		}
	}
	d.Errors = fields
	return d
}

// unknownCertificate reports whether the register has no such certificate.
func unknownCertificate(c Certificate, err error) bool {
	if err == nil {
		return c.Status.State == journal.NonIssued
	}
	d, ok := errors.AsType[*problem.Details](err)
	return ok && d.Status == http.StatusNotFound
}
