package ca_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/lint"
)

// faltering is a register whose list fails after some pages.
type faltering struct {
	*memory
	pages atomic.Int64
}

func (f *faltering) Certificates(ctx context.Context, selection journal.Selection) ([]journal.Record, error) {
	if f.pages.Add(-1) < 0 {
		return nil, errors.New("the disk is gone")
	}
	return f.memory.Certificates(ctx, selection)
}

func TestList(t *testing.T) {
	s := newService(t)
	var want []journal.Serial
	for range 3 {
		issued := issue(t, s.Authority, ca.Request{Issuer: "ehm", Profile: "citizen-authentication", CSR: newCSR(t, p256()), Subject: citizen(), Set: "set-1", Actor: "ra"})
		want = append(want, issued.Serial)
	}
	if _, err := s.client.Revoke(t.Context(), want[1], ca.ChangeRequest{Reason: "keyCompromise"}, ""); err != nil {
		t.Fatal(err)
	}
	list := func(selection journal.Selection) (got []journal.Serial) {
		t.Helper()
		for line, err := range s.client.Certificates(t.Context(), selection) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, line.Serial)
		}
		return got
	}
	t.Run("selections", func(t *testing.T) {
		for _, row := range []struct {
			selection journal.Selection
			want      []journal.Serial
		}{
			{journal.Selection{Issuer: "ehm"}, want},
			{journal.Selection{Issuer: "ehm", Limit: 2}, want[:2]},
			{journal.Selection{Issuer: "ehm", After: want[0]}, want[1:]},
			{journal.Selection{Issuer: "ehm", State: journal.Gone}, want[1:2]},
			{journal.Selection{Profile: "citizen-signature"}, nil},
			{journal.Selection{State: journal.Lapsed}, nil},
		} {
			if got := list(row.selection); !slices.Equal(got, row.want) {
				t.Errorf("%+v: got %v, want %v", row.selection, got, row.want)
			}
		}
		if all := list(journal.Selection{}); len(all) < 6 || len(all) != len(slices.Compact(slices.Sorted(slices.Values(all)))) {
			t.Errorf("the list of everything is %v", all)
		}
	})
	t.Run("a line tells what the register has, and nothing personal", func(t *testing.T) {
		for line, err := range s.client.Certificates(t.Context(), journal.Selection{Issuer: "ehm", State: journal.Gone}) {
			if err != nil {
				t.Fatal(err)
			}
			if line.Profile != "citizen-authentication" || line.Set != "set-1" || line.Actor != "ra" || line.Status.Reason != journal.KeyCompromise ||
				len(line.Fingerprint) != 64 || len(line.KeyHash) != 64 || !line.NotBefore.Before(line.NotAfter) || line.ReservedAt.IsZero() {
				t.Errorf("got %+v", line)
			}
		}
		answer, text := s.send(t, "GET", "/v1/certificates?issuer=ehm", "", "", "")
		if answer.Header.Get("Content-Type") != "application/x-ndjson" || strings.Count(text, "\n") != 3 || strings.Contains(strings.ToUpper(text), "1ABC2D3") {
			t.Errorf("got %q: %s", answer.Header.Get("Content-Type"), text)
		}
	})
	t.Run("more certificates than one read of the register takes", func(t *testing.T) {
		// The lints are not what is tested, and take most of the time.
		s.config.Lint = func(*x509.Certificate) error { return nil }
		s.reopen(t)
		defer func() { s.config.Lint = lint.Certificate; s.reopen(t) }()
		for range 520 {
			issue(t, s.Authority, ca.Request{Issuer: "suite", Profile: "suite-client", PublicKey: p256().Public(), Subject: map[string]string{"CN": "many"}})
		}
		if got := list(journal.Selection{Issuer: "suite", Profile: "suite-client"}); len(got) < 520 {
			t.Errorf("got %d", len(got))
		}
		n := 0
		for range s.client.Certificates(t.Context(), journal.Selection{Issuer: "suite"}) {
			if n++; n == 510 {
				break
			}
		}
		if n != 510 {
			t.Errorf("broke off after %d", n)
		}
	})
	t.Run("wrong parameters are named", func(t *testing.T) {
		for query, field := range map[string]string{
			"state=gone": "state", "limit=0": "limit", "limit=x": "limit", "after=xyz": "after", "after=abcdef": "after",
			"colour=red": "colour", "issuer=a&issuer=b": "issuer", "%zz": "query",
		} {
			answer, text := s.send(t, "GET", "/v1/certificates?"+query, "", "", "")
			if answer.StatusCode != 400 || !strings.Contains(text, `"field":"`+field+`"`) {
				t.Errorf("%s: got %s: %s", query, answer.Status, text)
			}
		}
		if answer, _ := s.send(t, "PUT", "/v1/certificates", "", "", ""); answer.StatusCode != 405 || answer.Header.Get("Allow") != "GET, HEAD, POST" {
			t.Errorf("got %s, Allow %q", answer.Status, answer.Header.Get("Allow"))
		}
		for _, err := range s.client.Certificates(t.Context(), journal.Selection{State: "gone"}) {
			asProblem(t, err, 400, "invalid_request")
		}
	})
	t.Run("who may not list is refused", func(t *testing.T) {
		s.config.Allow = func(_, action, issuer, _ string) bool { return action != ca.ActionList || issuer == "ehm" }
		s.reopen(t)
		defer func() { s.config.Allow = nil; s.reopen(t) }()
		if got := list(journal.Selection{Issuer: "ehm"}); len(got) != 3 {
			t.Errorf("got %v", got)
		}
		for _, err := range s.client.Certificates(t.Context(), journal.Selection{}) {
			asProblem(t, err, 403, "forbidden")
		}
		if answer, err := s.as(t, "").Get(s.server.URL + "/v1/certificates"); err != nil || answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("without a certificate: got %v, %v", answer, err)
		}
	})
	t.Run("a register that fails in the middle shows as an error", func(t *testing.T) {
		broken := &faltering{memory: s.register}
		s.config.Register = broken
		s.reopen(t)
		defer func() { s.config.Register = s.register; s.reopen(t) }()
		for _, pages := range []int64{0, 1} {
			broken.pages.Store(pages)
			var last error
			n := 0
			for _, err := range s.client.Certificates(t.Context(), journal.Selection{}) {
				if last = err; err == nil {
					n++
				}
			}
			if last == nil || pages == 0 && n > 0 {
				t.Errorf("after %d pages: got %d lines and error %v", pages, n, last)
			}
		}
	})
}

