package cfssl_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/ca/catest"
	"github.com/altamga/altamga/ca/cfssl"
	"github.com/altamga/altamga/internal/lint"
	"github.com/altamga/altamga/internal/register"
)

// key is the HMAC key of the client "certmgr".
var key = bytes.Repeat([]byte{0xa5}, 32)

// server is the interface on a listener of its own.
type server struct {
	*catest.Centre
	url    string
	config cfssl.Config
	client *http.Client
	// handler is what listens at url.
	handler http.Handler
}

// serverTerms and deviceTerms are what the two profiles stand for.
var (
	serverTerms = ca.Terms{
		Issuer: "devices", Profile: "server", Subject: map[string]string{"O": catest.Organisation},
		Choose: map[string]string{"CN": `[a-z0-9-]+\.example`}, DNSNames: []string{"*.example"},
		IPAddresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, IgnoreOther: true,
	}
	deviceTerms = ca.Terms{Issuer: "devices", Profile: "device", Choose: map[string]string{"CN": `device-[0-9]+`}}
)

func newServer(t testing.TB, encrypted bool) *server {
	t.Helper()
	store, err := register.Open(t.Context(), filepath.Join(t.TempDir(), "register.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	s := &server{Centre: catest.New(t, store, lint.Certificate)}
	s.config = cfssl.Config{
		Authority: s.Doors,
		Profiles:  []cfssl.Profile{{Name: "web", Terms: serverTerms}, {Name: "device", Terms: deviceTerms}},
		Clients: []cfssl.Client{
			{Name: "certmgr", Key: key, CommonName: "certmgr", ClientIssuer: "devices", ClientProfile: "device", Profiles: []string{"web"}, Revoke: true},
			{Name: "partner", CommonName: "partner", Profiles: []string{"web"}},
			{Name: "factory", CommonName: "factory", ClientIssuer: "devices", ClientProfile: "device", Profiles: []string{"device"}},
		},
	}
	api, err := cfssl.New(s.config)
	if err != nil {
		t.Fatal(err)
	}
	s.handler = api.Handler()
	listener := httptest.NewUnstartedServer(s.handler)
	s.client = http.DefaultClient
	if encrypted {
		listener.TLS = s.TLS(t)
		listener.StartTLS()
		s.client = s.as(t, "certmgr")
	} else {
		listener.Start()
	}
	t.Cleanup(listener.Close)
	s.url = listener.URL
	return s
}

// as returns an HTTP client with a TLS certificate of that common name, or
// none for "".
func (s *server) as(t testing.TB, name string) *http.Client {
	config := &tls.Config{RootCAs: s.Pool()}
	if name != "" {
		config.Certificates = []tls.Certificate{s.Client(t, name)}
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
}

// envelope is cfssl's.
type envelope struct {
	Success bool            `json:"success"`
	Result  json.RawMessage `json:"result"`
	Errors  []struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"errors"`
	Messages []struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"messages"`
}

// post sends a body, text as it is and anything else as JSON.
func (s *server) post(t *testing.T, client *http.Client, path string, body any) (int, envelope) {
	t.Helper()
	raw, ok := body.(string)
	if !ok {
		encoded, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		raw = string(encoded)
	}
	answer, err := client.Post(s.url+cfssl.Prefix+path, "application/json", strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var e envelope
	if err := json.NewDecoder(answer.Body).Decode(&e); err != nil {
		t.Fatalf("%s answered %s, not in the envelope: %v", path, answer.Status, err)
	}
	if e.Success != (answer.StatusCode == http.StatusOK) || e.Success == (len(e.Errors) > 0) {
		t.Errorf("%s answered %s with success %v and errors %v", path, answer.Status, e.Success, e.Errors)
	}
	return answer.StatusCode, e
}

// wrap makes the wrapper of cfssl's standard authentication.
func wrap(t testing.TB, key []byte, request any) map[string]any {
	t.Helper()
	raw, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	h := hmac.New(sha256.New, key)
	h.Write(raw)
	return map[string]any{"timestamp": 1, "token": h.Sum(nil), "request": raw}
}

// request makes the body of sign for a new key.
func request(t testing.TB, profile, name string, hosts ...string) map[string]any {
	template := x509.CertificateRequest{}
	template.Subject.CommonName = name
	csr := catest.PEM("CERTIFICATE REQUEST", catest.CSR(t, catest.Key(t), template))
	return map[string]any{"certificate_request": string(csr), "profile": profile, "hosts": hosts}
}

// issued returns the certificate of a success.
func issued(t *testing.T, e envelope) *x509.Certificate {
	t.Helper()
	if !e.Success {
		t.Fatalf("refused: %v", e.Errors)
	}
	var result struct{ Certificate string }
	if err := json.Unmarshal(e.Result, &result); err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode([]byte(result.Certificate))
	if block == nil || len(rest) > 0 {
		t.Fatalf("the result is not one certificate: %s", e.Result)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func TestSign(t *testing.T) {
	s := newServer(t, true)
	t.Run("a known client gets what the profile's terms say", func(t *testing.T) {
		_, e := s.post(t, s.client, "sign", request(t, "web", "www.example", "www.example", "192.0.2.7"))
		got := issued(t, e)
		if got.Subject.CommonName != "www.example" || got.Subject.Organization[0] != catest.Organisation ||
			len(got.DNSNames) != 1 || got.IPAddresses[0].String() != "192.0.2.7" {
			t.Errorf("got %s, %v, %v", got.Subject, got.DNSNames, got.IPAddresses)
		}
		if _, err := got.Verify(x509.VerifyOptions{Roots: s.Pool(), Intermediates: s.intermediates()}); err != nil {
			t.Error(err)
		}
		if audit := s.Audit(); !strings.Contains(audit, "actor=cfssl:certmgr") {
			t.Errorf("the client is not in the audit log:\n%s", audit)
		}
	})
	t.Run("hosts and subject of the request take the place of the CSR's", func(t *testing.T) {
		csr := catest.CSR(t, catest.Key(t), x509.CertificateRequest{DNSNames: []string{"evil.test"}})
		_, e := s.post(t, s.client, "sign", map[string]any{
			"certificate_request": string(catest.PEM("CERTIFICATE REQUEST", csr)), "profile": "web", "hostname": "a.example, b.example",
			"subject": map[string]any{"CN": "a.example", "names": []map[string]string{{"O": "Other", "ST": "Baku"}}},
		})
		got := issued(t, e)
		if strings.Join(got.DNSNames, " ") != "a.example b.example" || got.Subject.CommonName != "a.example" || got.Subject.Organization[0] != catest.Organisation {
			t.Errorf("got %s, %v", got.Subject, got.DNSNames)
		}
	})
	t.Run("a bundle is announced as not made", func(t *testing.T) {
		r := request(t, "web", "www.example")
		r["bundle"] = true
		if _, e := s.post(t, s.client, "sign", r); !e.Success || len(e.Messages) != 1 || e.Messages[0].Code != 5300 {
			t.Errorf("got %+v", e)
		}
	})
	with := func(key string, value any) map[string]any {
		r := request(t, "web", "www.example")
		r[key] = value
		return r
	}
	for _, row := range []struct {
		name   string
		client *http.Client
		body   any
		status int
		code   int
		text   string
	}{
		{"unknown profile is an error, never the default one", s.client, request(t, "wbe", "www.example"), 400, 5400, "no default one"},
		{"no profile is an error", s.client, request(t, "", "www.example"), 400, 5400, "no default one"},
		{"the word default is no profile", s.client, request(t, "default", "www.example"), 400, 5400, "no default one"},
		{"another label than the profile's issuer", s.client, with("label", "root"), 400, 5400, "label"},
		{"a profile that is another client's", s.client, request(t, "device", "device-1"), 403, 5200, "may not ask"},
		{"no TLS certificate", s.as(t, ""), request(t, "web", "www.example"), 401, 7100, "authentication required"},
		{"a TLS certificate of nobody known", s.as(t, "stranger"), request(t, "web", "www.example"), 403, 7100, "known client"},
		{"a TLS certificate from here where a foreign one belongs", s.as(t, "partner"), request(t, "web", "www.example"), 403, 7100, "another issuer or profile"},
		{"a common name beyond the terms", s.client, request(t, "web", "www.test"), 400, 5300, "subject.CN"},
		{"a host beyond the terms", s.client, request(t, "web", "www.example", "www.test"), 400, 5300, "dns_names"},
		{"the domain itself is not below the domain", s.client, request(t, "web", "www.example", "example"), 400, 5300, "dns_names"},
		{"an address beyond the terms", s.client, request(t, "web", "www.example", "192.0.3.1"), 400, 5300, "ip_addresses"},
		{"a mailbox where none is allowed", s.client, request(t, "web", "www.example", "a@b.example"), 400, 5300, "emails"},
		{"a URI", s.client, request(t, "web", "www.example", "https://www.example"), 400, 5300, "subjectAltName"},
		{"an own serial number", s.client, with("serial", 42), 400, 5300, "serial"},
		{"an own validity", s.client, with("NotAfter", "2099-01-01T00:00:00Z"), 400, 5300, "NotAfter"},
		{"own extensions", s.client, with("extensions", []map[string]any{{"id": "2.5.29.19", "value": "30030101ff"}}), 400, 5300, "extensions"},
		{"an own CRL address", s.client, with("crl_override", "http://crl.test"), 400, 5300, "crl_override"},
		{"an unknown field", s.client, with("profiel", "web"), 400, 7200, "profiel"},
		{"no CSR", s.client, with("certificate_request", ""), 400, 400, "certificate_request"},
		{"a CSR that is not PEM", s.client, with("certificate_request", "MII"), 400, 9003, "is not PEM"},
		{"a CSR that is garbage", s.client, with("certificate_request", string(catest.PEM("CERTIFICATE REQUEST", []byte("junk")))), 400, 9003, "DER"},
		{"not JSON", s.client, "junk", 400, 7200, "unable to parse"},
		{"two values", s.client, "{} {}", 400, 7200, "follows"},
		{"an oversized body", s.client, strings.Repeat(" ", 200<<10), 413, 413, "larger"},
	} {
		t.Run(row.name, func(t *testing.T) {
			status, e := s.post(t, row.client, "sign", row.body)
			if status != row.status || len(e.Errors) != 1 || e.Errors[0].Code != row.code || !strings.Contains(e.Errors[0].Message, row.text) {
				t.Errorf("got %d %v, want %d, code %d, %q", status, e.Errors, row.status, row.code, row.text)
			}
		})
	}
}

func (s *server) intermediates() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Issuing)
	return pool
}

func TestAuthSign(t *testing.T) {
	s := newServer(t, false)
	if _, e := s.post(t, s.client, "authsign", wrap(t, key, request(t, "web", "www.example"))); !e.Success {
		t.Errorf("refused: %v", e.Errors)
	}
	other := wrap(t, key, request(t, "web", "www.example"))
	other["request"] = wrap(t, key, request(t, "web", "api.example"))["request"]
	for name, row := range map[string]struct {
		body   any
		status int
	}{
		"another key":              {wrap(t, bytes.Repeat([]byte{1}, 32), request(t, "web", "www.example")), 401},
		"the token of another one": {other, 401},
		"no wrapper":               {request(t, "web", "www.example"), 400},
		"no token":                 {map[string]any{"request": []byte("{}")}, 401},
		"another client's profile": {wrap(t, key, request(t, "device", "device-1")), 403},
		"unknown profile":          {wrap(t, key, request(t, "x", "www.example")), 400},
	} {
		t.Run(name, func(t *testing.T) {
			if status, e := s.post(t, s.client, "authsign", row.body); status != row.status {
				t.Errorf("got %d %v, want %d", status, e.Errors, row.status)
			}
		})
	}
	// Without TLS nobody has a certificate.
	if status, _ := s.post(t, s.client, "sign", request(t, "web", "www.example")); status != 401 {
		t.Errorf("sign without any authentication: got %d", status)
	}
}

func TestInfo(t *testing.T) {
	s := newServer(t, false)
	for _, row := range []struct {
		name, body   string
		status       int
		expiry, text string
	}{
		{"of a profile", `{"label":"","profile":"web"}`, 200, "2160h0m0s", "server auth"},
		{"of a label", `{"label":"devices"}`, 200, "", ""},
		{"of the only issuer", `{}`, 200, "", ""},
		{"of an unknown profile", `{"profile":"default"}`, 400, "", "no default one"},
		{"of an unknown label", `{"label":"x"}`, 400, "", "bad label"},
		{"of another label's profile", `{"label":"x","profile":"web"}`, 400, "", "label"},
	} {
		t.Run(row.name, func(t *testing.T) {
			status, e := s.post(t, s.client, "info", row.body)
			if status != row.status || status != 200 && !strings.Contains(e.Errors[0].Message, row.text) {
				t.Fatalf("got %d %v", status, e.Errors)
			}
			if status != 200 {
				return
			}
			if got := issued(t, e); !got.Equal(s.Issuing) {
				t.Errorf("got the certificate of %s", got.Subject)
			}
			var result struct {
				Usages []string
				Expiry string
			}
			if err := json.Unmarshal(e.Result, &result); err != nil || result.Expiry != row.expiry || !strings.Contains(strings.Join(result.Usages, ","), row.text) {
				t.Errorf("got %+v, %v", result, err)
			}
		})
	}
}

func TestMethods(t *testing.T) {
	s := newServer(t, false)
	for path, want := range map[string]int{"sign": 405, "info": 405, "nothing": 404} {
		answer, err := http.Get(s.url + cfssl.Prefix + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want || want == 405 && answer.Header.Get("Allow") != "POST" {
			t.Errorf("%s: got %s, Allow %q", path, answer.Status, answer.Header.Get("Allow"))
		}
	}
}

// A client that signs by its key is bounded by its name, whatever address it
// comes from, and told so in cfssl's words.
func TestRate(t *testing.T) {
	s := newServer(t, true)
	s.Rate.Store(4)
	status, e := 0, envelope{}
	for i := range 12 {
		// Another certificate each time, so that only the key says who asks.
		if status, e = s.post(t, s.as(t, fmt.Sprint("device-", i)), "authsign", wrap(t, key, request(t, "web", "www.example"))); status != http.StatusOK {
			break
		}
	}
	if status != http.StatusTooManyRequests || len(e.Errors) != 1 || e.Errors[0].Code != http.StatusTooManyRequests {
		t.Errorf("got %d, %+v", status, e.Errors)
	}
}
