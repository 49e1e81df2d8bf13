package ra_test

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/altamga/altamga/ra"
)

func TestApplicationLife(t *testing.T) {
	o := newOffice(t)
	r := o.want(201, "desk", "POST", "/v1/applications", person("1abc2d3"))
	id := r.text("id")
	if r.Header().Get("Location") != "/v1/applications/"+id || r.text("state") != "submitted" || r.text("fin") != "1ABC2D3" || r.text("phone") != "+994501234567" {
		t.Errorf("created: %s", r.Body)
	}
	if got := r.list("legal"); !slices.Equal(got, []string{"verify", "reject", "withdraw"}) {
		t.Errorf("legal = %q", got)
	}
	at := "/v1/applications/" + id
	if r := o.want(200, "desk", "POST", at+"/verify", verified); r.text("docs") != "complete" || r.text("identity") != "matched" || r.text("verified_by") != "desk" {
		t.Errorf("verified: %s", r.Body)
	}
	o.want(200, "chief", "POST", at+"/approve", nil)
	r = o.want(201, "desk2", "POST", at+"/issue", o.csrs())
	certificates := r.body["certificates"].([]any)
	if len(certificates) != 2 || r.text("set") == "" || r.text("chain") == "" || r.text("state") != "completed" {
		t.Fatalf("issued: %s", r.Body)
	}
	var actions []string
	history := o.want(200, "chief", "GET", at+"/history", nil).body["history"].([]any)
	for _, e := range history {
		event := e.(map[string]any)
		actions = append(actions, event["actor"].(string)+" "+event["action"].(string)+" "+event["to"].(string))
	}
	want := []string{"desk submit submitted", "desk verify verified", "chief approve approved", "desk2 issue completed"}
	if !slices.Equal(actions, want) {
		t.Errorf("history = %q, want %q", actions, want)
	}
	for _, c := range o.authority.certificates {
		if c.Set != id || c.Issuer != "ehm" {
			t.Errorf("certificate of set %q by %q, want %q by ehm", c.Set, c.Issuer, id)
		}
	}
}

// TestEveryTransition tries every action in every state: what the table allows
// is carried out and everything else is answered with what is legal.
func TestEveryTransition(t *testing.T) {
	legal := map[ra.State][]string{
		ra.Submitted: {"verify", "reject", "withdraw"},
		ra.Verified:  {"approve", "reject", "withdraw"},
		ra.Approved:  {"reject", "withdraw", "issue"},
		ra.Completed: nil, ra.Rejected: nil, ra.Withdrawn: nil,
	}
	to := map[string]ra.State{"verify": ra.Verified, "approve": ra.Approved, "reject": ra.Rejected, "withdraw": ra.Withdrawn, "issue": ra.Completed}
	for state, actions := range legal {
		for action, next := range to {
			t.Run(string(state)+" "+action, func(t *testing.T) {
				o := newOffice(t)
				id := o.application(state, "1ABC2D3")
				at := "/v1/applications/" + id
				body := map[string]any{"verify": verified, "reject": map[string]any{"reason": "no"}, "issue": o.csrs()}[action]
				who := map[string]string{"verify": "desk", "approve": "chief", "reject": "chief", "withdraw": "desk", "issue": "desk"}[action]
				before := o.want(200, "chief", "GET", at, nil).Body.String()
				if slices.Contains(actions, action) {
					r := o.call(who, "POST", at+"/"+action, body)
					if state == ra.Approved && action != "issue" {
						// A second person has to confirm it.
						if r.Code != 202 || r.text("state") != string(ra.Approved) || !slices.Equal(r.list("legal"), []string{"confirm", "keep"}) {
							t.Errorf("%d %s, want one that waits", r.Code, r.Body)
						}
						return
					}
					if r.Code != 200 && r.Code != 201 || r.text("state") != string(next) {
						t.Errorf("%d %s, want state %s", r.Code, r.Body, next)
					}
					return
				}
				r := o.refused(409, "illegal_transition", who, "POST", at+"/"+action, body)
				if got := r.list("legal"); !slices.Equal(got, actions) {
					t.Errorf("legal = %q, want %q", got, actions)
				}
				if after := o.want(200, "chief", "GET", at, nil).Body.String(); after != before {
					t.Errorf("the refusal left %s, want %s", after, before)
				}
			})
		}
	}
}

