package est_test

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/ca/catest"
	"github.com/altamga/altamga/ca/est"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/lint"
	"github.com/altamga/altamga/internal/register"
)

// server is the interface on a TLS listener of its own.
type server struct {
	*catest.Centre
	url    string
	config est.Config
	// handler is what listens at url.
	handler http.Handler
}

const password = "correct horse"

// deviceTerms fix the organisation and let the client choose which device it is.
var deviceTerms = ca.Terms{
	Issuer: "devices", Profile: "device", Subject: map[string]string{"O": catest.Organisation},
	Choose: map[string]string{"CN": `device-[0-9]+`}, DNSNames: []string{"*.devices.example"},
}

// hash is that of password, made once since making it is slow.
var hash = sync.OnceValue(func() []byte {
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		panic(err)
	}
	return h
})

func newServer(t testing.TB, change ...func(*est.Config)) *server {
	t.Helper()
	store, err := register.Open(t.Context(), filepath.Join(t.TempDir(), "register.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	s := &server{Centre: catest.New(t, store, lint.Certificate)}
	identity := ca.Terms{Issuer: "devices", Profile: "identity", Subject: map[string]string{"fin": "1ABC2D3", "CN": "Demonstration person"}}
	s.config = est.Config{
		Authority: s.Doors,
		Labels: []est.Label{
			{Name: "devices", Issuer: "devices", Profiles: []string{"device"}},
			{Name: "people", Issuer: "devices", Profiles: []string{"identity"}},
			{Name: "linked", Issuer: "devices", Profiles: []string{"device"}, RequireLink: true},
		},
		Accounts: []est.Account{
			{Name: "factory", Secret: hash(), Terms: map[string]ca.Terms{"devices": deviceTerms, "linked": deviceTerms}},
			{Name: "gateway", CommonName: "gateway", ClientIssuer: "devices", ClientProfile: "device", Terms: map[string]ca.Terms{"devices": deviceTerms, "linked": deviceTerms}},
			{Name: "partner", CommonName: "partner", Terms: map[string]ca.Terms{"devices": deviceTerms}},
			{Name: "person", CommonName: "Demonstration person", ClientIssuer: "devices", ClientProfile: "device", Terms: map[string]ca.Terms{"devices": deviceTerms}},
			{Name: "both", Secret: hash(), CommonName: "both", ClientIssuer: "devices", ClientProfile: "device", Terms: map[string]ca.Terms{"people": identity}},
		},
	}
	for _, c := range change {
		c(&s.config)
	}
	api, err := est.New(s.config)
	if err != nil {
		t.Fatal(err)
	}
	s.handler = api.Handler()
	listener := httptest.NewUnstartedServer(s.handler)
	listener.TLS = s.TLS(t)
	listener.StartTLS()
	t.Cleanup(listener.Close)
	s.url = listener.URL
	return s
}

// client shows the certificate, if there is one.
func (s *server) client(certificates ...tls.Certificate) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.Pool(), Certificates: certificates}, DisableKeepAlives: true}}
}

// ask is one request; edit changes it before it is sent.
func (s *server) ask(t *testing.T, client *http.Client, method, path, body string, edit func(*http.Request)) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.url+est.Prefix+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/pkcs10")
	}
	if edit != nil {
		edit(request)
	}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

func factory(r *http.Request) { r.SetBasicAuth("factory", password) }

// csr makes a request for a device in base64.
func csr(t testing.TB, key crypto.Signer, name string, hosts ...string) string {
	template := x509.CertificateRequest{DNSNames: hosts}
	if name != "" {
		template.Subject.CommonName = name
	}
	return base64.StdEncoding.EncodeToString(catest.CSR(t, key, template))
}

// same makes a request that asks for the name of a certificate.
func same(t testing.TB, key crypto.Signer, c *x509.Certificate) string {
	return base64.StdEncoding.EncodeToString(catest.CSR(t, key, x509.CertificateRequest{RawSubject: c.RawSubject, DNSNames: c.DNSNames}))
}

