package ca_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/problem"
)

// service is a centre behind real mutual TLS with certificates of its own.
type service struct {
	*centre
	server *httptest.Server
	http   *http.Client
	client *ca.Client
}

func newService(t *testing.T) *service {
	t.Helper()
	s := &service{centre: newCentre(t, p256)}
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.Handler().ServeHTTP(w, r) }))
	roots := x509.NewCertPool()
	roots.AddCert(s.config.Issuers[3].Certificate)
	s.server.TLS = &tls.Config{
		Certificates: []tls.Certificate{s.suiteCertificate(t, "suite-server", "server")},
		ClientAuth:   tls.VerifyClientCertIfGiven, ClientCAs: roots, MinVersion: tls.VersionTLS13,
	}
	s.server.StartTLS()
	t.Cleanup(s.server.Close)
	s.http = s.as(t, "ra")
	var err error
	if s.client, err = ca.NewClient(s.server.URL+"/", s.http); err != nil {
		t.Fatal(err)
	}
	return s
}

// as returns an HTTP client with a certificate of that name, "" for none.
func (s *service) as(t *testing.T, name string) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(s.config.Issuers[3].Certificate)
	config := &tls.Config{RootCAs: roots, ServerName: "localhost"}
	if name != "" {
		config.Certificates = []tls.Certificate{s.suiteCertificate(t, "suite-client", name)}
	}
	transport := &http.Transport{TLSClientConfig: config}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (s *service) suiteCertificate(t *testing.T, profile, name string) tls.Certificate {
	t.Helper()
	key := p256()
	request := ca.Request{Issuer: "suite", Profile: profile, PublicKey: key.Public(), Subject: map[string]string{"CN": name}}
	if profile == "suite-server" {
		request.DNSNames, request.IPAddresses = []string{"localhost"}, []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	}
	return tls.Certificate{Certificate: [][]byte{issue(t, s.Authority, request).Certificate.Raw}, PrivateKey: key}
}

func csrPEM(t testing.TB, key crypto.Signer) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: newCSR(t, key)}))
}

func authenticationRequest(t testing.TB) ca.IssueRequest {
	return ca.IssueRequest{Issuer: "ehm", Profile: "citizen-authentication", CSR: csrPEM(t, p256()), Subject: citizen(), Set: "set-1"}
}

// send posts text and returns the answer with its body.
func (s *service) send(t *testing.T, method, path, contentType, body, key string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := s.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(answer)
}

func asProblem(t *testing.T, err error, status int, code string) *problem.Details {
	t.Helper()
	details, ok := errors.AsType[*problem.Details](err)
	if !ok {
		t.Fatalf("got %v, want a problem with code %s", err, code)
	}
	if details.Status != status || details.Code != code {
		t.Errorf("got %d %s (%v), want %d %s", details.Status, details.Code, details, status, code)
	}
	return details
}

