package conformance_test

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/conformance"
)

// fakeEST answers as an EST server does for a client without an account.
type fakeEST struct {
	c *centre
	// answers replaces operations; old lets TLS 1.0 in.
	answers map[string]http.HandlerFunc
	old     bool
	// account enrols by name and password, too.
	account bool
	// wrong changes what the account is answered; renews lets it change names.
	wrong  func(operation string, w http.ResponseWriter, certificate *x509.Certificate) bool
	renews bool
	// keeps renews under the old names, whatever the request says; anybody takes
	// any client certificate.
	keeps, anybody bool
	// client is a certificate that enrols, too, unless it may only renew.
	client     *identity
	renewsOnly bool
	// stranger says that the server's certificate is not trusted.
	stranger bool
}

func said(status int, media, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		if media != "" {
			w.Header().Set("Content-Type", media)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// bundle is a certs-only CMS message in base64.
func bundle(certificates ...[]byte) string {
	return base64.StdEncoding.EncodeToString(seq(oid([]int{1, 2, 840, 113549, 1, 7, 2}), tlv(0xa0, seq(integer(1), tlv(0x31),
		seq(oid([]int{1, 2, 840, 113549, 1, 7, 1})), tlv(0xa0, certificates...), tlv(0x31)))))
}

var attributesForP256 = base64.StdEncoding.EncodeToString(seq(oid([]int{1, 2, 840, 113549, 1, 9, 7}),
	seq(oid([]int{1, 2, 840, 10045, 2, 1}), tlv(0x31, oid([]int{1, 2, 840, 10045, 3, 1, 7})))))

func newEST(c *centre) *fakeEST {
	return &fakeEST{c: c, answers: map[string]http.HandlerFunc{
		"cacerts":  said(200, "application/pkcs7-mime; smime-type=certs-only", bundle(c.issuer.cert.Raw, c.root.cert.Raw)),
		"csrattrs": said(200, "application/csrattrs", attributesForP256),
	}}
}

func (f *fakeEST) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	operation := r.URL.Path[len("/.well-known/est/"):]
	switch {
	case f.answers[operation] != nil:
		f.answers[operation](w, r)
	case operation == "simpleenroll" && (f.basic(r) || f.known(r) && !f.renewsOnly), operation == "simplereenroll" && f.known(r):
		f.enrol(w, r, operation)
	case operation == "simpleenroll" || operation == "simplereenroll":
		w.Header().Set("WWW-Authenticate", `Basic realm="EST"`)
		http.Error(w, "who are you?", http.StatusUnauthorized)
	default:
		http.NotFound(w, r)
	}
}

func (f *fakeEST) basic(r *http.Request) bool {
	user, password, _ := r.BasicAuth()
	return f.account && user == "factory" && password == "correct horse"
}

// known reports whether the client has a certificate of the centre's.
func (f *fakeEST) known(r *http.Request) bool {
	all := r.TLS.PeerCertificates
	return len(all) > 0 && (f.anybody || all[0].CheckSignatureFrom(f.c.issuer.cert) == nil)
}

// enrol gives a certificate for the request, or renews one under its own names.
func (f *fakeEST) enrol(w http.ResponseWriter, r *http.Request, operation string) {
	body, _ := io.ReadAll(r.Body)
	raw, _ := base64.StdEncoding.DecodeString(string(body))
	request, err := x509.ParseCertificateRequest(raw)
	if err != nil {
		http.Error(w, "no request", http.StatusBadRequest)
		return
	}
	if operation == "simplereenroll" && f.keeps {
		old := r.TLS.PeerCertificates[0]
		request.RawSubject, request.DNSNames, request.EmailAddresses = old.RawSubject, old.DNSNames, old.EmailAddresses
	}
	if operation == "simplereenroll" && !f.renews && (len(request.EmailAddresses) > 0 || string(r.TLS.PeerCertificates[0].RawSubject) != string(request.RawSubject)) {
		http.Error(w, "another name", http.StatusBadRequest)
		return
	}
	issued, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: nextSerial(), RawSubject: request.RawSubject, DNSNames: request.DNSNames, EmailAddresses: request.EmailAddresses,
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}, f.c.issuer.cert, request.PublicKey, f.c.issuer.key)
	if err != nil {
		panic(err)
	}
	certificate, err := x509.ParseCertificate(issued)
	if err != nil {
		panic(err)
	}
	if f.wrong == nil || !f.wrong(operation, w, certificate) {
		said(200, "application/pkcs7-mime; smime-type=certs-only", bundle(issued))(w, r)
	}
}

