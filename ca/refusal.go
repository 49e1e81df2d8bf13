package ca

import (
	"fmt"
	"strings"

	"github.com/altamga/altamga/internal/problem"
)

// Codes of a [RefusedError], the stable words that clients branch on.
const (
	CodeInvalid        = "invalid_request"
	CodeUnknownIssuer  = "unknown_issuer"
	CodeUnknownProfile = "unknown_profile"
	CodeBadCSR         = "bad_csr"       // malformed, or its signature fails
	CodeExtension      = "bad_extension" // the CSR asks for what the profile does not allow
	CodeWeakKey        = "weak_key"
	CodeRevokedKey     = "revoked_key"
	CodeKeyInUse       = "key_in_use" // an issuer's key, or a key kept for another purpose
	CodeLint           = "lint_refused"
	CodeIssuerExpired  = "issuer_expired"
)

// RefusedError says why a request was refused before anything was signed. It
// holds no personal data.
type RefusedError struct {
	// Code is one of the Code constants; [CodeInvalid] when fields are wrong
	// for different reasons.
	Code string
	// Fields names every wrong field.
	Fields []problem.Field
}

func (e *RefusedError) Error() string {
	var b strings.Builder
	b.WriteString("refused: " + e.Code)
	for i, f := range e.Fields {
		b.WriteString(map[bool]string{true: ": ", false: "; "}[i == 0])
		fmt.Fprintf(&b, "%s %s", f.Field, f.Detail)
		if f.Clause != "" {
			fmt.Fprintf(&b, " (%s)", f.Clause)
		}
	}
	return b.String()
}

// refusal gathers everything that is wrong with a request, so that the client
// learns it in one answer.
type refusal struct{ err RefusedError }

// refusedFor is a refusal for one reason.
func refusedFor(code, field, detail, clause string) error {
	var r refusal
	r.add(code, field, detail, clause)
	return r.error()
}

func (r *refusal) add(code, field, detail, clause string) {
	if len(r.err.Fields) > 0 && r.err.Code != code {
		code = CodeInvalid
	}
	r.err.Code = code
	r.err.Fields = append(r.err.Fields, problem.Field{Field: field, Detail: detail, Clause: clause})
}

// take adds another refusal, whose fields belong to a part of the request.
func (r *refusal) take(prefix string, other *RefusedError) {
	for _, f := range other.Fields {
		r.add(other.Code, prefix+f.Field, f.Detail, f.Clause)
	}
}

func (r *refusal) error() error {
	if len(r.err.Fields) == 0 {
		return nil
	}
	return &r.err
}