func TestLifeOfACertificate(t *testing.T) {
	s := newService(t)
	ctx := t.Context()
	issued, err := s.client.Issue(ctx, authenticationRequest(t), "")
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode([]byte(issued.Certificate))
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil || len(rest) != 0 || journal.SerialOf(leaf.SerialNumber) != issued.Serial {
		t.Fatalf("certificate: %v", err)
	}
	t.Run("chain verifies up to the root that is not in it", func(t *testing.T) {
		roots, between := x509.NewCertPool(), x509.NewCertPool()
		roots.AddCert(s.config.Issuers[0].Certificate)
		if !between.AppendCertsFromPEM([]byte(issued.Chain)) || strings.Count(issued.Chain, "BEGIN") != 2 {
			t.Errorf("chain of %d", strings.Count(issued.Chain, "BEGIN"))
		}
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
			t.Error(err)
		}
	})
	hold := func(owner string) (*ca.ChangeAnswer, error) {
		return s.client.Hold(ctx, issued.Serial, ca.ChangeRequest{Owner: owner}, "")
	}
	release := func(owner string) (*ca.ChangeAnswer, error) {
		return s.client.Release(ctx, issued.Serial, ca.ChangeRequest{Owner: owner}, "")
	}
	t.Run("holds have owners", func(t *testing.T) {
		for _, owner := range []string{"holder", "court"} {
			if got, err := hold(owner); err != nil || got.Status.State != journal.OnHold || got.Entry.Actor != "ra" {
				t.Errorf("hold by %s: %v, %v", owner, got, err)
			}
		}
		if got, err := release("holder"); err != nil || got.Status.State != journal.OnHold {
			t.Errorf("after one release: %v, %v", got, err)
		}
		_, err := release("centre")
		details := asProblem(t, err, http.StatusConflict, "illegal_transition")
		if got, want := strings.Join(details.Legal, " "), "hold revoke"; got != want {
			t.Errorf("legal %q, want %q", got, want)
		}
		if got, err := release("court"); err != nil || got.Status.State != journal.Valid {
			t.Errorf("after the last release: %v, %v", got, err)
		}
	})
	t.Run("revocation is final", func(t *testing.T) {
		since := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
		got, err := s.client.Revoke(ctx, issued.Serial, ca.ChangeRequest{Reason: "keyCompromise", InvalidityDate: since, ReceivedAt: since}, "")
		if err != nil || got.Status.State != journal.Gone || got.Status.Reason != journal.KeyCompromise || !got.Entry.InvalidityDate.Equal(since) || !got.Entry.ReceivedAt.Equal(since) {
			t.Errorf("got %v, %v", got, err)
		}
		_, err = hold("holder")
		if details := asProblem(t, err, http.StatusConflict, "illegal_transition"); len(details.Legal) != 0 {
			t.Errorf("legal %v", details.Legal)
		}
	})
	t.Run("status and history", func(t *testing.T) {
		got, err := s.client.Certificate(ctx, issued.Serial)
		if err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for _, e := range got.History {
			kinds = append(kinds, string(e.Kind))
		}
		for _, above := range got.Above {
			if above.State != journal.Valid || above.Name == "" || !above.NotAfter.After(time.Now()) {
				t.Errorf("above it stands %+v", above)
			}
		}
		if len(got.Above) != 3 {
			t.Errorf("%d authorities above, want three", len(got.Above))
		}
		if strings.Join(kinds, " ") != "issued held held released released revoked" || got.Status.State != journal.Gone || got.Certificate != issued.Certificate ||
			got.Set != "set-1" || !got.NotAfter.Equal(leaf.NotAfter) {
			t.Errorf("got %v with %v", got.Status, kinds)
		}
	})
	t.Run("journal tells the same, page by page", func(t *testing.T) {
		var after uint64
		var told int
		for {
			entries, err := s.client.Journal(ctx, after, 2, 0)
			if err != nil {
				t.Fatal(err)
			}
			if len(entries) == 0 {
				break
			}
			for _, e := range entries {
				after = e.Position
				if e.Serial == issued.Serial {
					told++
				}
			}
		}
		if told != 6 {
			t.Errorf("%d entries of the certificate, want 6", told)
		}
	})
	t.Run("issuers", func(t *testing.T) {
		issuers, err := s.client.Issuers(ctx)
		if err != nil || len(issuers) != 4 || issuers[2].ID != "ehm" || len(issuers[2].Profiles) != len(s.config.Issuers[2].Profiles) || len(issuers[0].Profiles) != 0 {
			t.Errorf("got %v, %v", issuers, err)
		}
	})
	s.register.check(t)
}

