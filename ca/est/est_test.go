package est_test

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
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
		Authority: s.Authority,
		Labels: []est.Label{
			{Name: "devices", Issuer: "devices", Profiles: []string{"device"}},
			{Name: "people", Issuer: "devices", Profiles: []string{"identity"}},
			{Name: "linked", Issuer: "devices", Profiles: []string{"device"}, RequireLink: true},
		},
		Accounts: []est.Account{
			{Name: "factory", Secret: hash(), Terms: map[string]ca.Terms{"devices": deviceTerms, "linked": deviceTerms}},
			{Name: "gateway", CommonName: "gateway", ClientIssuer: "devices", ClientProfile: "device", Terms: map[string]ca.Terms{"devices": deviceTerms}},
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
	t.Run("EST-03 base64 with line breaks and any Content-Transfer-Encoding is taken", func(t *testing.T) {
		for _, encoding := range []string{"base64", "binary", "nonsense"} {
			text := csr(t, catest.Key(t), "device-8")
			broken := " " + text[:64] + "\r\n\t" + text[64:100] + "\n" + text[100:] + "\r\n"
			answer, why := s.ask(t, s.client(), "POST", "simpleenroll", broken, func(r *http.Request) {
				factory(r)
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
		{"a common name beyond the terms", csr(t, catest.Key(t), "gateway"), factory, 400, "subject.CN"},
		{"an organisation that is fixed to another", raw(x509.CertificateRequest{Subject: pkix.Name{CommonName: "device-1", Organization: []string{"Other"}}}), factory, 400, "subject.O"},
		{"an attribute that is not the client's", raw(x509.CertificateRequest{Subject: pkix.Name{CommonName: "device-1", OrganizationalUnit: []string{"Admins"}}}), factory, 400, "subject.OU"},
		{"two common names", raw(x509.CertificateRequest{RawSubject: twice(t)}), factory, 400, "stands twice"},
		{"a host beyond the terms", csr(t, catest.Key(t), "device-1", "www.example"), factory, 400, "dns_names"},
		{"a mailbox beyond the terms", raw(x509.CertificateRequest{EmailAddresses: []string{"a@example.com"}}), factory, 400, "emails"},
		{"basicConstraints of an authority", raw(x509.CertificateRequest{Subject: pkix.Name{CommonName: "device-1"}, ExtraExtensions: []pkix.Extension{
			{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Value: []byte{0x30, 3, 1, 1, 0xff}}}}), factory, 400, "basicConstraints"},
		{"a signature that the key did not make", base64.StdEncoding.EncodeToString(forged), factory, 400, "bad_csr"},
		{"PEM", string(catest.PEM("CERTIFICATE REQUEST", []byte("x"))), factory, 400, "PEM"},
		{"garbage", "!!!!", factory, 400, "base64"},
		{"nothing", "", factory, 400, "base64"},
		{"base64 of garbage", "AAAA", factory, 400, "DER"},
		{"an oversized body", strings.Repeat("A", 70<<10), factory, 413, "larger"},
		{"another media type", good, func(r *http.Request) { factory(r); r.Header.Set("Content-Type", "text/plain") }, 415, "pkcs10"},
	} {
		t.Run("EST-05 "+row.name+" is refused with the reason in plain text", func(t *testing.T) {
			answer, text := s.ask(t, s.client(), "POST", "simpleenroll", row.body, row.edit)
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
	wait := 90 * time.Second
	var asked []est.Enrolment
	s := newServer(t, func(c *est.Config) {
		c.Approve = func(_ context.Context, e est.Enrolment) (time.Duration, error) {
			asked = append(asked, e)
			return wait, nil
		}
	})
	t.Run("EST-04 a request that waits for approval is answered 202 with Retry-After", func(t *testing.T) {
		body := csr(t, catest.Key(t), "device-1")
		answer, text := s.ask(t, s.client(), "POST", "simpleenroll", body, factory)
		if answer.StatusCode != 202 || answer.Header.Get("Retry-After") != "90" || text == "" {
			t.Errorf("got %s, Retry-After %q: %s", answer.Status, answer.Header.Get("Retry-After"), text)
		}
		if len(asked) != 1 || asked[0].Actor != "est:factory" || asked[0].Request.Subject["CN"] != "device-1" || asked[0].Renewal {
			t.Errorf("asked %+v", asked)
		}
		wait = 0
		// The same request again, now approved.
		if answer, text := s.ask(t, s.client(), "POST", "simpleenroll", body, factory); answer.StatusCode != 200 {
			t.Errorf("got %s: %s", answer.Status, text)
		}
	})
}

func TestReenrol(t *testing.T) {
	s := newServer(t)
	key := catest.Key(t)
	current := s.enrol(t, key, "device-1", "one.devices.example")
	client := s.as(current, key)
	t.Run("EST-06 renewal with the same and with a new key keeps subject and names", func(t *testing.T) {
		for _, next := range []crypto.Signer{key, catest.Key(t)} {
			answer, text := s.ask(t, client, "POST", "simplereenroll", same(t, next, current), nil)
			if answer.StatusCode != 200 {
				t.Fatalf("got %s: %s", answer.Status, text)
			}
			got := certificates(t, text)[0]
			if string(got.RawSubject) != string(current.RawSubject) || got.DNSNames[0] != current.DNSNames[0] || got.SerialNumber.Cmp(current.SerialNumber) == 0 {
				t.Errorf("got %s, %v", got.Subject, got.DNSNames)
			}
		}
	})
	t.Run("EST-06 another subject, other names or changeSubjectName are refused", func(t *testing.T) {
		for name, body := range map[string]string{
			"subject": csr(t, key, "device-2", "one.devices.example"),
			"names":   base64.StdEncoding.EncodeToString(catest.CSR(t, key, x509.CertificateRequest{RawSubject: current.RawSubject, DNSNames: []string{"two.devices.example"}})),
			"no name": base64.StdEncoding.EncodeToString(catest.CSR(t, key, x509.CertificateRequest{RawSubject: current.RawSubject})),
			"change":  base64.StdEncoding.EncodeToString(withAttribute(t, key, current.RawSubject, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 7, 36}, []byte{0x30, 0})),
		} {
			if answer, text := s.ask(t, client, "POST", "simplereenroll", body, nil); answer.StatusCode != 400 || !strings.Contains(text, "RFC 7030, Section 4.2.2") {
				t.Errorf("%s: got %s: %s", name, answer.Status, text)
			}
		}
	})
	t.Run("EST-06 without the certificate that is renewed nothing is renewed", func(t *testing.T) {
		if answer, text := s.ask(t, s.client(), "POST", "simplereenroll", same(t, key, current), factory); answer.StatusCode != 403 {
			t.Errorf("got %s: %s", answer.Status, text)
		}
	})
	t.Run("EST-06 a certificate of another label is not renewed", func(t *testing.T) {
		if answer, text := s.ask(t, client, "POST", "people/simplereenroll", same(t, key, current), nil); answer.StatusCode != 403 || !strings.Contains(text, "label") {
			t.Errorf("got %s: %s", answer.Status, text)
		}
	})
	t.Run("EST-06 a held or revoked certificate is not renewed", func(t *testing.T) {
		serial := journal.SerialOf(current.SerialNumber)
		for _, change := range []journal.Entry{{Kind: journal.Held, Owner: journal.Centre}, {Kind: journal.Revoked}} {
			change.Serial, change.Actor = serial, "test"
			if _, _, err := s.Change(t.Context(), change, nil); err != nil {
				t.Fatal(err)
			}
			if answer, text := s.ask(t, client, "POST", "simplereenroll", same(t, key, current), nil); answer.StatusCode != 403 || !strings.Contains(text, string(change.Kind)) {
				t.Errorf("%s: got %s: %s", change.Kind, answer.Status, text)
			}
		}
	})
	t.Run("a national number survives the renewal", func(t *testing.T) {
		both := s.Client(t, "both")
		key := catest.Key(t)
		answer, text := s.ask(t, s.client(both), "POST", "people/simpleenroll", csr(t, key, ""), func(r *http.Request) { r.SetBasicAuth("both", password) })
		if answer.StatusCode != 200 {
			t.Fatalf("got %s: %s", answer.Status, text)
		}
		first := certificates(t, text)[0]
		answer, text = s.ask(t, s.as(first, key), "POST", "people/simplereenroll", same(t, catest.Key(t), first), nil)
		if answer.StatusCode != 200 {
			t.Fatalf("got %s: %s", answer.Status, text)
		}
		if got := certificates(t, text)[0]; got.Subject.SerialNumber != "PNOAZ-1ABC2D3" {
			t.Errorf("got %s", got.Subject)
		}
	})
}

func TestAuthentication(t *testing.T) {
	s := newServer(t)
	body := func() string { return csr(t, catest.Key(t), "device-1") }
	stranger, gateway, both := s.Client(t, "stranger"), s.Client(t, "gateway"), s.Client(t, "both")
	with := func(name, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(name, password) }
	}
	for _, row := range []struct {
		name   string
		client *http.Client
		path   string
		edit   func(*http.Request)
		status int
	}{
		{"nobody", s.client(), "simpleenroll", nil, 401},
		{"a wrong password", s.client(), "simpleenroll", with("factory", "x"), 401},
		{"an unknown account", s.client(), "simpleenroll", with("nobody", password), 401},
		{"an empty account", s.client(), "simpleenroll", with("", ""), 401},
		{"the password of an account that has none", s.client(), "simpleenroll", with("gateway", ""), 401},
		{"a wrong password beside a good certificate", s.client(gateway), "simpleenroll", with("factory", "x"), 401},
		{"a certificate of nobody known", s.client(stranger), "simpleenroll", nil, 403},
		{"an account without terms for the label", s.client(), "people/simpleenroll", with("factory", password), 403},
		{"the certificate of an account that needs its password, too", s.client(both), "people/simpleenroll", nil, 401},
		{"the password of an account that needs its certificate, too", s.client(), "people/simpleenroll", with("both", password), 403},
		{"another's certificate beside the password", s.client(gateway), "people/simpleenroll", with("both", password), 403},
		{"an account by its password", s.client(), "simpleenroll", with("factory", password), 200},
		{"an account by its certificate", s.client(gateway), "simpleenroll", nil, 200},
	} {
		t.Run("EST-07 "+row.name, func(t *testing.T) {
			answer, text := s.ask(t, row.client, "POST", row.path, body(), row.edit)
			if answer.StatusCode != row.status {
				t.Errorf("got %s: %s, want %d", answer.Status, text, row.status)
			}
			if challenge := answer.Header.Get("WWW-Authenticate"); (challenge != "") != (row.status == 401) {
				t.Errorf("got challenge %q with status %d", challenge, row.status)
			}
		})
	}
	t.Run("EST-07 the common name of an account in a certificate of another profile or authority", func(t *testing.T) {
		key := catest.Key(t)
		person := catest.Issue(t, s.Authority, ca.Request{Issuer: "devices", Profile: "identity", PublicKey: key.Public(),
			Subject: map[string]string{"fin": "1ABC2D3", "CN": "Demonstration person"}})
		for name, client := range map[string]*http.Client{"of another profile": s.as(person, key), "from here where a foreign one belongs": s.client(s.Client(t, "partner"))} {
			if answer, text := s.ask(t, client, "POST", "simpleenroll", body(), nil); answer.StatusCode != 403 || !strings.Contains(text, "another issuer or profile") {
				t.Errorf("%s: got %s: %s", name, answer.Status, text)
			}
		}
	})
	t.Run("EST-07 an account's certificate that was revoked", func(t *testing.T) {
		if _, _, err := s.Change(t.Context(), journal.Entry{Kind: journal.Revoked, Serial: journal.SerialOf(gateway.Leaf.SerialNumber), Actor: "test"}, nil); err != nil {
			t.Fatal(err)
		}
		if answer, text := s.ask(t, s.client(gateway), "POST", "simpleenroll", body(), nil); answer.StatusCode != 403 || !strings.Contains(text, "revoked") {
			t.Errorf("got %s: %s", answer.Status, text)
		}
	})
	t.Run("EST-07 without TLS nothing is answered", func(t *testing.T) {
		plain := httptest.NewServer(s.handler)
		defer plain.Close()
		request, err := http.NewRequest("POST", plain.URL+est.Prefix+"simpleenroll", strings.NewReader(body()))
		if err != nil {
			t.Fatal(err)
		}
		factory(request)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != 403 {
			t.Errorf("got %s", answer.Status)
		}
	})
}

func TestConfiguration(t *testing.T) {
	s := newServer(t)
	account := func(edit func(*est.Account)) func(*est.Config) {
		return func(c *est.Config) {
			changed := est.Account{Name: "a", CommonName: "a", Terms: map[string]ca.Terms{"devices": deviceTerms}}
			edit(&changed)
			c.Accounts = append(c.Accounts[:len(c.Accounts):len(c.Accounts)], changed)
		}
	}
	label := func(edit func(*est.Label)) func(*est.Config) {
		return func(c *est.Config) {
			changed := est.Label{Name: "more", Issuer: "devices", Profiles: []string{"device"}}
			edit(&changed)
			c.Labels = append(c.Labels[:len(c.Labels):len(c.Labels)], changed)
		}
	}
	terms := func(edit func(*ca.Terms)) func(*est.Config) {
		return account(func(a *est.Account) {
			changed := deviceTerms
			edit(&changed)
			a.Terms = map[string]ca.Terms{"devices": changed}
		})
	}
	for want, spoil := range map[string]func(*est.Config){
		"there is no authority":                 func(c *est.Config) { c.Authority = nil },
		"there is no label":                     func(c *est.Config) { c.Labels = nil },
		"is that of an operation":               label(func(l *est.Label) { l.Name = "cacerts" }),
		"label \"devices\": stands twice":       label(func(l *est.Label) { l.Name = "devices" }),
		"the name is not":                       label(func(l *est.Label) { l.Name = "a/b" }),
		`issuer "x" is unknown`:                 label(func(l *est.Label) { l.Issuer = "x" }),
		`profile "issuing" is not one`:          label(func(l *est.Label) { l.Issuer, l.Profiles = "root", []string{"issuing"} }),
		"there is no profile":                   label(func(l *est.Label) { l.Profiles = nil }),
		"has neither a secret":                  account(func(a *est.Account) { a.CommonName = "" }),
		"not a bcrypt hash":                     account(func(a *est.Account) { a.Secret = []byte("plain") }),
		"for its TLS certificate":               account(func(a *est.Account) { a.ClientIssuer, a.ClientProfile = "root", "issuing" }),
		"has no terms":                          account(func(a *est.Account) { a.Terms = nil }),
		`names the unknown label "x"`:           account(func(a *est.Account) { a.Terms = map[string]ca.Terms{"x": deviceTerms} }),
		`shares its common name with "gateway"`: account(func(a *est.Account) { a.CommonName = "gateway" }),
		"may choose the common name of account": account(func(a *est.Account) { a.CommonName = "device-77" }),
		`is not one of label "devices"`:         terms(func(t *ca.Terms) { t.Profile = "identity" }),
		"subject.title: is not an attribute":    terms(func(t *ca.Terms) { t.Subject = map[string]string{"title": "x"} }),
		"choose.CN: the pattern is not":         terms(func(t *ca.Terms) { t.Choose = map[string]string{"CN": "("} }),
		"choose.C: is fixed already":            terms(func(t *ca.Terms) { t.Choose = map[string]string{"C": ".*"} }),
		`dns: "*" is neither`:                   terms(func(t *ca.Terms) { t.DNSNames = []string{"*"} }),
		`email: "nobody" is neither`:            terms(func(t *ca.Terms) { t.Emails = []string{"nobody"} }),
		"choose.fin: is a national number": func(c *est.Config) {
			c.Accounts[2].Terms = map[string]ca.Terms{"people": {Issuer: "devices", Profile: "identity", Choose: map[string]string{"fin": ".*", "CN": "x"}}}
		},
		"subject.CN: profile \"identity\" requires": func(c *est.Config) {
			c.Accounts[2].Terms = map[string]ca.Terms{"people": {Issuer: "devices", Profile: "identity", Subject: map[string]string{"fin": "1ABC2D3"}}}
		},
	} {
		config := s.config
		config.Accounts = append([]est.Account(nil), config.Accounts...)
		spoil(&config)
		if _, err := est.New(config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
