package ra_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/ra"
)

// foreign puts a certificate into the register that came from no application,
// as those of the authority, the stamping unit and the suite's own connections
// do.
func (o *office) foreign() string {
	o.Helper()
	issued, err := o.authority.IssueSet(context.Background(), ra.SetRequest{Issuer: "ehm", CommonName: "Vaxt möhürü", FIN: "9ABC2D3", IdempotencyKey: "tsa",
		Certificates: []ra.IssueRequest{{Profile: "tsa-signer", CSR: newCSR(o.TB, newKey(o.TB))}}})
	if err != nil {
		o.Fatal(err)
	}
	return string(issued[0].Serial)
}

func TestForeignCertificates(t *testing.T) {
	t.Run("G4 only certificates of its own applications are changed", func(t *testing.T) {
		o := newOffice(t)
		serial := o.foreign()
		at := "/v1/certificates/" + serial
		for _, owner := range []string{"holder", "organisation", "court", "centre"} {
			for _, action := range []string{"suspend", "restore", "revoke"} {
				body := map[string]any{"owner": owner, "document": "1", "channel": "visit", "note": "x"}
				if action == "revoke" {
					body["reason"] = "superseded"
				}
				o.refused(404, "unknown_certificate", "all", "POST", at+"/"+action, body)
			}
		}
		o.refused(404, "unknown_certificate", "all", "GET", at+"/history", nil)
		if o.state(serial) != journal.Valid || len(o.authority.certificates[journal.Serial(serial)].History) != 1 {
			t.Error("the certificate was changed")
		}
		if !o.audited("status.revoke.refused") {
			t.Error("the audit log does not show the attempt")
		}
		// Nor is it while the authority is away and nobody could look at it.
		o.authority.fault = func(string, bool) error { return errAway }
		o.refused(404, "unknown_certificate", "night", "POST", at+"/suspend", map[string]any{"owner": "holder"})
	})
}

func TestTimes(t *testing.T) {
	o := newOffice(t)
	serial, _ := o.pair("1ABC2D3")
	at := "/v1/certificates/" + serial
	revoke := func(field, value string) map[string]any {
		return map[string]any{"owner": "holder", "reason": "keyCompromise", "channel": "visit", "note": "x", field: value}
	}
	for _, value := range []string{
		"0000-01-01T00:00:00+01:00", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "1949-12-31T23:59:59Z", "1950-01-01T00:00:00+00:01",
		"9999-12-31T23:59:59-00:01", "9999-12-31T23:59:59Z", "1950-01-01T00:00:00Z",
		time.Now().Add(-time.Hour).Format(time.RFC3339), "null ", "2026-13-01T00:00:00Z",
	} {
		before := len(o.audit)
		r := o.refused(400, "invalid_request", "night", "POST", at+"/revoke", revoke("invalidity_date", value))
		if !slices.Equal(r.fields(), []string{"invalidity_date"}) {
			t.Errorf("%s: fields = %q", value, r.fields())
		}
		if len(o.audit) != before {
			t.Errorf("%s: it was audited", value)
		}
	}
	for _, value := range []string{"0000-01-01T00:00:00+01:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00", time.Now().AddDate(-1, -1, 0).Format(time.RFC3339)} {
		r := o.refused(400, "invalid_request", "night", "POST", at+"/revoke", revoke("received_at", value))
		if !slices.Equal(r.fields(), []string{"received_at"}) {
			t.Errorf("%s: fields = %q", value, r.fields())
		}
	}
	request := o.want(201, "night", "POST", at+"/suspend", map[string]any{"owner": "holder"}).Header().Get("Location")
	for _, value := range []string{"0000-01-01T00:00:00+01:00", "0001-01-01T00:00:00Z"} {
		o.refused(400, "invalid_request", "night", "POST", request+"/notified", map[string]any{"notified_at": value})
	}
	if o.state(serial) != journal.OnHold {
		t.Error("it was revoked")
	}
	good := time.Now().UTC().Truncate(time.Second).Format(time.RFC3339)
	if r := o.want(201, "night", "POST", at+"/revoke", revoke("invalidity_date", good)); r.text("invalidity_date") != good {
		t.Errorf("revoked: %s", r.Body)
	}
}