func TestHTTPRefusals(t *testing.T) {
	s := newService(t)
	ctx := t.Context()
	const path, jsonType = "/v1/certificates", "application/json"
	good, err := json.Marshal(authenticationRequest(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, method, path, media, body, key string
		status                               int
		code                                 string
	}{
		{"not JSON", "POST", path, jsonType, "{", "", 400, "malformed_json"},
		{"unknown field", "POST", path, jsonType, `{"isuer":"ehm"}`, "", 400, "invalid_request"},
		{"wrong type", "POST", path, jsonType, `{"issuer":1}`, "", 400, "invalid_request"},
		{"media type", "POST", path, "text/plain", "{}", "", 415, "unsupported_media_type"},
		{"oversized", "POST", path, jsonType, `{"csr":"` + strings.Repeat("a", 70<<10) + `"}`, "", 413, "too_large"},
		{"method", "PUT", path, "", "", "", 405, "method_not_allowed"},
		{"method of a certificate", "DELETE", path + "/ab", "", "", "", 405, "method_not_allowed"},
		{"path", "GET", "/v2", "", "", "", 404, "not_found"},
		{"serial", "GET", path + "/xyz", "", "", "", 400, "invalid_request"},
		{"unknown serial", "GET", path + "/ab", "", "", "", 404, "unknown_certificate"},
		{"hold of an unknown serial", "POST", path + "/ab/hold", jsonType, `{"owner":"court"}`, "", 404, "unknown_certificate"},
		{"hold without an owner", "POST", path + "/ab/hold", jsonType, `{}`, "", 400, "invalid_request"},
		{"hold with a reason", "POST", path + "/ab/hold", jsonType, `{"owner":"court","reason":"superseded"}`, "", 400, "invalid_request"},
		{"revocation for a hold", "POST", path + "/ab/revoke", jsonType, `{"reason":"certificateHold"}`, "", 400, "invalid_request"},
		{"revocation from the future", "POST", path + "/ab/revoke", jsonType, `{"invalidity_date":"2999-01-01T00:00:00Z"}`, "", 400, "invalid_request"},
		{"empty idempotency key", "POST", path, jsonType, string(good), " ", 400, "invalid_request"},
		{"long idempotency key", "POST", path, jsonType, string(good), strings.Repeat("k", 256), 400, "invalid_request"},
		{"idempotency key outside ASCII", "POST", path, jsonType, string(good), "açar", 400, "invalid_request"},
		{"unknown profile", "POST", path, jsonType, `{"issuer":"ehm","profile":"x"}`, "", 400, "unknown_profile"},
		{"unknown issuer", "POST", path, jsonType, `{"issuer":"x","profile":"x"}`, "", 400, "unknown_issuer"},
		{"authority over HTTP", "POST", path, jsonType, `{"issuer":"policy","profile":"issuing"}`, "", 400, "unknown_profile"},
		{"CSR that is not PEM", "POST", path, jsonType, `{"issuer":"ehm","profile":"citizen-authentication","csr":"x"}`, "", 400, "bad_csr"},
		{"address that is none", "POST", path, jsonType, `{"issuer":"suite","profile":"suite-server","ip_addresses":["x"]}`, "", 400, "invalid_request"},
		{"journal position", "GET", "/v1/journal?after=-1", "", "", "", 400, "invalid_request"},
		{"journal wait", "GET", "/v1/journal?wait=1", "", "", "", 400, "invalid_request"},
		{"journal limit", "GET", "/v1/journal?limit=0", "", "", "", 400, "invalid_request"},
		{"journal parameter", "GET", "/v1/journal?from=0", "", "", "", 400, "invalid_request"},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := len(s.register.records)
			response, body := s.send(t, row.method, row.path, row.media, row.body, row.key)
			var details problem.Details
			if err := json.Unmarshal([]byte(body), &details); err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			if response.StatusCode != row.status || details.Code != row.code || response.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("got %d %s, want %d %s", response.StatusCode, body, row.status, row.code)
			}
			if row.status == 405 && response.Header.Get("Allow") == "" {
				t.Error("no Allow")
			}
			if len(s.register.records) != before {
				t.Error("it left something behind")
			}
		})
	}
	t.Run("every wrong field is named", func(t *testing.T) {
		request := authenticationRequest(t)
		request.Subject = map[string]string{"fin": "O", "x": "y"}
		_, err := s.client.Issue(ctx, request, "")
		details := asProblem(t, err, http.StatusBadRequest, "invalid_request")
		var fields []string
		for _, f := range details.Errors {
			fields = append(fields, f.Field)
		}
		if got, want := strings.Join(fields, " "), "subject.surname subject.givenName subject.fin subject.x"; got != want {
			t.Errorf("fields %q, want %q", got, want)
		}
	})
	t.Run("no client certificate", func(t *testing.T) {
		response, err := s.as(t, "").Get(s.server.URL + "/v1/issuers")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusUnauthorized {
			t.Errorf("got %d", response.StatusCode)
		}
	})
	t.Run("client that may not", func(t *testing.T) {
		s.config.Allow = func(actor, action, _, _ string) bool { return action == ca.ActionJournal }
		s.reopen(t)
		defer func() { s.config.Allow = nil; s.reopen(t) }()
		_, err := s.client.Issue(ctx, authenticationRequest(t), "")
		asProblem(t, err, http.StatusForbidden, "forbidden")
		if _, err := s.client.Journal(ctx, 0, 0, 0); err != nil {
			t.Error(err)
		}
	})
	t.Run("G9 a register that does not answer is 503 with Retry-After", func(t *testing.T) {
		for _, method := range []string{"Reserve", "RecordsByKey", "Complete"} {
			s.register.breakMethod(method, errors.New("no connection to 10.0.0.1"))
			body, _ := json.Marshal(authenticationRequest(t))
			response, text := s.send(t, "POST", path, jsonType, string(body), "")
			s.register.breakMethod(method, nil)
			if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" || strings.Contains(text, "10.0.0.1") {
				t.Errorf("%s: %d %s", method, response.StatusCode, text)
			}
		}
	})
	t.Run("G5 an audit log that cannot be written is 503", func(t *testing.T) {
		s.audit.mu.Lock()
		s.audit.err = errors.New("disk full")
		s.audit.mu.Unlock()
		_, err := s.client.Issue(ctx, authenticationRequest(t), "")
		s.audit.mu.Lock()
		s.audit.err = nil
		s.audit.mu.Unlock()
		asProblem(t, err, http.StatusServiceUnavailable, "audit_unavailable")
	})
	s.register.check(t)
}