func TestFourEyes(t *testing.T) {
	t.Run("G4 who took in or verified an application does not approve it", func(t *testing.T) {
		o := newOffice(t)
		taken := o.want(201, "all", "POST", "/v1/applications", person("1ABC2D3")).text("id")
		o.want(200, "desk", "POST", "/v1/applications/"+taken+"/verify", verified)
		o.refused(403, "four_eyes", "all", "POST", "/v1/applications/"+taken+"/approve", nil)

		seen := o.application(ra.Submitted, "2ABC2D3")
		o.want(200, "all", "POST", "/v1/applications/"+seen+"/verify", verified)
		o.refused(403, "four_eyes", "all", "POST", "/v1/applications/"+seen+"/approve", nil)
		if !o.audited("application.approve.refused") {
			t.Error("the audit log does not show the refusal")
		}
		o.want(200, "chief", "POST", "/v1/applications/"+taken+"/approve", nil)
	})
	t.Run("G4 nobody handles his own case", func(t *testing.T) {
		o := newOffice(t)
		o.refused(403, "own_case", "desk", "POST", "/v1/applications", person("1desk11"))
		own := o.want(201, "desk2", "POST", "/v1/applications", person("1DESK11")).text("id")
		o.refused(403, "own_case", "desk", "POST", "/v1/applications/"+own+"/verify", verified)
		o.refused(403, "own_case", "desk", "POST", "/v1/applications/"+own+"/withdraw", nil)
		chief := o.application(ra.Verified, "1CHEF11")
		o.refused(403, "own_case", "chief", "POST", "/v1/applications/"+chief+"/approve", nil)
		o.refused(403, "own_case", "chief", "POST", "/v1/applications/"+chief+"/reject", map[string]any{"reason": "no"})
		o.want(200, "all", "POST", "/v1/applications/"+chief+"/approve", nil)
	})
}

func TestRoles(t *testing.T) {
	o := newOffice(t)
	id := o.application(ra.Submitted, "1ABC2D3")
	at := "/v1/applications/" + id
	for _, c := range []struct{ who, path string }{
		{"chief", "/v1/applications"}, {"night", "/v1/applications"}, {"chief", at + "/verify"}, {"desk", at + "/approve"},
		{"desk", at + "/reject"}, {"chief", at + "/withdraw"}, {"chief", at + "/issue"}, {"night", "/v1/applications/find"},
	} {
		o.refused(403, "role_required", c.who, "POST", c.path, map[string]any{})
	}
	for _, token := range []string{"", "stranger"} {
		r := o.refused(401, "unauthenticated", token, "GET", at, nil)
		if r.Header().Get("WWW-Authenticate") == "" {
			t.Error("401 without WWW-Authenticate")
		}
	}
	o.refused(401, "unauthenticated", "", "GET", at, nil, "Authorization", "Basic ZGVzazpkZXNr")
	// Night staff sees the case without the means to find the person.
	r := o.want(200, "night", "GET", at, nil)
	if r.text("fin") != "1A*****" || r.text("email") != "" || r.text("phone") != "" {
		t.Errorf("night sees %s", r.Body)
	}
}

