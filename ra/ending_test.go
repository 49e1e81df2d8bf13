package ra_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/problem"
	"github.com/altamga/altamga/ra"
)

var errAway = errors.New("connection refused")

// refuses makes the authority refuse certificates of the profile for good.
func (o *office) refuses(profile string) {
	o.authority.fault = func(what string, done bool) error {
		if what == "issue "+profile && !done {
			return problem.Invalid(problem.Field{Field: "csr", Detail: "has a revoked key"})
		}
		return nil
	}
}

func (o *office) actions(at string) (actions []string) {
	for _, e := range o.want(200, "chief", "GET", at+"/history", nil).body["history"].([]any) {
		actions = append(actions, e.(map[string]any)["action"].(string))
	}
	return actions
}

// valid returns how many certificates of the register are not revoked.
func (o *office) valid() (n int) {
	for _, c := range o.authority.certificates {
		if c.Status.State != journal.Gone {
			n++
		}
	}
	return n
}

func TestHalfRefused(t *testing.T) {
	approved := []string{"submit", "verify", "approve", "issue_refused"}
	t.Run("G4 of a refused pair, neither is issued", func(t *testing.T) {
		o := newOffice(t)
		at := "/v1/applications/" + o.application(ra.Approved, "1ABC2D3")
		csrs := o.csrs()
		o.refuses("citizen-authentication")
		r := o.refused(400, "invalid_request", "desk", "POST", at+"/issue", csrs)
		if !slices.Equal(r.fields(), []string{"csr_authentication"}) {
			t.Errorf("answer: %s", r.Body)
		}
		if o.authority.issues != 0 || !slices.Equal(o.actions(at), approved) {
			t.Errorf("%d issued, history %q", o.authority.issues, o.actions(at))
		}
		state := o.want(200, "desk", "GET", at, nil)
		if state.text("state") != "approved" || state.body["issuance"] != nil || state.body["void"] != nil {
			t.Errorf("after: %s", state.Body)
		}
		// The request that was not refused may come again with another one.
		o.authority.fault = nil
		again := map[string]any{"csr_signature": csrs["csr_signature"], "csr_authentication": newCSR(t, newKey(t))}
		if r := o.want(201, "desk", "POST", at+"/issue", again); len(r.body["certificates"].([]any)) != 2 || o.valid() != 2 {
			t.Errorf("%d valid after %s", o.valid(), r.Body)
		}
	})
	t.Run("a single refusal leaves one event and nothing else", func(t *testing.T) {
		o := newOffice(t)
		at := "/v1/applications/" + o.application(ra.Approved, "1ABC2D3")
		before := o.want(200, "desk", "GET", at, nil).body
		csrs := map[string]any{"csr_signature": newCSR(t, newKey(t))}
		o.refuses("citizen-signature")
		o.refused(400, "invalid_request", "desk", "POST", at+"/issue", csrs, "Idempotency-Key", "k")
		after := o.want(200, "desk", "GET", at, nil).body
		delete(before, "updated_at")
		delete(after, "updated_at")
		if !maps.EqualFunc(before, after, func(a, b any) bool { return toJSON(t, a) == toJSON(t, b) }) || !slices.Equal(o.actions(at), approved) {
			t.Errorf("after %v, history %q; want %v", after, o.actions(at), before)
		}
		if !o.audited("application.issue") {
			t.Error("no audit line")
		}
		// The same request may come again, by the same key.
		o.authority.fault = nil
		o.want(201, "desk", "POST", at+"/issue", csrs, "Idempotency-Key", "k")
	})
	t.Run("a request that may have been answered binds", func(t *testing.T) {
		o := newOffice(t)
		at := "/v1/applications/" + o.application(ra.Approved, "1ABC2D3")
		o.authority.fault = func(what string, done bool) error {
			if done {
				return errAway
			}
			return nil
		}
		csrs := o.csrs()
		single := map[string]any{"csr_signature": csrs["csr_signature"]}
		o.refused(503, "authority_unavailable", "desk", "POST", at+"/issue", single)
		o.authority.fault = nil
		o.refused(409, "issuance_under_way", "desk", "POST", at+"/issue", csrs)
		if o.want(201, "desk", "POST", at+"/issue", single); o.authority.issues != 1 {
			t.Errorf("%d issued", o.authority.issues)
		}
	})
}