func TestIdempotency(t *testing.T) {
	s := newService(t)
	ctx := t.Context()
	const path, jsonType = "/v1/certificates", "application/json"
	body, err := json.Marshal(authenticationRequest(t))
	if err != nil {
		t.Fatal(err)
	}
	first, text := s.send(t, "POST", path, jsonType, string(body), "key-1")
	if first.StatusCode != http.StatusCreated {
		t.Fatal(text)
	}
	t.Run("a repeat answers the same", func(t *testing.T) {
		again, same := s.send(t, "POST", path, jsonType, string(body), "key-1")
		if again.StatusCode != http.StatusCreated || same != text || again.Header.Get("Location") != first.Header.Get("Location") || again.Header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("got %d %s, want %s", again.StatusCode, same, text)
		}
	})
	t.Run("another body is a conflict", func(t *testing.T) {
		_, err := s.client.Issue(ctx, authenticationRequest(t), "key-1")
		asProblem(t, err, http.StatusConflict, "idempotency_conflict")
	})
	t.Run("another client's key is another key", func(t *testing.T) {
		other, err := ca.NewClient(s.server.URL, s.as(t, "another"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Issue(ctx, authenticationRequest(t), "key-1"); err != nil {
			t.Error(err)
		}
	})
	t.Run("a refused request does not use the key up", func(t *testing.T) {
		request := authenticationRequest(t)
		request.Profile = "x"
		_, err := s.client.Issue(ctx, request, "key-2")
		asProblem(t, err, http.StatusBadRequest, "unknown_profile")
		if _, err := s.client.Issue(ctx, authenticationRequest(t), "key-2"); err != nil {
			t.Error(err)
		}
	})
	t.Run("a status change answers as it did, whatever came later", func(t *testing.T) {
		serial := strings.TrimPrefix(first.Header.Get("Location"), path+"/")
		_, held := s.send(t, "POST", path+"/"+serial+"/hold", jsonType, `{"owner":"holder"}`, "key-3")
		s.send(t, "POST", path+"/"+serial+"/revoke", jsonType, `{"reason":"superseded"}`, "")
		again, same := s.send(t, "POST", path+"/"+serial+"/hold", jsonType, `{"owner":"holder"}`, "key-3")
		if again.StatusCode != http.StatusOK || same != held {
			t.Errorf("got %d %s, want %s", again.StatusCode, same, held)
		}
	})
	t.Run("many at once issue one certificate", func(t *testing.T) {
		request := authenticationRequest(t)
		before := len(s.register.records)
		var wg sync.WaitGroup
		serials := make([]journal.Serial, 20)
		for i := range serials {
			wg.Go(func() {
				issued, err := s.client.Issue(ctx, request, "key-4")
				if err != nil {
					t.Error(err)
					return
				}
				serials[i] = issued.Serial
			})
		}
		wg.Wait()
		for _, serial := range serials {
			if serial != serials[0] {
				t.Errorf("serials %s and %s", serial, serials[0])
			}
		}
		if got := len(s.register.records) - before; got != 1 {
			t.Errorf("%d serials reserved, want 1", got)
		}
	})
	s.register.check(t)
}

func TestJournalFeed(t *testing.T) {
	s := newService(t)
	ctx := t.Context()
	entries, err := s.client.Journal(ctx, 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	head := entries[len(entries)-1].Position
	t.Run("waits until there is something", func(t *testing.T) {
		type result struct {
			entries []journal.Entry
			err     error
		}
		done := make(chan result, 1)
		go func() {
			entries, err := s.client.Journal(ctx, head, 0, 30*time.Second)
			done <- result{entries, err}
		}()
		if _, err := s.client.Issue(ctx, authenticationRequest(t), ""); err != nil {
			t.Fatal(err)
		}
		got := <-done
		if got.err != nil || len(got.entries) != 1 || got.entries[0].Position != head+1 || got.entries[0].Kind != journal.Issued {
			t.Errorf("got %v, %v", got.entries, got.err)
		}
	})
	t.Run("gives up when the wait is over", func(t *testing.T) {
		got, err := s.client.Journal(ctx, head+1, 0, 20*time.Millisecond)
		if err != nil || len(got) != 0 {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("a client that goes away is let go", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		if _, err := s.client.Journal(ctx, head+1, 0, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("is one JSON object to a line", func(t *testing.T) {
		response, body := s.send(t, "GET", "/v1/journal?after=0&limit=2", "", "", "")
		if response.Header.Get("Content-Type") != "application/x-ndjson" || strings.Count(body, "\n") != 2 {
			t.Errorf("got %s", body)
		}
	})
}

func TestClient(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"an answer that is no problem": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) },
		"a gap in the journal":         func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"position":7}`+"\n") },
		"a torn line":                  func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"position":1}`+"\n"+`{"posi`) },
		"too much":                     func(w http.ResponseWriter, _ *http.Request) { w.Write(bytes.Repeat([]byte(" "), 9<<20)) },
	} {
		t.Run(name+" is an error", func(t *testing.T) {
			server := httptest.NewServer(handler)
			defer server.Close()
			client, err := ca.NewClient(server.URL, server.Client())
			if err != nil {
				t.Fatal(err)
			}
			got, err := client.Journal(t.Context(), 0, 0, 0)
			if _, ok := errors.AsType[*problem.Details](err); err == nil || ok {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
	t.Run("a base that is no URL is refused", func(t *testing.T) {
		for _, base := range []string{"", "ca.example:8441", "ftp://x", "https://"} {
			if _, err := ca.NewClient(base, http.DefaultClient); err == nil {
				t.Errorf("%q is taken", base)
			}
		}
	})
}
