package conformance

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const oidTag = cryptobyte_asn1.OBJECT_IDENTIFIER

// enrolment is an EST server on trial.
type enrolment struct {
	client *client
	url    string         // with a slash at its end
	roots  *x509.CertPool // nil: those of the system
	// request is one in base64 that an authority might well grant.
	request []byte
	account *applicant // nil: there is none

	asked map[string]*Exchange
}

// EnrolTarget is an EST server.
type EnrolTarget struct {
	// URL is that of the server alone, or with /.well-known/est and a label.
	URL string
	// Trust are certificates that the server's own leads to, in DER; nil trusts
	// what the system trusts.
	Trust [][]byte
	// Account is one to enrol and renew with; nil leaves that out.
	Account *EnrolAccount
}

// wellKnown is where the operations stand (RFC 7030, Section 3.2.2).
const wellKnown = "/.well-known/est"

// Enrolment tests an EST server, with an account on it or without.
func (t *Tester) Enrolment(ctx context.Context, target EnrolTarget) error {
	if err := t.give(target.URL); err != nil {
		return err
	}
	e := &enrolment{client: t.client, url: strings.TrimSuffix(target.URL, "/"), asked: map[string]*Exchange{}}
	if !strings.Contains(e.url, wellKnown) {
		e.url += wellKnown
	}
	e.url += "/"
	if target.Trust != nil {
		e.roots = x509.NewCertPool()
		for _, raw := range target.Trust {
			c, err := x509.ParseCertificate(raw)
			if err != nil {
				return fmt.Errorf("a certificate to trust: %w", err)
			}
			e.roots.AddCert(c)
		}
	}
	var err error
	if e.account, err = newApplicant(target.Account); err != nil {
		return err
	}
	if e.request, _, err = newRequest(&x509.CertificateRequest{Subject: pkix.Name{CommonName: "altamga-conformance"}}); err != nil {
		return err
	}
	t.section("est", target.URL, judgeAll(ctx, asked(t.config.Profile, enrolmentChecks), e, t.options("EST", false)))
	return nil
}

// ask sends a question. What the server's certificate is worth is a check of
// its own; the others are asked of whoever answers there.
func (e *enrolment) ask(t *trial, q question, how *tls.Config) *Exchange {
	if how == nil {
		how = &tls.Config{InsecureSkipVerify: true}
	}
	q.tls = how
	x := e.client.ask(t.ctx, q)
	t.saw(x)
	return x
}

// got fetches an operation once.
func (e *enrolment) got(t *trial, operation string) *Exchange {
	if e.asked[operation] == nil {
		e.asked[operation] = e.ask(t, question{name: "/" + operation, method: http.MethodGet, url: e.url + operation}, nil)
	}
	return e.answered(t, e.asked[operation])
}

func (e *enrolment) posted(t *trial, operation, how string, body []byte) *Exchange {
	return e.answered(t, e.ask(t, question{name: "/" + operation + " " + how, method: http.MethodPost, url: e.url + operation, body: body,
		header: map[string]string{"Content-Type": "application/pkcs10"}}, nil))
}

func (e *enrolment) answered(t *trial, x *Exchange) *Exchange {
	t.saw(x)
	if x.Err != nil {
		t.couldNot("%s: %v", x.Name, x.Err)
	}
	return x
}

// unbased decodes base64 with any white space in it (RFC 8951, Section 3.1).
func unbased(text []byte) ([]byte, bool) {
	raw, err := base64.StdEncoding.DecodeString(strings.NewReplacer("\r", "", "\n", "", " ", "", "\t", "").Replace(string(text)))
	return raw, err == nil && len(raw) > 0
}

// certsOnly reads the certificates of a CMS message that has nothing else (RFC
// 5272, Section 4.1).
func certsOnly(raw []byte) (all [][]byte, ok bool) {
	message, ok := whole(raw)
	var content, data, digests, inside, found, signers cryptobyte.String
	var kind, of asn1.ObjectIdentifier
	var version int64
	if !ok || !message.ReadASN1ObjectIdentifier(&kind) || !kind.Equal(oidSignedData) || !message.ReadASN1(&content, explicit(0)) || !message.Empty() ||
		!content.ReadASN1(&data, sequence) || !content.Empty() || !data.ReadASN1Integer(&version) || !data.ReadASN1(&digests, set) ||
		!data.ReadASN1(&inside, sequence) || !inside.ReadASN1ObjectIdentifier(&of) || !inside.Empty() ||
		!data.ReadASN1(&found, explicit(0)) || !data.SkipOptionalASN1(explicit(1)) || !data.ReadASN1(&signers, set) || !signers.Empty() || !data.Empty() {
		return nil, false
	}
	for !found.Empty() {
		var one cryptobyte.String
		if !found.ReadASN1Element(&one, sequence) {
			return nil, false
		}
		all = append(all, one)
	}
	return all, len(all) > 0
}