func TestApplicationFields(t *testing.T) {
	o := newOffice(t)
	change := func(changes map[string]any) map[string]any {
		p := person("1ABC2D3")
		maps.Copy(p, changes)
		return p
	}
	for _, c := range []struct {
		name string
		body any
		want []string
	}{
		{"everything missing", map[string]any{}, []string{"category", "email", "fin", "given_name", "phone", "surname"}},
		{"null", "null", []string{"category", "email", "fin", "given_name", "phone", "surname"}},
		{"every type wrong and one field too many", map[string]any{"category": 1, "given_name": []int{}, "surname": true, "fin": 1234567, "voen": 1, "email": 1, "phone": 1, "search_consent": "yes", "role": "x"},
			[]string{"category", "email", "fin", "given_name", "phone", "role", "search_consent", "surname", "voen"}},
		{"letter O in FIN", change(map[string]any{"fin": "1ABC2O3"}), []string{"fin"}},
		{"dotted capital I in FIN", change(map[string]any{"fin": "İABC23"}), []string{"fin"}},
		{"digits in a name", change(map[string]any{"surname": "Əliyeva2"}), []string{"surname"}},
		{"control character in a name", change(map[string]any{"given_name": "A\u0000b"}), []string{"given_name"}},
		{"no letter in a name", change(map[string]any{"given_name": "-"}), []string{"given_name"}},
		{"names too long together", change(map[string]any{"given_name": strings.Repeat("ə", 40), "surname": strings.Repeat("ş", 40)}), []string{"surname"}},
		{"e-mail with a name", change(map[string]any{"email": "A <a@example.org>"}), []string{"email"}},
		{"e-mail without a domain", change(map[string]any{"email": "a@localhost"}), []string{"email"}},
		{"national phone", change(map[string]any{"phone": "050 123 45 67"}), []string{"phone"}},
		{"citizen with VOEN", change(map[string]any{"voen": "1400057421"}), []string{"voen"}},
		{"entrepreneur without VOEN", change(map[string]any{"category": "entrepreneur"}), []string{"voen"}},
		{"entrepreneur with a legal person's VOEN", change(map[string]any{"category": "entrepreneur", "voen": "1400057421"}), []string{"voen"}},
		{"wrong check digit", change(map[string]any{"category": "legal_person", "voen": "1400057431"}), []string{"voen"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o.TB = t
			r := o.refused(400, "invalid_request", "desk", "POST", "/v1/applications", c.body)
			if got := r.fields(); !slices.Equal(got, c.want) {
				t.Errorf("fields = %q, want %q (%s)", got, c.want, r.Body)
			}
		})
	}
	o.TB = t
	o.want(201, "desk", "POST", "/v1/applications", change(map[string]any{"category": "legal_person", "voen": "1400057421"}))
	if found := o.want(200, "desk", "POST", "/v1/applications/find", map[string]any{"fin": "1abc2d3"}); len(found.body["applications"].([]any)) != 1 {
		t.Errorf("found %s, want the one that was accepted", found.Body)
	}
}

func TestBadRequests(t *testing.T) {
	o := newOffice(t)
	id := o.application(ra.Submitted, "1ABC2D3")
	at := "/v1/applications/" + id
	o.refused(400, "malformed_json", "desk", "POST", "/v1/applications", "{")
	o.refused(400, "malformed_json", "desk", "POST", "/v1/applications", "{} {}")
	o.refused(400, "malformed_json", "desk", "POST", "/v1/applications", "[]")
	o.refused(415, "unsupported_media_type", "desk", "POST", "/v1/applications", "{}", "Content-Type", "text/plain")
	o.refused(413, "too_large", "desk", "POST", "/v1/applications", `{"fin":"`+strings.Repeat("1", 65<<10)+`"}`)
	o.refused(404, "unknown_path", "desk", "GET", "/v1/nothing", nil)
	o.refused(404, "unknown_case", "desk", "GET", "/v1/applications/app-nothing", nil)
	o.refused(404, "unknown_case", "desk", "GET", "/v1/status-requests/"+id, nil)
	o.refused(404, "unknown_case", "desk", "POST", "/v1/applications/app-nothing/verify", verified)
	if r := o.refused(405, "method_not_allowed", "desk", "DELETE", at, nil); r.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("Allow = %q", r.Header().Get("Allow"))
	}
	for path, fields := range map[string][]string{at + "/verify": {"docs", "identity"}, at + "/issue": {"csr_signature"}, "/v1/applications/find": {"fin"}} {
		if r := o.refused(400, "invalid_request", "desk", "POST", path, map[string]any{}); !slices.Equal(r.fields(), fields) {
			t.Errorf("%s: fields = %q, want %q", path, r.fields(), fields)
		}
	}
	if r := o.refused(400, "invalid_request", "chief", "POST", at+"/reject", map[string]any{"why": "x"}); !slices.Equal(r.fields(), []string{"reason", "why"}) {
		t.Errorf("fields = %q", r.fields())
	}
	o.refused(400, "invalid_request", "desk", "POST", at+"/verify", map[string]any{"docs": "incomplete", "identity": "matched"})
	o.refused(400, "invalid_request", "desk", "POST", "/v1/applications", person("2ABC2D3"), "Idempotency-Key", strings.Repeat("k", 256))
	if events := o.want(200, "desk", "GET", at+"/history", nil).body["history"].([]any); len(events) != 1 {
		t.Errorf("bad requests left %d events, want 1", len(events))
	}
}

