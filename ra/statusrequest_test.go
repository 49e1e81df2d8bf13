package ra_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/ra"
)

func (o *office) state(serial string) journal.State {
	o.authority.mu.Lock()
	defer o.authority.mu.Unlock()
	return o.authority.certificates[journal.Serial(serial)].Status.State
}

// twice has night enter a request that needs two persons, and night2 confirm it.
func (o *office) twice(path string, body map[string]any) reply {
	o.Helper()
	return o.want(200, "night2", "POST", o.want(202, "night", "POST", path, body).Header().Get("Location")+"/confirm", nil)
}

func TestSuspendRestoreRevoke(t *testing.T) {
	o := newOffice(t)
	signature, authentication := o.pair("1ABC2D3")
	at := "/v1/certificates/" + signature
	received := time.Now().Add(-10 * time.Minute).UTC().Truncate(time.Second)
	r := o.want(201, "desk", "POST", at+"/suspend", map[string]any{"owner": "holder", "received_at": received, "channel": "phone", "note": "kart itib"})
	if r.text("state") != "executed" || r.text("received_at") != received.Format(time.RFC3339) || r.text("effective_at") == "" || r.body["notified_at"] != nil {
		t.Errorf("suspended: %s", r.Body)
	}
	if o.state(signature) != journal.OnHold || o.state(authentication) != journal.OnHold {
		t.Error("the set is not suspended")
	}
	if got := o.authority.certificates[journal.Serial(signature)].History[1].ReceivedAt; !got.Equal(received) {
		t.Errorf("the authority was told %v, want %v", got, received)
	}
	r = o.want(200, "night", "POST", r.Header().Get("Location")+"/notified", nil)
	if r.text("state") != "notified" || r.text("notified_at") == "" || r.text("notified_by") != "night" {
		t.Errorf("notified: %s", r.Body)
	}
	o.refused(409, "illegal_transition", "night", "POST", r.Header().Get("Location")+"/notified", nil)

	o.want(201, "desk", "POST", at+"/restore", map[string]any{"owner": "holder"})
	if o.state(signature) != journal.Valid || o.state(authentication) != journal.Valid {
		t.Error("the set is not restored")
	}
	o.want(201, "night", "POST", at+"/revoke", map[string]any{"owner": "holder", "reason": "keyCompromise", "scope": "certificate", "channel": "letter", "document": "12/3"})
	if o.state(signature) != journal.Gone || o.state(authentication) != journal.Valid {
		t.Error("want the one revoked and the other valid")
	}
	history := o.want(200, "chief", "GET", at+"/history", nil)
	if events, requests := history.body["history"].([]any), history.body["status_requests"].([]any); len(events) != 4 || len(requests) != 3 {
		t.Errorf("%d events, %d requests; want 4, 3", len(events), len(requests))
	}
	if requests := o.want(200, "chief", "GET", "/v1/certificates/"+authentication+"/history", nil).body["status_requests"].([]any); len(requests) != 2 {
		t.Errorf("the other certificate has %d requests, want 2", len(requests))
	}
}

// TestEveryStatusChange tries every action for a holder in every status.
func TestEveryStatusChange(t *testing.T) {
	bodies := map[string]map[string]any{
		"suspend": {"owner": "holder"}, "restore": {"owner": "holder"}, "revoke": {"owner": "holder", "reason": "superseded", "channel": "visit", "note": "yeni kart"},
	}
	for _, c := range []struct {
		name  string
		owner string // who holds it; "revoked" for nobody
		legal []string
	}{
		{"valid", "", []string{"suspend", "revoke"}},
		{"held by the holder", "holder", []string{"restore", "revoke"}},
		{"held by a court", "court", []string{"suspend", "revoke"}},
		{"revoked", "revoked", nil},
	} {
		for action, body := range bodies {
			t.Run(c.name+" "+action, func(t *testing.T) {
				o := newOffice(t)
				serial, _ := o.pair("1ABC2D3")
				at := "/v1/certificates/" + serial
				switch c.owner {
				case "":
				case "revoked":
					o.want(201, "night", "POST", at+"/revoke", bodies["revoke"])
				default:
					body := map[string]any{"owner": c.owner}
					if c.owner == "court" {
						body["document"] = "2-1/45"
						o.twice(at+"/suspend", body)
						break
					}
					o.want(201, "night", "POST", at+"/suspend", body)
				}
				if slices.Contains(c.legal, action) {
					o.want(201, "night", "POST", at+"/"+action, body)
					return
				}
				r := o.refused(409, "illegal_transition", "night", "POST", at+"/"+action, body)
				if got := r.list("legal"); !slices.Equal(got, c.legal) {
					t.Errorf("legal = %q, want %q", got, c.legal)
				}
				// Nothing is left behind.
				want := map[string]int{"": 0}[c.owner]
				if c.owner != "" {
					want = 1
				}
				if requests := o.want(200, "night", "GET", at+"/history", nil).body["status_requests"].([]any); len(requests) != want {
					t.Errorf("%d status requests, want %d", len(requests), want)
				}
			})
		}
	}
}