func TestEnding(t *testing.T) {
	t.Run("G4 two persons end an approved application", func(t *testing.T) {
		for action, who := range map[string]string{"withdraw": "desk", "reject": "chief"} {
			o := newOffice(t)
			at := "/v1/applications/" + o.application(ra.Approved, "1ABC2D3")
			why := map[string]any{"reason": "açar itib"}
			r := o.want(202, who, "POST", at+"/"+action, why)
			if r.text("state") != "approved" || !slices.Equal(r.list("legal"), []string{"confirm", "keep"}) {
				t.Errorf("%s: %s", action, r.Body)
			}
			o.refused(409, "illegal_transition", "desk", "POST", at+"/issue", o.csrs())
			o.refused(409, "illegal_transition", who, "POST", at+"/"+action, why)
			if action == "reject" {
				o.refused(403, "four_eyes", "chief", "POST", at+"/confirm", nil)
			}
			o.refused(403, "role_required", "desk", "POST", at+"/confirm", nil)
			r = o.want(200, "all", "POST", at+"/confirm", nil)
			want := map[string]string{"withdraw": "withdrawn", "reject": "rejected"}[action]
			if r.text("state") != want || r.text("reason") != "açar itib" || !slices.Equal(r.list("ended_by"), []string{who, "all"}) {
				t.Errorf("%s: %s", action, r.Body)
			}
			// The person may apply again.
			o.application(ra.Submitted, "1ABC2D3")
		}
	})
	t.Run("it may stay as it is", func(t *testing.T) {
		o := newOffice(t)
		at := "/v1/applications/" + o.application(ra.Approved, "1ABC2D3")
		o.refused(409, "illegal_transition", "chief", "POST", at+"/confirm", nil)
		o.refused(409, "illegal_transition", "chief", "POST", at+"/keep", nil)
		o.want(202, "desk", "POST", at+"/withdraw", nil)
		o.want(200, "desk2", "POST", at+"/keep", map[string]any{"reason": "səhv"})
		o.want(201, "desk", "POST", at+"/issue", o.csrs())
	})
	t.Run("G4 nobody ends his own application", func(t *testing.T) {
		o := newOffice(t)
		id := o.want(201, "desk2", "POST", "/v1/applications", person("1CHEF11")).text("id")
		at := "/v1/applications/" + id
		o.want(200, "desk2", "POST", at+"/verify", verified)
		o.want(200, "all", "POST", at+"/approve", nil)
		o.want(202, "desk", "POST", at+"/withdraw", nil)
		o.refused(403, "own_case", "chief", "POST", at+"/confirm", nil)
	})
	t.Run("G1 what was issued is revoked, known to the case or not", func(t *testing.T) {
		o := newOffice(t)
		at := "/v1/applications/" + o.application(ra.Approved, "1ABC2D3")
		// Both are issued, and the answer about the second is lost.
		o.authority.fault = func(what string, done bool) error {
			if what == "issue citizen-authentication" && done {
				return errAway
			}
			return nil
		}
		o.refused(503, "authority_unavailable", "desk", "POST", at+"/issue", o.csrs())
		o.want(202, "desk", "POST", at+"/withdraw", map[string]any{"reason": "açar itib"})
		o.authority.fault = func(string, bool) error { return errAway }
		o.refused(503, "authority_unavailable", "chief", "POST", at+"/confirm", nil)
		// Now it answers, but not to the revocation of the second.
		changes := 0
		o.authority.fault = func(what string, done bool) error {
			if what == "change" && done {
				if changes++; changes == 2 {
					return errAway
				}
			}
			return nil
		}
		o.refused(503, "authority_unavailable", "chief", "POST", at+"/confirm", nil)
		if state := o.want(200, "desk", "GET", at, nil).text("state"); state != "approved" {
			t.Errorf("state = %s before all is revoked", state)
		}
		o.authority.fault = nil
		r := o.want(200, "chief", "POST", at+"/confirm", nil)
		if r.text("state") != "withdrawn" || o.authority.issues != 2 || o.valid() != 0 {
			t.Errorf("%d issued, %d valid: %s", o.authority.issues, o.valid(), r.Body)
		}
		for serial, c := range o.authority.certificates {
			if len(c.History) != 2 {
				t.Errorf("history %v", c.History)
			}
			// They stay certificates of an application.
			o.want(200, "chief", "GET", "/v1/certificates/"+string(serial)+"/history", nil)
		}
	})
}