// certificates reads a certs-only answer with the standard library's ASN.1.
func certificates(t testing.TB, text string) []*x509.Certificate {
	t.Helper()
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		t.Fatalf("the answer is not base64: %v: %s", err, text)
	}
	var message struct {
		Type    asn1.ObjectIdentifier
		Content struct {
			Version      int
			Digests      asn1.RawValue `asn1:"set"`
			Encapsulated struct{ Type asn1.ObjectIdentifier }
			Certificates asn1.RawValue `asn1:"tag:0"`
			Signers      asn1.RawValue `asn1:"set"`
		} `asn1:"explicit,tag:0"`
	}
	if rest, err := asn1.Unmarshal(raw, &message); err != nil || len(rest) > 0 {
		t.Fatalf("the answer is not CMS: %v", err)
	}
	if c := message.Content; c.Version != 1 || len(c.Digests.Bytes)+len(c.Signers.Bytes) > 0 {
		t.Errorf("the answer is not a certs-only message: %+v", c)
	}
	found, err := x509.ParseCertificates(message.Content.Certificates.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// enrol gets a certificate for a device by the factory's account.
func (s *server) enrol(t *testing.T, key crypto.Signer, name string, hosts ...string) *x509.Certificate {
	t.Helper()
	answer, text := s.ask(t, s.client(), "POST", "simpleenroll", csr(t, key, name, hosts...), factory)
	if answer.StatusCode != 200 {
		t.Fatalf("got %s: %s", answer.Status, text)
	}
	found := certificates(t, text)
	if len(found) != 1 {
		t.Fatalf("got %d certificates", len(found))
	}
	return found[0]
}

// as shows a certificate that was enrolled.
func (s *server) as(c *x509.Certificate, key crypto.Signer) *http.Client {
	return s.client(tls.Certificate{Certificate: [][]byte{c.Raw, s.Issuing.Raw}, PrivateKey: key})
}

func TestEST(t *testing.T) {
	s := newServer(t)
	t.Run("EST-01 every operation with and without a label", func(t *testing.T) {
		for path, want := range map[string]int{
			"cacerts": 200, "devices/cacerts": 200, "people/cacerts": 200, "unknown/cacerts": 404, "nothing": 404, "devices/nothing": 404,
			"csrattrs": 204, "linked/csrattrs": 200, "a/b/cacerts": 404,
		} {
			if answer, text := s.ask(t, s.client(), "GET", path, "", nil); answer.StatusCode != want {
				t.Errorf("%s: got %s, want %d: %s", path, answer.Status, want, text)
			}
		}
		answer, _ := s.ask(t, s.client(), "POST", "devices/simpleenroll", csr(t, catest.Key(t), "device-1"), factory)
		if answer.StatusCode != 200 {
			t.Errorf("enrolling under a label: got %s", answer.Status)
		}
		for path, allow := range map[string]string{"cacerts": "GET, HEAD", "simpleenroll": "POST", "linked/csrattrs": "GET, HEAD"} {
			answer, _ := s.ask(t, s.client(), "PUT", path, "", nil)
			if answer.StatusCode != 405 || answer.Header.Get("Allow") != allow {
				t.Errorf("PUT %s: got %s, Allow %q", path, answer.Status, answer.Header.Get("Allow"))
			}
		}
	})
	t.Run("EST-02 cacerts has root and chain in base64", func(t *testing.T) {
		answer, text := s.ask(t, s.client(), "GET", "cacerts", "", nil)
		if got := answer.Header.Get("Content-Type"); got != "application/pkcs7-mime" {
			t.Errorf("got media type %q", got)
		}
		if answer.Header.Get("Content-Transfer-Encoding") != "" || strings.ContainsAny(text, "\r\n ") {
			t.Errorf("got transfer encoding %q and %q", answer.Header.Get("Content-Transfer-Encoding"), text)
		}
		found := certificates(t, text)
		if len(found) != 2 || !(found[0].Equal(s.Root) && found[1].Equal(s.Issuing) || found[1].Equal(s.Root) && found[0].Equal(s.Issuing)) {
			t.Errorf("got %d certificates", len(found))
		}
	})
	t.Run("EST-03 simpleenroll answers the issued certificate alone", func(t *testing.T) {
		key := catest.Key(t)
		answer, text := s.ask(t, s.client(), "POST", "simpleenroll", csr(t, key, "device-7", "seven.devices.example"), factory)
		if got := answer.Header.Get("Content-Type"); answer.StatusCode != 200 || got != "application/pkcs7-mime; smime-type=certs-only" {
			t.Fatalf("got %s, media type %q: %s", answer.Status, got, text)
		}
		found := certificates(t, text)
		if len(found) != 1 {
			t.Fatalf("got %d certificates", len(found))
		}
		got := found[0]
		if got.Subject.CommonName != "device-7" || got.Subject.Organization[0] != catest.Organisation || got.DNSNames[0] != "seven.devices.example" ||
			got.PublicKey.(interface{ Equal(crypto.PublicKey) bool }).Equal(key.Public()) == false {
			t.Errorf("got %s, %v", got.Subject, got.DNSNames)
		}
		if audit := s.Audit(); !strings.Contains(audit, "actor=est:factory") {
			t.Errorf("the account is not in the audit log:\n%s", audit)
		}
	})
	t.Run("EST-03 a request may repeat what is fixed", func(t *testing.T) {
		template := x509.CertificateRequest{Subject: pkix.Name{Country: []string{"AZ"}, Organization: []string{catest.Organisation}, CommonName: "device-9"}}
		body := base64.StdEncoding.EncodeToString(catest.CSR(t, catest.Key(t), template))
		if answer, text := s.ask(t, s.client(), "POST", "simpleenroll", body, factory); answer.StatusCode != 200 {
			t.Errorf("got %s: %s", answer.Status, text)
		}
	})
	t.Run("EST-03 base64 with line breaks and any Content-Transfer-Encoding is taken", func(t *testing.T) {
		gateway := s.client(s.Client(t, "gateway"))
		for _, encoding := range []string{"base64", "binary", "nonsense"} {
			text := csr(t, catest.Key(t), "device-8")
			broken := " " + text[:64] + "\r\n\t" + text[64:100] + "\n" + text[100:] + "\r\n"
			answer, why := s.ask(t, gateway, "POST", "simpleenroll", broken, func(r *http.Request) {
				r.Header.Set("Content-Transfer-Encoding", encoding)
			})
			if answer.StatusCode != 200 {
				t.Errorf("%s: got %s: %s", encoding, answer.Status, why)
			}
		}
	})
	t.Run("EST-09 serverkeygen and fullcmc are not offered", func(t *testing.T) {
		for _, path := range []string{"serverkeygen", "devices/serverkeygen", "fullcmc"} {
			answer, text := s.ask(t, s.client(), "POST", path, csr(t, catest.Key(t), "device-1"), factory)
			if answer.StatusCode != 404 || !strings.Contains(text, "not offered") {
				t.Errorf("%s: got %s: %s", path, answer.Status, text)
			}
		}
	})
}

func TestRefusals(t *testing.T) {
	s := newServer(t)
	gateway := s.client(s.Client(t, "gateway"))
	raw := func(template x509.CertificateRequest) string {
		return base64.StdEncoding.EncodeToString(catest.CSR(t, catest.Key(t), template))
	}
	good := csr(t, catest.Key(t), "device-1")
	forged := catest.CSR(t, catest.Key(t), x509.CertificateRequest{Subject: pkix.Name{CommonName: "device-1"}})
	forged[len(forged)-1] ^= 1
	for _, row := range []struct {
		name, body string
		edit       func(*http.Request)
		status     int
		text       string
	}{
		{"a common name beyond the terms", csr(t, catest.Key(t), "gateway"), nil, 400, "subject.CN"},
		{"an organisation that is fixed to another", raw(x509.CertificateRequest{Subject: pkix.Name{CommonName: "device-1", Organization: []string{"Other"}}}), nil, 400, "subject.O"},
		{"a country that the profile fixes to another", raw(x509.CertificateRequest{Subject: pkix.Name{CommonName: "device-1", Country: []string{"TR"}}}), nil, 400, "subject.C"},
		{"an attribute that is not the client's", raw(x509.CertificateRequest{Subject: pkix.Name{CommonName: "device-1", OrganizationalUnit: []string{"Admins"}}}), nil, 400, "subject.OU"},
		{"two common names", raw(x509.CertificateRequest{RawSubject: twice(t)}), nil, 400, "stands twice"},
		{"a host beyond the terms", csr(t, catest.Key(t), "device-1", "www.example"), nil, 400, "dns_names"},
		{"a mailbox beyond the terms", raw(x509.CertificateRequest{EmailAddresses: []string{"a@example.com"}}), nil, 400, "emails"},
		{"basicConstraints of an authority", raw(x509.CertificateRequest{Subject: pkix.Name{CommonName: "device-1"}, ExtraExtensions: []pkix.Extension{
			{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Value: []byte{0x30, 3, 1, 1, 0xff}}}}), nil, 400, "basicConstraints"},
		{"a signature that the key did not make", base64.StdEncoding.EncodeToString(forged), nil, 400, "bad_csr"},
		{"PEM", string(catest.PEM("CERTIFICATE REQUEST", []byte("x"))), nil, 400, "PEM"},
		{"garbage", "!!!!", nil, 400, "base64"},
		{"nothing", "", nil, 400, "base64"},
		{"base64 of garbage", "AAAA", nil, 400, "DER"},
		{"an oversized body", strings.Repeat("A", 70<<10), nil, 413, "larger"},
		{"another media type", good, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 415, "pkcs10"},
	} {
		t.Run("EST-05 "+row.name+" is refused with the reason in plain text", func(t *testing.T) {
			answer, text := s.ask(t, gateway, "POST", "simpleenroll", row.body, row.edit)
			if answer.StatusCode != row.status || !strings.Contains(text, row.text) || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/plain") {
				t.Errorf("got %s, %q: %s, want %d, %q", answer.Status, answer.Header.Get("Content-Type"), text, row.status, row.text)
			}
		})
	}
}