func TestGround(t *testing.T) {
	t.Run("G4 a court is spoken for by two persons", func(t *testing.T) {
		o := newOffice(t)
		serial, _ := o.pair("1ABC2D3")
		at := "/v1/certificates/" + serial
		body := map[string]any{"owner": "court", "document": "2-1/45-2026"}
		hold := o.want(202, "desk", "POST", at+"/suspend", body)
		request := hold.Header().Get("Location")
		if hold.text("document") != "2-1/45-2026" || o.state(serial) != journal.Valid {
			t.Errorf("entered: %s", hold.Body)
		}
		o.refused(403, "role_required", "desk", "POST", request+"/confirm", nil)
		o.refused(409, "illegal_transition", "desk", "POST", request+"/execute", nil)
		o.want(200, "night", "POST", request+"/confirm", nil)
		if o.state(serial) != journal.OnHold {
			t.Error("it is not held")
		}
		// Who places it alone does not lift it alone, either.
		lift := o.want(202, "all", "POST", at+"/restore", body).Header().Get("Location")
		o.refused(403, "four_eyes", "all", "POST", lift+"/confirm", nil)
		if o.state(serial) != journal.OnHold {
			t.Error("one person lifted the court's hold")
		}
		o.want(200, "night2", "POST", lift+"/confirm", nil)
		revoke := o.want(202, "night", "POST", at+"/revoke", map[string]any{"owner": "court", "document": "2-1/46", "reason": "superseded"}).Header().Get("Location")
		o.refused(403, "four_eyes", "night", "POST", revoke+"/confirm", nil)
		if o.state(serial) != journal.Valid {
			t.Error("one person revoked for the court")
		}
		for _, line := range o.audit {
			if strings.Contains(line, "2-1/4") {
				t.Errorf("the audit log holds the document: %s", line)
			}
		}
	})
	t.Run("G4 what a request rests on is said", func(t *testing.T) {
		o := newOffice(t)
		serial, _ := o.pair("1ABC2D3")
		for _, c := range []struct {
			name, action string
			body         map[string]any
			want         []string
		}{
			{"court without a document", "suspend", map[string]any{"owner": "court"}, []string{"document"}},
			{"blank document", "suspend", map[string]any{"owner": "court", "document": " "}, []string{"document"}},
			{"long document", "suspend", map[string]any{"owner": "court", "document": strings.Repeat("1", 201)}, []string{"document"}},
			{"two lines", "suspend", map[string]any{"owner": "court", "document": "1\n2"}, []string{"document"}},
			{"organisation without a document", "restore", map[string]any{"owner": "organisation"}, []string{"document"}},
			{"holder's revocation without anything", "revoke", map[string]any{"owner": "holder", "reason": "superseded"}, []string{"channel", "note"}},
			{"holder's revocation without a ground", "revoke", map[string]any{"owner": "holder", "reason": "superseded", "channel": "visit", "note": " "}, []string{"note"}},
			{"holder's revocation by an unsaid channel", "revoke", map[string]any{"owner": "holder", "reason": "superseded", "document": "7"}, []string{"channel"}},
		} {
			r := o.refused(400, "invalid_request", "all", "POST", "/v1/certificates/"+serial+"/"+c.action, c.body)
			if !slices.Equal(r.fields(), c.want) {
				t.Errorf("%s: fields = %q, want %q", c.name, r.fields(), c.want)
			}
		}
		o.want(201, "desk", "POST", "/v1/certificates/"+serial+"/suspend", map[string]any{"owner": "organisation", "document": "HR-12"})
	})
}