func (f *fakeEST) judge(t *testing.T) *conformance.Report {
	t.Helper()
	server := httptest.NewUnstartedServer(f)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	if f.old {
		server.TLS.MinVersion = tls.VersionTLS10
	}
	server.StartTLS()
	defer server.Close()
	target := conformance.EnrolTarget{URL: server.URL, Trust: [][]byte{server.Certificate().Raw}}
	if f.stranger {
		target.Trust = [][]byte{f.c.root.cert.Raw}
	}
	if f.account {
		like, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: name("device-1"), DNSNames: []string{"one.devices.example"}}, f.c.other.key)
		if err != nil {
			t.Fatal(err)
		}
		target.Account = &conformance.EnrolAccount{User: "factory", Password: "correct horse", Like: like}
	}
	if f.client != nil {
		target.Account = &conformance.EnrolAccount{Certificate: &tls.Certificate{Certificate: [][]byte{f.client.cert.Raw}, PrivateKey: f.client.key}}
	}
	tester, err := conformance.New(conformance.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := tester.Enrolment(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	return tester.Report()
}

func TestEnrolment(t *testing.T) {
	c := newCentre(t)
	sound := newEST(c)
	switchboard.sound(t, sound.judge(t))
	sound.answers["csrattrs"] = said(204, "", "")
	switchboard.sound(t, sound.judge(t))

	answer := func(operation string, status int, media, body string) func(*fakeEST) {
		return func(f *fakeEST) { f.answers[operation] = said(status, media, body) }
	}
	const cms = "application/pkcs7-mime"
	whole := bundle(c.issuer.cert.Raw, c.root.cert.Raw)
	raw, err := base64.StdEncoding.DecodeString(whole)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		planted
		plant func(*fakeEST)
	}{
		{planted{"EST-01 every operation is answered", nil}, answer("altamga-conformance", 200, "text/plain", "hello")},
		{planted{"EST-01 no cacerts", []string{"EST-02"}}, answer("cacerts", 404, "text/plain", "")},
		{planted{"EST-02 another media type", nil}, answer("cacerts", 200, "application/octet-stream", whole)},
		{planted{"EST-02 DER and no base64", nil}, answer("cacerts", 200, cms, string(raw))},
		{planted{"EST-02 PEM", nil}, answer("cacerts", 200, cms, string(pem.EncodeToMemory(&pem.Block{Type: "PKCS7", Bytes: raw})))},
		{planted{"EST-02 a certificate and no message", nil}, answer("cacerts", 200, cms, base64.StdEncoding.EncodeToString(c.root.cert.Raw))},
		{planted{"EST-02 octets behind the message", nil}, answer("cacerts", 200, cms, base64.StdEncoding.EncodeToString(append(bytes.Clone(raw), 0)))},
		{planted{"EST-02 no root", nil}, answer("cacerts", 200, cms, bundle(c.issuer.cert.Raw))},
		{planted{"EST-02 authentication is wanted", nil}, answer("cacerts", 401, "text/plain", "who are you?")},
		{planted{"EST-05 what is no request is taken", []string{"EST-07"}}, answer("simpleenroll", 202, "text/plain", "come again")},
		{planted{"EST-05 a refusal that nobody can read", []string{"EST-07"}}, answer("simpleenroll", 400, "", "\xff\xfe")},
		{planted{"EST-07 anybody renews", []string{"EST-12"}}, answer("simplereenroll", 200, cms, whole)},
		{planted{"EST-07 how to authenticate is not said", nil}, answer("simpleenroll", 401, "text/plain", "no")},
		{planted{"EST-08 another media type", nil}, answer("csrattrs", 200, "text/plain", attributesForP256)},
		{planted{"EST-08 no base64", nil}, answer("csrattrs", 200, "application/csrattrs", "{}")},
		{planted{"EST-08 no attributes", nil}, answer("csrattrs", 200, "application/csrattrs", base64.StdEncoding.EncodeToString(seq(integer(1))))},
		{planted{"EST-09 a key for anybody", nil}, answer("serverkeygen", 200, "multipart/mixed", "a key")},
		{planted{"EST-10 a certificate of nobody", nil}, func(f *fakeEST) { f.stranger = true }},
		{planted{"EST-11 TLS 1.0", nil}, func(f *fakeEST) { f.old = true }},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newEST(c)
			row.plant(f)
			switchboard.judged(t, row.planted, f.judge(t))
		})
	}
	tester, err := conformance.New(conformance.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := tester.Enrolment(t.Context(), conformance.EnrolTarget{URL: "https://127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	}
	if r := tester.Report(); r.Conclusion(false) != conformance.Inconclusive || r.Counts().Pass > 0 {
		t.Errorf("nobody listens: %s%s", r.Conclusion(false), explain(r))
	}
}

// TestEnrolmentByAccount gives the tester an account, and plants what only
// those see who have one.
func TestEnrolmentByAccount(t *testing.T) {
	c := newCentre(t)
	const media = "application/pkcs7-mime; smime-type=certs-only"
	report := func(wrong func(string, http.ResponseWriter, *x509.Certificate) bool, renews bool) *conformance.Report {
		f := newEST(c)
		f.account, f.wrong, f.renews = true, wrong, renews
		return f.judge(t)
	}
	sound := report(nil, false)
	switchboard.sound(t, sound)
	for _, one := range sound.Sections[0].Results {
		if want := map[string]conformance.Verdict{"EST-03": conformance.Pass, "EST-04": conformance.NotApplicable, "EST-06": conformance.Pass}[one.ID]; want != "" && one.Verdict != want {
			t.Errorf("%s: %s %v", one.ID, one.Verdict, one.Details)
		}
	}
	var text strings.Builder
	if err := sound.WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), base64.StdEncoding.EncodeToString([]byte("factory:correct horse"))) {
		t.Error("the password is in the report")
	}
	waits := func(after string) func(string, http.ResponseWriter, *x509.Certificate) bool {
		return func(_ string, w http.ResponseWriter, _ *x509.Certificate) bool {
			w.Header().Set("Retry-After", after)
			w.WriteHeader(http.StatusAccepted)
			return true
		}
	}
	switchboard.sound(t, report(waits("60"), false))
	switchboard.sound(t, report(waits(time.Now().UTC().Format(http.TimeFormat)), false))

	enrolling := func(media string, body func(*x509.Certificate) string) func(string, http.ResponseWriter, *x509.Certificate) bool {
		return func(operation string, w http.ResponseWriter, got *x509.Certificate) bool {
			if operation == "simpleenroll" {
				said(200, media, body(got))(w, nil)
			}
			return operation == "simpleenroll"
		}
	}
	renewing := func(answer func(http.ResponseWriter, *x509.Certificate)) func(string, http.ResponseWriter, *x509.Certificate) bool {
		return func(operation string, w http.ResponseWriter, got *x509.Certificate) bool {
			if operation == "simplereenroll" {
				answer(w, got)
			}
			return operation == "simplereenroll"
		}
	}
	alone := func(got *x509.Certificate) string { return bundle(got.Raw) }
	for _, row := range []struct {
		planted
		wrong  func(string, http.ResponseWriter, *x509.Certificate) bool
		renews bool
	}{
		{planted{"EST-03 without smime-type", nil}, enrolling("application/pkcs7-mime", alone), false},
		{planted{"EST-03 DER and no base64", nil}, enrolling(media, func(got *x509.Certificate) string { return string(got.Raw) }), false},
		{planted{"EST-03 a certificate and no message", nil}, enrolling(media, func(got *x509.Certificate) string { return base64.StdEncoding.EncodeToString(got.Raw) }), false},
		{planted{"EST-03 the issuer beside it", nil}, enrolling(media, func(got *x509.Certificate) string { return bundle(got.Raw, c.issuer.cert.Raw) }), false},
		{planted{"EST-03 somebody else's certificate", nil}, enrolling(media, func(*x509.Certificate) string { return bundle(c.good.Raw) }), false},
		{planted{"EST-04 no Retry-After", nil}, waits(""), false},
		{planted{"EST-04 Retry-After is not a time", nil}, waits("tomorrow"), false},
		{planted{"EST-06 another subject is granted", nil}, nil, true},
		{planted{"EST-06 a renewal is refused", nil}, renewing(func(w http.ResponseWriter, _ *x509.Certificate) { http.Error(w, "no", http.StatusForbidden) }), false},
		{planted{"EST-06 a renewal under other names", nil}, renewing(func(w http.ResponseWriter, _ *x509.Certificate) { said(200, media, bundle(c.good.Raw))(w, nil) }), false},
	} {
		t.Run(row.name, func(t *testing.T) { switchboard.judged(t, row.planted, report(row.wrong, row.renews)) })
	}
	t.Run("a server that is not trusted", func(t *testing.T) {
		f := newEST(c)
		f.account, f.stranger = true, true
		f.wrong = func(string, http.ResponseWriter, *x509.Certificate) bool {
			t.Error("it was told the password")
			return false
		}
		switchboard.judged(t, planted{"EST-10 a certificate of nobody, who is told nothing", nil}, f.judge(t))
	})
}