func TestTwoPersons(t *testing.T) {
	t.Run("G4 a centre hold is restored by two persons", func(t *testing.T) {
		o := newOffice(t)
		serial, _ := o.pair("1ABC2D3")
		at := "/v1/certificates/" + serial
		o.refused(403, "role_required", "desk", "POST", at+"/suspend", map[string]any{"owner": "centre"})
		o.want(201, "night", "POST", at+"/suspend", map[string]any{"owner": "centre"})
		r := o.want(202, "night", "POST", at+"/restore", map[string]any{"owner": "centre"})
		request := r.Header().Get("Location")
		if o.state(serial) != journal.OnHold || r.text("state") != "received" || !slices.Equal(r.list("legal"), []string{"confirm", "refuse"}) {
			t.Errorf("entered: %s", r.Body)
		}
		o.refused(403, "four_eyes", "night", "POST", request+"/confirm", nil)
		o.refused(409, "illegal_transition", "night", "POST", request+"/execute", nil)
		o.refused(403, "role_required", "desk", "POST", request+"/confirm", nil)
		if o.state(serial) != journal.OnHold || !o.audited("status.confirm.refused") {
			t.Error("one person restored it, or the audit log does not show the attempt")
		}
		r = o.want(200, "chief", "POST", request+"/confirm", nil)
		if o.state(serial) != journal.Valid || r.text("state") != "executed" || r.text("confirmed_by") != "chief" {
			t.Errorf("confirmed: %s", r.Body)
		}
	})
	t.Run("G4 the centre revokes by two persons", func(t *testing.T) {
		o := newOffice(t)
		serial, _ := o.pair("1ABC2D3")
		body := map[string]any{"owner": "centre", "reason": "privilegeWithdrawn"}
		request := o.want(202, "all", "POST", "/v1/certificates/"+serial+"/revoke", body).Header().Get("Location")
		o.refused(403, "four_eyes", "all", "POST", request+"/confirm", nil)
		if o.state(serial) != journal.Valid {
			t.Error("one person revoked it")
		}
		o.want(200, "night2", "POST", request+"/confirm", nil)
		if o.state(serial) != journal.Gone {
			t.Error("it is not revoked")
		}
		o.refused(409, "illegal_transition", "chief", "POST", request+"/refuse", map[string]any{"reason": "late"})
	})
	t.Run("a request can be refused in writing", func(t *testing.T) {
		o := newOffice(t)
		serial, _ := o.pair("1ABC2D3")
		body := map[string]any{"owner": "centre", "reason": "privilegeWithdrawn"}
		request := o.want(202, "night", "POST", "/v1/certificates/"+serial+"/revoke", body).Header().Get("Location")
		o.refused(400, "invalid_request", "chief", "POST", request+"/refuse", map[string]any{})
		if r := o.want(200, "chief", "POST", request+"/refuse", map[string]any{"reason": "no ground"}); r.text("state") != "refused" {
			t.Errorf("refused: %s", r.Body)
		}
		o.refused(409, "illegal_transition", "chief", "POST", request+"/confirm", nil)
		if o.state(serial) != journal.Valid {
			t.Error("it is not valid")
		}
	})
	t.Run("G4 nobody changes the status of his own certificate", func(t *testing.T) {
		o := newOffice(t)
		serial, _ := o.pair("1NGHT11")
		at := "/v1/certificates/" + serial
		o.refused(403, "own_case", "night", "POST", at+"/suspend", map[string]any{"owner": "holder"})
		request := o.want(202, "night2", "POST", at+"/revoke", map[string]any{"owner": "centre", "reason": "superseded"}).Header().Get("Location")
		o.refused(403, "own_case", "night", "POST", request+"/confirm", nil)
		// Nor when the authority was away as the request came in.
		o.authority.fault = func(string, bool) error { return errors.New("away") }
		hold := map[string]any{"owner": "holder"}
		o.refused(403, "own_case", "night", "POST", at+"/suspend", hold)
		o.refused(403, "own_case", "night", "POST", at+"/suspend", hold, "Idempotency-Key", "k")
		// Nor one that was entered before the person's account.
		later := o.refused(503, "authority_unavailable", "night2", "POST", at+"/suspend", hold).Header().Get("Location")
		o.authority.fault = nil
		o.refused(403, "own_case", "night", "POST", later+"/execute", nil)
		if o.state(serial) != journal.Valid {
			t.Error("it was suspended")
		}
	})
}

