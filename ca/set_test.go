package ca_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/altamga/altamga/ca"
)

func pairRequest(t testing.TB) ca.SetRequest {
	return ca.SetRequest{Issuer: "ehm", Subject: citizen(), Certificates: []ca.IssueRequest{
		{Profile: "citizen-signature", CSR: csrPEM(t, p256())},
		{Profile: "citizen-authentication", CSR: csrPEM(t, p256())},
	}}
}

func TestSetOverHTTP(t *testing.T) {
	s := newService(t)
	ctx := t.Context()
	t.Run("one request issues the pair", func(t *testing.T) {
		got, err := s.client.IssueSet(ctx, pairRequest(t), "")
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Certificates) != 2 || got.Set == "" || got.Certificates[1].Position != got.Certificates[0].Position+1 {
			t.Fatalf("got %+v", got)
		}
		for i, profile := range []string{"citizen-signature", "citizen-authentication"} {
			c := got.Certificates[i]
			record, err := s.client.Certificate(ctx, c.Serial)
			if err != nil || record.Set != got.Set || c.Set != got.Set || record.Profile != profile || record.Certificate != c.Certificate || strings.Count(c.Chain, "BEGIN") != 2 {
				t.Errorf("certificate %d: %+v, %v", i, record, err)
			}
		}
	})
	t.Run("repeated with its key it answers the same", func(t *testing.T) {
		request := pairRequest(t)
		request.Set = "set-7"
		first, err := s.client.IssueSet(ctx, request, "once")
		if err != nil {
			t.Fatal(err)
		}
		records := len(s.register.records)
		again, err := s.client.IssueSet(ctx, request, "once")
		if err != nil || !slices.Equal(first.Certificates, again.Certificates) || again.Set != "set-7" || len(s.register.records) != records {
			t.Errorf("got %+v, %v, want %+v", again, err, first)
		}
		request.Certificates = request.Certificates[:1]
		_, err = s.client.IssueSet(ctx, request, "once")
		asProblem(t, err, http.StatusConflict, "idempotency_conflict")
	})
	t.Run("many at once with one key issue one set", func(t *testing.T) {
		request, before := pairRequest(t), len(s.register.entries)
		answers := make([]*ca.SetAnswer, 8)
		var wait sync.WaitGroup
		for i := range answers {
			wait.Go(func() {
				var err error
				if answers[i], err = s.client.IssueSet(ctx, request, "many"); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		for _, answer := range answers[1:] {
			if answer == nil || answers[0] == nil || !slices.Equal(answer.Certificates, answers[0].Certificates) {
				t.Errorf("got %+v, want %+v", answer, answers[0])
			}
		}
		if got := len(s.register.entries) - before; got != 2 {
			t.Errorf("%d entries, want 2", got)
		}
	})
	for _, row := range []struct {
		name, code string
		spoil      func(*ca.SetRequest)
		fields     string
	}{
		{"a wrong member refuses all", "bad_csr", func(r *ca.SetRequest) { r.Certificates[0].CSR = "x" }, "certificates[0].csr"},
		{"CERT-34 a wrong identifier in both", "invalid_request", func(r *ca.SetRequest) { r.Subject["fin"] = "1ABCO23" }, "certificates[0].subject.fin certificates[1].subject.fin"},
		{"unknown profile in the second", "unknown_profile", func(r *ca.SetRequest) { r.Certificates[1].Profile = "x" }, "certificates[1].profile"},
		{"an authority in the second", "unknown_profile", func(r *ca.SetRequest) {
			r.Certificates[1].Profile, r.Certificates[1].Issuer = "issuing", "policy"
		}, "certificates[1].profile"},
		{"the same key twice", "key_in_use", func(r *ca.SetRequest) { r.Certificates[1].CSR = r.Certificates[0].CSR }, "certificates[1].csr"},
		{"none", "invalid_request", func(r *ca.SetRequest) { r.Certificates = nil }, "certificates"},
		{"too many", "invalid_request", func(r *ca.SetRequest) {
			for len(r.Certificates) < 9 {
				r.Certificates = append(r.Certificates, r.Certificates[0])
			}
		}, "certificates"},
		{"a set name in a member", "invalid_request", func(r *ca.SetRequest) { r.Certificates[0].Set = "other" }, "certificates[0].set"},
	} {
		t.Run(row.name, func(t *testing.T) {
			request, before := pairRequest(t), len(s.register.records)
			row.spoil(&request)
			_, err := s.client.IssueSet(ctx, request, "")
			details := asProblem(t, err, http.StatusBadRequest, row.code)
			var fields []string
			for _, f := range details.Errors {
				fields = append(fields, f.Field)
			}
			if got := strings.Join(fields, " "); got != row.fields {
				t.Errorf("fields %q, want %q", got, row.fields)
			}
			if len(s.register.records) != before {
				t.Error("it left something in the register")
			}
		})
	}
	t.Run("both wrong in different ways", func(t *testing.T) {
		request := pairRequest(t)
		request.Certificates[0].Subject = map[string]string{"x": "y"}
		request.Certificates[1].Subject = map[string]string{"fin": "O"}
		_, err := s.client.IssueSet(ctx, request, "")
		if details := asProblem(t, err, http.StatusBadRequest, "invalid_request"); len(details.Errors) != 2 {
			t.Errorf("got %v", details.Errors)
		}
	})
	t.Run("who may not issue one of them", func(t *testing.T) {
		s.config.Allow = func(_, _, _, profile string) bool { return profile != "citizen-signature" }
		s.reopen(t)
		defer func() { s.config.Allow = nil; s.reopen(t) }()
		_, err := s.client.IssueSet(ctx, pairRequest(t), "")
		asProblem(t, err, http.StatusForbidden, "forbidden")
	})
	t.Run("a commit that fails issues none, and the repetition issues both", func(t *testing.T) {
		request, before := pairRequest(t), len(s.register.entries)
		s.register.breakMethod("Complete", errors.New("disk full"))
		body, _ := json.Marshal(request)
		response, _ := s.send(t, "POST", "/v1/sets", "application/json", string(body), "later")
		s.register.breakMethod("Complete", nil)
		if response.StatusCode != http.StatusServiceUnavailable || len(s.register.entries) != before {
			t.Errorf("got %d with %d entries", response.StatusCode, len(s.register.entries)-before)
		}
		if got, err := s.client.IssueSet(ctx, request, "later"); err != nil || len(got.Certificates) != 2 || len(s.register.entries) != before+2 {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("method and body", func(t *testing.T) {
		if response, body := s.send(t, "GET", "/v1/sets", "", "", ""); response.StatusCode != 405 {
			t.Errorf("got %d %s", response.StatusCode, body)
		}
		if response, body := s.send(t, "POST", "/v1/sets", "application/json", `{"certificate":[]}`, ""); response.StatusCode != 400 {
			t.Errorf("got %d %s", response.StatusCode, body)
		}
	})
	s.register.check(t)
}

func TestPreparedSet(t *testing.T) {
	centre := newCentre(t, p256)
	prepare := func() *ca.PreparedSet {
		t.Helper()
		requests := []ca.Request{
			{Issuer: "ehm", Profile: "citizen-signature", CSR: newCSR(t, p256()), Subject: citizen()},
			{Issuer: "ehm", Profile: "citizen-authentication", CSR: newCSR(t, p256()), Subject: citizen()},
		}
		set, err := centre.PrepareSet(t.Context(), ca.Set{Name: "s", Actor: "ra", Requests: requests})
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	t.Run("is redeemed once", func(t *testing.T) {
		set := prepare()
		if issued, err := centre.IssueSet(t.Context(), set); err != nil || len(issued) != 2 || issued[1].Set != "s" || issued[1].Entry.Actor != "ra" {
			t.Errorf("got %v, %v", issued, err)
		}
		if _, err := centre.IssueSet(t.Context(), set); !errors.Is(err, ca.ErrSpent) {
			t.Errorf("got %v, want ErrSpent", err)
		}
	})
	t.Run("by the authority that gave it", func(t *testing.T) {
		if _, err := newCentre(t, p256).IssueSet(t.Context(), prepare()); err == nil {
			t.Error("another one issued it")
		}
	})
	t.Run("G5 without an audit log nothing is signed", func(t *testing.T) {
		set, before := prepare(), len(centre.register.entries)
		centre.audit.err = errors.New("disk full")
		defer func() { centre.audit.err = nil }()
		_, err := centre.IssueSet(t.Context(), set)
		if _, ok := errors.AsType[*ca.AuditError](err); !ok || len(centre.register.entries) != before {
			t.Errorf("got %v", err)
		}
	})
	centre.register.check(t)
}