// FuzzWish reads hostile certification requests. What comes out agrees with
// what the standard library reads.
func FuzzWish(f *testing.F) {
	f.Add(newCSR(f, p256()))
	f.Add(csrOf(f, p256(), x509.CertificateRequest{DNSNames: []string{"a.example"}, EmailAddresses: []string{"a@b.example"}}))
	for _, raw := range corpusCSRs(f) {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		wish, err := ca.ReadWish(raw)
		if err != nil {
			var refused *ca.RefusedError
			if !errors.As(err, &refused) {
				t.Errorf("got %v, which is no refusal", err)
			}
			return
		}
		parsed, err := x509.ParseCertificateRequest(raw)
		if err != nil || !bytes.Equal(parsed.Raw, raw) {
			t.Fatalf("accepted, but %v", err)
		}
		if len(wish.Subject) != len(parsed.Subject.Names) || !slices.Equal(wish.DNSNames, parsed.DNSNames) || !slices.Equal(wish.Emails, parsed.EmailAddresses) ||
			len(wish.IPAddresses) != len(parsed.IPAddresses) {
			t.Errorf("read %+v, another parser %v %v %v %v", wish, parsed.Subject, parsed.DNSNames, parsed.EmailAddresses, parsed.IPAddresses)
		}
	})
}