func TestOneOpenApplication(t *testing.T) {
	o := newOffice(t)
	id := o.application(ra.Submitted, "1ABC2D3")
	o.refused(409, "already_open", "desk2", "POST", "/v1/applications", person("1ABC2D3"))
	o.want(200, "desk", "POST", "/v1/applications/"+id+"/withdraw", nil)
	o.application(ra.Completed, "1ABC2D3")
	o.application(ra.Submitted, "1ABC2D3")
}

func TestRepeatedSubmission(t *testing.T) {
	o := newOffice(t)
	first := o.want(201, "desk", "POST", "/v1/applications", person("1ABC2D3"), "Idempotency-Key", "k1")
	o.want(200, "desk", "POST", first.Header().Get("Location")+"/verify", verified)
	if again := o.want(201, "desk", "POST", "/v1/applications", person("1ABC2D3"), "Idempotency-Key", "k1"); again.Body.String() != first.Body.String() {
		t.Errorf("the second answer is %s, want %s", again.Body, first.Body)
	}
	o.refused(409, "idempotency_conflict", "desk", "POST", "/v1/applications", person("2ABC2D3"), "Idempotency-Key", "k1")
	// Another person's key is another key.
	o.want(201, "desk2", "POST", "/v1/applications", person("2ABC2D3"), "Idempotency-Key", "k1")

	var group sync.WaitGroup
	ids := make([]string, 8)
	for i := range ids {
		group.Go(func() {
			ids[i] = o.call("desk", "POST", "/v1/applications", person("3ABC2D3"), "Idempotency-Key", "k3").text("id")
		})
	}
	group.Wait()
	if slices.Sort(ids); ids[0] == "" || len(slices.Compact(ids)) != 1 {
		t.Errorf("eight at once led to %q, want one application", ids)
	}
}