func TestStatusFields(t *testing.T) {
	o := newOffice(t)
	serial, _ := o.pair("1ABC2D3")
	future := time.Now().Add(time.Hour)
	for _, c := range []struct {
		name, action string
		body         any
		want         []string
	}{
		{"nothing", "suspend", map[string]any{}, []string{"owner"}},
		{"nothing to revoke for", "revoke", map[string]any{}, []string{"owner", "reason"}},
		{"every type wrong", "revoke", map[string]any{"owner": 1, "reason": 1, "note": 1, "channel": 1, "scope": 1, "received_at": "yesterday", "invalidity_date": 5, "x": 1},
			[]string{"channel", "invalidity_date", "note", "owner", "reason", "received_at", "scope", "x"}},
		{"unknown words", "revoke", map[string]any{"owner": "me", "reason": "certificateHold", "channel": "pigeon", "scope": "all"}, []string{"channel", "owner", "reason", "scope"}},
		{"future times", "revoke", map[string]any{"owner": "holder", "channel": "visit", "note": "x", "reason": "keyCompromise", "received_at": future, "invalidity_date": future}, []string{"invalidity_date", "received_at"}},
		{"long past", "suspend", map[string]any{"owner": "holder", "received_at": time.Now().AddDate(-2, 0, 0)}, []string{"received_at"}},
		{"reason of a suspension", "suspend", map[string]any{"owner": "holder", "reason": "keyCompromise"}, []string{"reason"}},
		{"revocation by telephone", "revoke", map[string]any{"owner": "holder", "note": "x", "reason": "keyCompromise", "channel": "phone"}, []string{"channel"}},
		{"restoration by telephone", "restore", map[string]any{"owner": "holder", "channel": "phone"}, []string{"channel"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o.TB = t
			r := o.refused(400, "invalid_request", "all", "POST", "/v1/certificates/"+serial+"/"+c.action, c.body)
			if got := r.fields(); !slices.Equal(got, c.want) {
				t.Errorf("fields = %q, want %q (%s)", got, c.want, r.Body)
			}
		})
	}
	o.TB = t
	if r := o.refused(400, "invalid_request", "night", "POST", "/v1/certificates/xyz/suspend", map[string]any{"owner": "holder"}); !slices.Equal(r.fields(), []string{"serial"}) {
		t.Errorf("fields = %q", r.fields())
	}
	o.refused(404, "unknown_certificate", "night", "POST", "/v1/certificates/abc/suspend", map[string]any{"owner": "holder"})
	o.refused(404, "unknown_certificate", "night", "GET", "/v1/certificates/abc/history", nil)
	o.refused(404, "unknown_case", "night", "POST", "/v1/status-requests/req-x/confirm", nil)
	request := o.want(201, "night", "POST", "/v1/certificates/"+serial+"/suspend", map[string]any{"owner": "holder", "reason": "certificateHold"}).Header().Get("Location")
	o.refused(400, "invalid_request", "night", "POST", request+"/notified", map[string]any{"notified_at": time.Now().Add(-time.Hour)})
	o.refused(405, "method_not_allowed", "night", "PUT", request, nil)
}

func TestAuthorityAway(t *testing.T) {
	away := errors.New("connection refused")
	t.Run("G9 a status request is recorded and carried out later", func(t *testing.T) {
		o := newOffice(t)
		serial, other := o.pair("1ABC2D3")
		body := map[string]any{"owner": "holder"}
		o.authority.fault = func(string, bool) error { return away }
		r := o.refused(503, "authority_unavailable", "night", "POST", "/v1/certificates/"+serial+"/suspend", body, "Idempotency-Key", "k")
		request := r.Header().Get("Location")
		if got := o.want(200, "night", "GET", request, nil); got.text("state") != "received" || got.text("received_at") == "" {
			t.Errorf("recorded: %s", got.Body)
		}
		o.refused(503, "authority_unavailable", "night", "GET", "/v1/certificates/"+serial+"/history", nil)
		// The change is made and its answer is lost; then all goes well.
		o.authority.fault = func(what string, done bool) error {
			if what == "change" && done {
				return away
			}
			return nil
		}
		o.refused(503, "authority_unavailable", "night", "POST", request+"/execute", nil)
		o.authority.fault = nil
		again := o.want(201, "night", "POST", "/v1/certificates/"+serial+"/suspend", body, "Idempotency-Key", "k")
		if again.Header().Get("Location") != request || again.text("state") != "executed" {
			t.Errorf("repeated: %s", again.Body)
		}
		for _, s := range []string{serial, other} {
			if c := o.authority.certificates[journal.Serial(s)]; len(c.History) != 2 || c.Status.State != journal.OnHold {
				t.Errorf("history %v, want one hold", c.History)
			}
		}
		o.refused(409, "idempotency_conflict", "night", "POST", "/v1/certificates/"+serial+"/restore", body, "Idempotency-Key", "k")
	})
	t.Run("G9 what turns out illegal is refused and says so", func(t *testing.T) {
		o := newOffice(t)
		serial, _ := o.pair("1ABC2D3")
		at := "/v1/certificates/" + serial
		o.authority.fault = func(string, bool) error { return away }
		request := o.refused(503, "authority_unavailable", "night", "POST", at+"/restore", map[string]any{"owner": "holder"}).Header().Get("Location")
		o.authority.fault = nil
		r := o.refused(409, "illegal_transition", "night", "POST", request+"/execute", nil)
		if got := r.list("legal"); !slices.Equal(got, []string{"suspend", "revoke"}) {
			t.Errorf("legal = %q", got)
		}
		if r := o.want(200, "night", "GET", request, nil); r.text("state") != "refused" || r.text("refusal") == "" {
			t.Errorf("after: %s", r.Body)
		}
	})
}