// twice is a subject with two common names.
func twice(t *testing.T) []byte {
	name := pkix.RDNSequence{
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "device-1"}}, {{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "device-2"}},
	}
	raw, err := asn1.Marshal(name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestApproval(t *testing.T) {
	s := newServer(t, func(c *est.Config) { c.Labels[0].Approval = true })
	decide := func(person, verb, body string) (int, string) {
		t.Helper()
		list := httptest.NewRecorder()
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/pending", nil)
		request.Header.Set("Actor", person)
		s.Doors.Handler().ServeHTTP(list, request)
		var waiting []struct{ ID string }
		if err := json.Unmarshal(list.Body.Bytes(), &waiting); err != nil || len(waiting) != 1 {
			t.Fatalf("%d requests wait, %v: %s", len(waiting), err, list.Body)
		}
		request = httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/pending/"+waiting[0].ID+"/"+verb, strings.NewReader(body))
		request.Header.Set("Actor", person)
		request.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		s.Doors.Handler().ServeHTTP(answer, request)
		return answer.Code, answer.Body.String()
	}
	enrol := func(body string) (*http.Response, string) {
		t.Helper()
		return s.ask(t, s.client(), "POST", "simpleenroll", body, factory)
	}
	t.Run("EST-04 a request that waits for approval is answered 202 with Retry-After", func(t *testing.T) {
		body := csr(t, catest.Key(t), "device-1")
		for range 2 {
			answer, text := enrol(body)
			if answer.StatusCode != 202 || answer.Header.Get("Retry-After") != "60" || !strings.Contains(text, "waits for approval") {
				t.Errorf("got %s, Retry-After %q: %s", answer.Status, answer.Header.Get("Retry-After"), text)
			}
		}
		if code, text := decide("officer", "confirm", "{}"); code != 200 {
			t.Fatalf("confirming: %d %s", code, text)
		}
		answer, first := enrol(body)
		if answer.StatusCode != 200 {
			t.Errorf("after approval: %s: %s", answer.Status, first)
		}
		if _, again := enrol(body); again != first {
			t.Error("the same request once more got another certificate")
		}
	})
	t.Run("EST-05 a request that is refused stays so", func(t *testing.T) {
		body := csr(t, catest.Key(t), "device-2")
		enrol(body)
		if code, text := decide("officer", "refuse", `{"reason":"unknown device"}`); code != 200 {
			t.Fatalf("refusing: %d %s", code, text)
		}
		for range 2 {
			if answer, text := enrol(body); answer.StatusCode != 400 || !strings.Contains(text, "unknown device") {
				t.Errorf("got %s: %s", answer.Status, text)
			}
		}
	})
	t.Run("what the terms do not allow takes nobody's time", func(t *testing.T) {
		if answer, text := enrol(csr(t, catest.Key(t), "operator")); answer.StatusCode != 400 {
			t.Errorf("got %s: %s", answer.Status, text)
		}
	})
	t.Run("nobody fills the list of those who decide", func(t *testing.T) {
		// By certificate: a password takes long to compare.
		gateway := s.client(s.Client(t, "gateway"))
		for i := range 51 {
			answer, text := s.ask(t, gateway, "POST", "simpleenroll", csr(t, catest.Key(t), fmt.Sprint("device-", i)), nil)
			if want := map[bool]int{true: 202, false: 429}[i < 50]; answer.StatusCode != want {
				t.Fatalf("request %d: got %s: %s", i, answer.Status, text)
			}
		}
	})
}

// TestDoor: EST is one of the authority's doors, and has their rules.
func TestDoor(t *testing.T) {
	s := newServer(t)
	gateway := s.Client(t, "gateway")
	client := s.client(gateway)
	for _, row := range []struct {
		kind  journal.Kind
		owner journal.Owner
		want  int
	}{{journal.Held, journal.Organisation, 403}, {journal.Released, journal.Organisation, 200}, {journal.Revoked, journal.Organisation, 403}} {
		t.Run("the client's certificate is "+string(row.kind), func(t *testing.T) {
			change := journal.Entry{Kind: row.kind, Owner: row.owner, Serial: journal.SerialOf(gateway.Leaf.SerialNumber), Actor: "test"}
			if _, _, err := s.Change(t.Context(), change, nil); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
				answer, text := s.ask(t, client, "GET", "cacerts", "", nil)
				if answer.StatusCode == row.want {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("got %s: %s", answer.Status, text)
				}
			}
		})
	}
	t.Run("a client is bounded, by address, certificate and account", func(t *testing.T) {
		s := newServer(t)
		s.Rate.Store(1)
		for _, row := range []struct {
			name   string
			client *http.Client
			ask    func(*http.Client) (*http.Response, string)
		}{
			{"stranger", s.client(), func(c *http.Client) (*http.Response, string) { return s.ask(t, c, "GET", "cacerts", "", nil) }},
			{"certificate", s.client(s.Client(t, "partner-2")), func(c *http.Client) (*http.Response, string) { return s.ask(t, c, "GET", "cacerts", "", nil) }},
			{"account", s.client(s.Client(t, "partner-3")), func(c *http.Client) (*http.Response, string) {
				// It is counted before its request is looked at.
				return s.ask(t, c, "POST", "simpleenroll", "not a request", factory)
			}},
		} {
			var last *http.Response
			for range 12 {
				last, _ = row.ask(row.client)
				if last.StatusCode == 429 {
					break
				}
			}
			if wait, err := strconv.Atoi(last.Header.Get("Retry-After")); last.StatusCode != 429 || err != nil || wait < 1 || wait > 60 {
				t.Errorf("%s: got %s, Retry-After %q", row.name, last.Status, last.Header.Get("Retry-After"))
			}
		}
	})
}