// TestEnrolmentByCertificate gives the tester an account that is a client
// certificate, which renews itself.
func TestEnrolmentByCertificate(t *testing.T) {
	c := newCentre(t)
	device := c.issued(t, &x509.Certificate{Subject: name("device-2"), DNSNames: []string{"two.devices.example"}}, c.issuer)
	verdicts := func(r *conformance.Report) string {
		all := ""
		for _, one := range r.Sections[0].Results {
			if one.ID == "EST-03" || one.ID == "EST-06" || one.ID == "EST-12" {
				all += string(one.Verdict) + ", "
			}
		}
		return all
	}
	for _, row := range []struct {
		name, want string
		plant      func(*fakeEST)
	}{
		{"it enrols and renews", "pass, pass, pass, ", func(*fakeEST) {}},
		{"it renews alone", "not applicable, pass, pass, ", func(f *fakeEST) { f.renewsOnly = true }},
		{"it renews under the old names", "pass, pass, pass, ", func(f *fakeEST) { f.keeps = true }},
		{"renewals wait for approval", "pass, not applicable, pass, ", func(f *fakeEST) {
			f.wrong = func(operation string, w http.ResponseWriter, _ *x509.Certificate) bool {
				if operation == "simplereenroll" {
					w.Header().Set("Retry-After", "60")
					w.WriteHeader(http.StatusAccepted)
				}
				return operation == "simplereenroll"
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newEST(c)
			f.client = &device
			row.plant(f)
			r := f.judge(t)
			switchboard.sound(t, r)
			if got := verdicts(r); got != row.want {
				t.Errorf("got %s", got)
			}
		})
	}
	for _, row := range []struct {
		planted
		plant func(*fakeEST)
	}{
		{planted{"EST-06 the account's certificate gets another name", nil}, func(f *fakeEST) { f.renews = true }},
		{planted{"EST-06 the account's certificate is not renewed", nil}, func(f *fakeEST) {
			f.renewsOnly, f.answers["simplereenroll"] = true, said(403, "text/plain", "no")
		}},
		{planted{"EST-06 a renewal is for another key", nil}, func(f *fakeEST) {
			f.wrong = func(operation string, w http.ResponseWriter, got *x509.Certificate) bool {
				if operation == "simplereenroll" {
					other := certify(t, &x509.Certificate{RawSubject: got.RawSubject, DNSNames: got.DNSNames}, c.issuer, c.other.key.Public())
					said(200, "application/pkcs7-mime; smime-type=certs-only", bundle(other.Raw))(w, nil)
				}
				return operation == "simplereenroll"
			}
		}},
		{planted{"EST-12 a self-signed certificate is renewed", nil}, func(f *fakeEST) { f.anybody = true }},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newEST(c)
			f.client = &device
			row.plant(f)
			switchboard.judged(t, row.planted, f.judge(t))
		})
	}
}