func TestAuditFailsClosed(t *testing.T) {
	t.Run("G5 no action without an audit line", func(t *testing.T) {
		o := newOffice(t)
		submitted := "/v1/applications/" + o.application(ra.Submitted, "1ABC2D3")
		checked := "/v1/applications/" + o.application(ra.Verified, "2ABC2D3")
		approved := "/v1/applications/" + o.application(ra.Approved, "3ABC2D3")
		serial, _ := o.pair("4ABC2D3")
		request := o.want(202, "night", "POST", "/v1/certificates/"+serial+"/revoke", map[string]any{"owner": "centre", "reason": "superseded"}).Header().Get("Location")
		before := o.authority.issues
		o.auditFail = errors.New("disk full")
		for _, c := range []struct {
			who, path string
			body      any
		}{
			{"desk", "/v1/applications", person("5ABC2D3")}, {"desk", submitted + "/verify", verified}, {"desk", submitted + "/withdraw", nil},
			{"chief", submitted + "/reject", map[string]any{"reason": "no"}}, {"chief", checked + "/approve", nil}, {"desk", approved + "/issue", o.csrs()},
			{"desk", "/v1/applications/find", map[string]any{"fin": "1ABC2D3"}}, {"night", "/v1/certificates/" + serial + "/suspend", map[string]any{"owner": "holder"}},
			{"chief", request + "/confirm", nil},
		} {
			o.refused(503, "audit_unavailable", c.who, "POST", c.path, c.body)
		}
		o.refused(503, "audit_unavailable", "desk", "GET", submitted, nil)
		o.auditFail = nil
		for at, state := range map[string]string{submitted: "submitted", checked: "verified", approved: "approved"} {
			if got := o.want(200, "desk", "GET", at, nil).text("state"); got != state {
				t.Errorf("state = %s, want %s", got, state)
			}
		}
		if o.authority.issues != before || o.state(serial) != journal.Valid {
			t.Error("the authority was asked")
		}
	})
}

func TestStoreAway(t *testing.T) {
	o := newOffice(t)
	id := o.application(ra.Submitted, "1ABC2D3")
	serial, _ := o.pair("2ABC2D3")
	if err := o.Ready(t.Context()); err != nil {
		t.Errorf("Ready = %v", err)
	}
	o.store.Close()
	o.refused(503, "store_unavailable", "desk", "GET", "/v1/applications/"+id, nil)
	o.refused(503, "store_unavailable", "desk", "POST", "/v1/applications", person("3ABC2D3"))
	if err := o.Ready(t.Context()); err == nil {
		t.Error("ready without a store")
	}
	// The public page still tells the status, without the name.
	w := o.get("/?lang=en&serial=" + serial)
	if w.Code != 200 || !strings.Contains(w.Body.String(), "Valid") || strings.Contains(w.Body.String(), "Gülnarə") {
		t.Errorf("page without store: %d", w.Code)
	}
}

func TestConfig(t *testing.T) {
	if _, err := ra.New(ra.Config{Languages: []string{"xx"}, Staff: []ra.Person{{Name: "a b"}, {Name: "b", Roles: []ra.Role{"king"}},
		{Name: "c", Roles: []ra.Role{ra.Operator}, FINHash: hashFIN("1ABC2D3"), TokenHash: [32]byte{1}}, {Name: "d", Roles: []ra.Role{ra.Officer}, FINHash: hashFIN("1ABC2D3"), TokenHash: [32]byte{2}}}}); err == nil {
		t.Error("New took nothing at all")
	} else {
		for _, want := range []string{"Store", "Authority", "Audit", "Issuer", `"xx"`, `"a b"`, "token", `"king"`, "one account"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error does not name %s: %v", want, err)
			}
		}
	}
}