func TestIssueRepeats(t *testing.T) {
	lost := errors.New("connection lost")
	t.Run("G1 a lost answer leads to the same certificates", func(t *testing.T) {
		o := newOffice(t)
		at := "/v1/applications/" + o.application(ra.Approved, "1ABC2D3")
		csrs := o.csrs()
		// The authority issues the second certificate and its answer is lost.
		o.authority.fault = func(what string, done bool) error {
			if what == "issue citizen-authentication" && done {
				return lost
			}
			return nil
		}
		o.refused(503, "authority_unavailable", "desk", "POST", at+"/issue", csrs, "Idempotency-Key", "k")
		if state := o.want(200, "desk", "GET", at, nil).text("state"); state != "approved" {
			t.Errorf("state = %s, want approved", state)
		}
		o.authority.fault = nil
		o.refused(409, "issuance_under_way", "desk", "POST", at+"/issue", o.csrs())
		first := o.want(201, "desk", "POST", at+"/issue", csrs, "Idempotency-Key", "k")
		again := o.want(201, "desk", "POST", at+"/issue", csrs, "Idempotency-Key", "k")
		if first.Body.String() != again.Body.String() || o.authority.issues != 2 {
			t.Errorf("%d certificates, answers %s and %s", o.authority.issues, first.Body, again.Body)
		}
		o.refused(409, "idempotency_conflict", "desk", "POST", at+"/issue", o.csrs(), "Idempotency-Key", "k")
		o.refused(409, "illegal_transition", "desk", "POST", at+"/issue", csrs)
	})
	t.Run("G4 many at once lead to one pair", func(t *testing.T) {
		o := newOffice(t)
		at := "/v1/applications/" + o.application(ra.Approved, "1ABC2D3")
		csrs := o.csrs()
		var group sync.WaitGroup
		var mu sync.Mutex
		bodies := make(map[string]int)
		for range 8 {
			group.Go(func() {
				r := o.call("desk", "POST", at+"/issue", csrs, "Idempotency-Key", "k")
				mu.Lock()
				defer mu.Unlock()
				if bodies[r.Body.String()]++; r.Code != 201 {
					t.Errorf("%d %s", r.Code, r.Body)
				}
			})
		}
		group.Wait()
		if len(bodies) != 1 || o.authority.issues != 2 {
			t.Errorf("%d different answers, %d certificates", len(bodies), o.authority.issues)
		}
	})
}

func TestCSRs(t *testing.T) {
	o := newOffice(t)
	at := "/v1/applications/" + o.application(ra.Approved, "1ABC2D3")
	key := newKey(t)
	good := newCSR(t, key)
	// One flipped bit near the end is in the signature.
	broken := strings.Replace(good, "-----END", "", 1)
	tampered := tamper(t, good)
	for _, c := range []struct {
		name, signature, authentication string
		want                            []string
	}{
		{"none", "", "", []string{"csr_signature"}},
		{"not PEM", "MIIB", "x", []string{"csr_authentication", "csr_signature"}},
		{"PEM without an end", broken, "", []string{"csr_signature"}},
		{"two in one", good + good, "", []string{"csr_signature"}},
		{"wrong signature", tampered, "", []string{"csr_signature"}},
		{"one key for both", good, newCSR(t, key), []string{"csr_authentication"}},
		{"weak key", weakCSR(t), "", []string{"csr_signature"}},
		{"modulus of 8193 bits", rsaCSR(t, 8193, 65537), "", []string{"csr_signature"}},
		{"even exponent", rsaCSR(t, 4096, 65536), "", []string{"csr_signature"}},
		{"exponent of 33 bits", rsaCSR(t, 4096, 1<<32+1), "", []string{"csr_signature"}},
		{"SHA-1", sha1CSR(t), "", []string{"csr_signature"}},
		{"more than 16 KiB", largeCSR(t), "", []string{"csr_signature"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o.TB = t
			r := o.refused(400, "invalid_request", "desk", "POST", at+"/issue", map[string]any{"csr_signature": c.signature, "csr_authentication": c.authentication})
			if got := r.fields(); !slices.Equal(got, c.want) {
				t.Errorf("fields = %q, want %q", got, c.want)
			}
		})
	}
	o.TB = t
	if o.authority.issues != 0 {
		t.Error("the authority was asked")
	}
}

func TestGovernmentIssuer(t *testing.T) {
	o := newOffice(t)
	p := person("1ABC2D3")
	p["category"] = "government"
	at := o.want(201, "desk", "POST", "/v1/applications", p).Header().Get("Location")
	o.want(200, "desk", "POST", at+"/verify", verified)
	o.want(200, "chief", "POST", at+"/approve", nil)
	o.want(http.StatusCreated, "desk", "POST", at+"/issue", map[string]any{"csr_signature": newCSR(t, newKey(t))})
	for _, c := range o.authority.certificates {
		if c.Issuer != "hom" {
			t.Errorf("issued by %q, want hom", c.Issuer)
		}
	}
}
