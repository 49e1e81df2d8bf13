package conformance

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"strconv"
	"time"

	"github.com/altamga/altamga/internal/pki"
)

// EnrolAccount is an account on an EST server. To name it is the consent to
// certificates being issued to it.
type EnrolAccount struct {
	// User and Password are those of HTTP Basic; "" for an account without.
	User, Password string
	// Certificate is the TLS client certificate, which is renewed, too; nil for
	// an account without.
	Certificate *tls.Certificate
	// Like is a certification request in DER whose names are asked for, with
	// other keys. Nil asks for the common name altamga-conformance.
	Like []byte
}

// applicant asks for certificates by an account.
type applicant struct {
	EnrolAccount
	names x509.CertificateRequest
	// enrolled is what came of the first request, and got the certificate with
	// its key, when one came.
	enrolled *Exchange
	got      *tls.Certificate
}

func newApplicant(account *EnrolAccount) (*applicant, error) {
	if account == nil {
		return nil, nil
	}
	a := &applicant{EnrolAccount: *account, names: x509.CertificateRequest{Subject: pkix.Name{CommonName: "altamga-conformance"}}}
	if account.Like == nil {
		return a, nil
	}
	like, err := x509.ParseCertificateRequest(account.Like)
	if err != nil {
		return nil, fmt.Errorf("the request with the names to ask for: %w", err)
	}
	a.names = x509.CertificateRequest{RawSubject: like.RawSubject, DNSNames: like.DNSNames, EmailAddresses: like.EmailAddresses, IPAddresses: like.IPAddresses, URIs: like.URIs}
	return a, nil
}

// newRequest is one in base64 for names, with the key that it is signed by.
func newRequest(names *x509.CertificateRequest) ([]byte, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	raw, err := x509.CreateCertificateRequest(rand.Reader, names, key)
	return []byte(base64.StdEncoding.EncodeToString(raw)), key, err
}

// apply sends a request by the account, or, with a client certificate, by that
// alone. Nobody is told the password who is not trusted.
func (e *enrolment) apply(t *trial, operation, how string, names *x509.CertificateRequest, client *tls.Certificate) (*Exchange, *ecdsa.PrivateKey) {
	body, key, err := newRequest(names)
	if err != nil {
		t.couldNot("making request: %v", err)
	}
	header := map[string]string{"Content-Type": "application/pkcs10"}
	if client == nil {
		if client = e.account.Certificate; e.account.User != "" {
			header["Authorization"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(e.account.User+":"+e.account.Password))
		}
	}
	trusting := &tls.Config{RootCAs: e.roots}
	if client != nil {
		trusting.Certificates = []tls.Certificate{*client}
	}
	return e.answered(t, e.ask(t, question{name: "/" + operation + " " + how, method: http.MethodPost, url: e.url + operation, body: body, header: header}, trusting)), key
}

// enrolled asks for a certificate, once; it ends the check when there is no
// account, or no answer that can be judged.
func (e *enrolment) enrolled(t *trial) *Exchange {
	a := e.account
	if a == nil {
		t.skip("there is no account to enrol with")
	}
	if a.enrolled == nil {
		x, key := e.apply(t, "simpleenroll", "by the account", &a.names, nil)
		a.enrolled = x
		if one := e.issued(x); one != nil && x.Status == http.StatusOK && string(one.spki) == string(spkiOf(key)) {
			a.got = &tls.Certificate{Certificate: [][]byte{one.raw}, PrivateKey: key}
		}
	}
	t.saw(a.enrolled)
	if s := a.enrolled.Status; s != http.StatusOK && s != http.StatusAccepted {
		if a.Certificate != nil && s >= 400 && s < 500 {
			t.skip("the account may renew alone: HTTP %d, %s", s, clip(string(a.enrolled.Response)))
		}
		t.couldNot("the account is given nothing: HTTP %d, %s", s, clip(string(a.enrolled.Response)))
	}
	return a.enrolled
}

func spkiOf(key *ecdsa.PrivateKey) []byte {
	raw, _ := x509.MarshalPKIXPublicKey(key.Public()) // of P-256: it cannot fail
	return raw
}

// issued is the first certificate of an answer, nil when it has none.
func (e *enrolment) issued(x *Exchange) *certificate {
	raw, _ := unbased(x.Response)
	all, _ := certsOnly(raw)
	if len(all) == 0 {
		return nil
	}
	one, err := parseCertificate(all[0])
	if err != nil {
		return nil
	}
	return one
}

// chained is a certificate that was issued, with the authorities of /cacerts
// behind it.
func (e *enrolment) chained(t *trial, got *tls.Certificate) *tls.Certificate {
	client := *got
	if raw, ok := unbased(e.got(t, "cacerts").Response); ok {
		above, _ := certsOnly(raw)
		client.Certificate = append(client.Certificate[:1:1], above...)
	}
	return &client
}

// enrolling judges an answer to a request that was granted.
func enrolling(t *trial, e *enrolment) {
	x := e.enrolled(t)
	if x.Status == http.StatusAccepted {
		t.skip("the request waits for approval")
	}
	one := e.granted(t, x)
	if one != nil && e.account.got == nil {
		t.fail("the certificate is for another key than that of the request")
	}
}

// granted judges the form of an answer with a certificate, and returns that.
func (e *enrolment) granted(t *trial, x *Exchange) *certificate {
	got := x.Header.Get("Content-Type")
	if !sameMedia(got, "application/pkcs7-mime") || mediaParameter(got, "smime-type") != "certs-only" {
		t.fail("%s: the media type is %q", x.Name, clip(got))
	}
	raw, ok := unbased(x.Response)
	if !ok {
		t.fail("%s: it is not base64", x.Name)
		return nil
	}
	all, ok := certsOnly(raw)
	if !ok {
		t.fail("%s: it is not a certs-only CMS message", x.Name)
		return nil
	}
	if len(all) != 1 {
		t.fail("%s: it has %d certificates instead of the one issued", x.Name, len(all))
	}
	one, err := parseCertificate(all[0])
	if err != nil {
		t.fail("%s: %v", x.Name, err)
	}
	return one
}

// waiting judges an answer to a request that waits for approval.
func waiting(t *trial, e *enrolment) {
	x := e.enrolled(t)
	if x.Status != http.StatusAccepted {
		t.skip("the request is granted at once")
	}
	after := x.Header.Get("Retry-After")
	_, seconds := strconv.ParseUint(after, 10, 31)
	if _, date := http.ParseTime(after); date != nil && seconds != nil {
		t.fail("Retry-After is %q", clip(after))
	}
}

// renewing judges renewals, under the same names alone: of what was issued, and
// of the account's own certificate.
func renewing(t *trial, e *enrolment) {
	if e.account == nil {
		t.skip("there is no account to enrol with")
	}
	if own := e.account.Certificate; own != nil {
		e.renewal(t, "the account's certificate", own)
	} else {
		e.enrolled(t)
	}
	switch got := e.account.got; {
	case got != nil:
		e.renewal(t, "what was issued", e.chained(t, got))
	case e.account.Certificate == nil:
		t.skip("no certificate was issued that could be renewed")
	}
}

// renewal renews one certificate. A request for other names is refused, or
// answered under the names that the certificate has (RFC 7030, Section 4.2.2).
func (e *enrolment) renewal(t *trial, what string, client *tls.Certificate) {
	old, err := x509.ParseCertificate(client.Certificate[0])
	if err != nil {
		t.couldNot("%s: %v", what, err)
	}
	same := namesOf(old)
	if x, key := e.apply(t, "simplereenroll", "for "+what, &same, client); x.Status == http.StatusAccepted {
		t.skip("%s: it waits for approval", x.Name)
	} else if x.Status != http.StatusOK {
		t.fail("%s: HTTP %d, %s", x.Name, x.Status, clip(string(x.Response)))
	} else if one := e.granted(t, x); one != nil {
		sameNames(t, x, one, old)
		if string(one.spki) != string(spkiOf(key)) {
			t.fail("%s: the certificate is for another key than that of the request", x.Name)
		}
	}
	subject, mailbox := same, same
	subject.RawSubject, subject.Subject = nil, pkix.Name{CommonName: "altamga-conformance, somebody else"}
	mailbox.EmailAddresses = []string{"somebody.else@altamga-conformance.invalid"}
	for _, row := range []struct {
		how   string
		names *x509.CertificateRequest
	}{{"another subject", &subject}, {"another alternative name", &mailbox}} {
		x, _ := e.apply(t, "simplereenroll", "for "+what+", with "+row.how, row.names, client)
		switch x.Status {
		case http.StatusAccepted: // nothing is granted yet
		case http.StatusOK:
			if one := e.granted(t, x); one != nil {
				sameNames(t, x, one, old)
			}
		default:
			refusal(t, x)
		}
	}
}

func namesOf(c *x509.Certificate) x509.CertificateRequest {
	return x509.CertificateRequest{RawSubject: c.RawSubject, DNSNames: c.DNSNames, EmailAddresses: c.EmailAddresses, IPAddresses: c.IPAddresses, URIs: c.URIs}
}

func sameNames(t *trial, x *Exchange, one *certificate, old *x509.Certificate) {
	before, err := parseCertificate(old.Raw)
	if err != nil {
		t.couldNot("the certificate that is renewed: %v", err)
	}
	if string(one.subject) != string(before.subject) || !bytes.Equal(one.extensions.value(pki.OIDSubjectAltName), before.extensions.value(pki.OIDSubjectAltName)) {
		t.fail("%s: the certificate has other names", x.Name)
	}
}

// forged asks for renewal with a client certificate that nobody issued, under
// names that the server may know.
func forged(t *trial, e *enrolment) {
	names := x509.Certificate{Subject: pkix.Name{CommonName: "altamga-conformance"}}
	if e.account != nil {
		known := e.account.got
		if e.account.Certificate != nil {
			known = e.account.Certificate
		}
		if known != nil {
			if one, err := x509.ParseCertificate(known.Certificate[0]); err == nil {
				names = x509.Certificate{RawSubject: one.RawSubject, RawIssuer: one.RawIssuer, DNSNames: one.DNSNames, EmailAddresses: one.EmailAddresses, IPAddresses: one.IPAddresses, URIs: one.URIs}
			}
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.couldNot("making key: %v", err)
	}
	names.SerialNumber, names.NotBefore, names.NotAfter = big.NewInt(1), t.now.Add(-time.Hour), t.now.Add(time.Hour)
	names.KeyUsage, names.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	raw, err := x509.CreateCertificate(rand.Reader, &names, &names, key.Public(), key)
	if err != nil {
		t.couldNot("making certificate: %v", err)
	}
	old, err := x509.ParseCertificate(raw)
	if err != nil {
		t.couldNot("making certificate: %v", err)
	}
	request := namesOf(old)
	body, _, err := newRequest(&request)
	if err != nil {
		t.couldNot("making request: %v", err)
	}
	e.got(t, "cacerts") // a server that is down takes nobody in
	x := e.ask(t, question{name: "/simplereenroll with a certificate that nobody issued", method: http.MethodPost, url: e.url + "simplereenroll", body: body,
		header: map[string]string{"Content-Type": "application/pkcs10"}}, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}})
	if x.Status > 0 && x.Status < 400 {
		t.fail("%s: HTTP %d", x.Name, x.Status)
	}
}
