package ra

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/internal/problem"
)

// issueRequest holds the applicant's requests for signature, in PEM.
type issueRequest struct {
	Signature string `json:"csr_signature"`
	// Authentication is optional: then one certificate is issued.
	Authentication string `json:"csr_authentication"`
}

// check names the fields that are wrong. The authority checks the keys again,
// by its own rules and more of them; what is found here does not leave half a
// pair behind.
func (q *issueRequest) check() []problem.Field {
	var wrong []problem.Field
	signature, err := parseCSR(q.Signature)
	if err != nil {
		wrong = append(wrong, problem.Field{Field: "csr_signature", Detail: err.Error(), Clause: "RFC 2986, Section 4.2"})
	}
	if q.Authentication == "" {
		return wrong
	}
	authentication, err := parseCSR(q.Authentication)
	switch {
	case err != nil:
		wrong = append(wrong, problem.Field{Field: "csr_authentication", Detail: err.Error(), Clause: "RFC 2986, Section 4.2"})
	case signature != nil && string(signature.RawSubjectPublicKeyInfo) == string(authentication.RawSubjectPublicKeyInfo):
		wrong = append(wrong, problem.Field{Field: "csr_authentication", Detail: "has the key of csr_signature; each certificate needs a key of its own"})
	}
	return wrong
}

func parseCSR(text string) (*x509.CertificateRequest, error) {
	if text == "" {
		return nil, errors.New("is missing")
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE REQUEST" || strings.TrimSpace(string(rest)) != "" {
		return nil, errors.New("is not one CERTIFICATE REQUEST in PEM")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, errors.New("is not a PKCS#10 request")
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, errors.New("does not prove possession of its key: the signature is wrong")
	}
	if _, _, err := pki.SignatureAlgorithm(csr.PublicKey); err != nil {
		return nil, fmt.Errorf("has a key that is not allowed: %w", err)
	}
	return csr, nil
}

// issue has the certificates of an approved application issued. When the
// authority gives no answer the application stays approved, and the same
// request later goes on where this one stopped.
func (o *Office) issue(ctx context.Context, who *Person, id string, request issueRequest, t *ticket) (*Application, error) {
	a, finished, err := o.plan(ctx, who, id, request, t)
	if err != nil || finished {
		return a, err
	}
	var refused error
	for _, c := range a.Issuance.Certificates {
		if c.Certificate != "" {
			continue
		}
		issued, err := o.askIssue(ctx, a, c)
		if err == nil {
			c.Serial, c.Certificate, a.Issuance.Chain = issued.Serial, issued.Certificate, issued.Chain
			continue
		}
		if refused = o.authorityFault(ctx, err, "csr_"+c.Kind); isFinal(err) {
			// The authority said no for good, so this request binds nobody.
			c.CSR = ""
		}
		break
	}
	a, err = o.conclude(ctx, who, id, a.Issuance)
	if err == nil && a.State != Completed {
		err = refused
	}
	return a, err
}

// plan makes the requests part of the case before the authority hears of them.
// finished means that all was issued before and a is the answer.
func (o *Office) plan(ctx context.Context, who *Person, id string, request issueRequest, t *ticket) (a *Application, finished bool, err error) {
	for range tries {
		a = new(Application)
		version, err := o.load(ctx, applicationPrefix, id, a)
		if err != nil {
			return nil, false, err
		}
		if a.Issuance != nil && a.Issuance.Ticket.sameKey(t) {
			if err := a.Issuance.Ticket.agree(t); err != nil {
				return nil, false, err
			}
			if a.State == Completed {
				return a, true, nil
			}
		}
		if err := o.permit(ctx, who, a, "issue"); err != nil {
			return nil, false, err
		}
		if wrong := request.check(); len(wrong) > 0 {
			return nil, false, problem.Invalid(wrong...)
		}
		now := time.Now().UTC()
		if a.Issuance == nil {
			a.Issuance = &Issuance{Set: a.ID, StartedAt: now}
		}
		a.Issuance.By, a.Issuance.Ticket, a.UpdatedAt = who.Name, t, now
		if err := a.Issuance.want(o.certificates(request)); err != nil {
			return nil, false, err
		}
		if err := o.audit(ctx, who, "application.issue", id, slog.String("from", string(a.State)), slog.Int("certificates", len(a.Issuance.Certificates))); err != nil {
			return nil, false, err
		}
		err = o.save(ctx, id, version, a, Event{At: now, Actor: who.Name, Action: "issue", From: string(a.State), To: string(a.State)})
		if !errors.Is(err, fs.ErrExist) {
			return a, false, err
		}
	}
	return nil, false, errChanged
}

func (o *Office) certificates(request issueRequest) []*Issue {
	wanted := []*Issue{{Kind: "signature", Profile: o.SignatureProfile, CSR: request.Signature}}
	if request.Authentication != "" {
		wanted = append(wanted, &Issue{Kind: "authentication", Profile: o.AuthenticationProfile, CSR: request.Authentication})
	}
	return wanted
}

// want adds certificates to the issuance. A request that the authority may have
// answered already binds: another one for the same kind could lead to a second
// certificate.
func (i *Issuance) want(wanted []*Issue) error {
	for _, c := range i.Certificates {
		if !slices.ContainsFunc(wanted, func(w *Issue) bool { return w.Kind == c.Kind && strings.TrimSpace(w.CSR) == strings.TrimSpace(c.CSR) }) {
			return problem.New(http.StatusConflict, "issuance_under_way", "the certificates were asked for with other requests before: send the same csr_"+c.Kind+" again")
		}
	}
	for _, w := range wanted {
		if !slices.ContainsFunc(i.Certificates, func(c *Issue) bool { return c.Kind == w.Kind }) {
			i.Certificates = append(i.Certificates, w)
		}
	}
	return nil
}

// askIssue asks the authority for one certificate. The key that makes the
// question repeatable depends on the request alone.
func (o *Office) askIssue(ctx context.Context, a *Application, c *Issue) (Issued, error) {
	issuer, ok := o.Issuers[a.Category]
	if !ok {
		issuer = o.Issuer
	}
	digest := sha256.Sum256([]byte(strings.TrimSpace(c.CSR)))
	ctx, cancel := context.WithTimeout(ctx, o.AuthorityTimeout)
	defer cancel()
	return o.Authority.Issue(ctx, IssueRequest{
		Issuer: issuer, Profile: c.Profile, CSR: c.CSR,
		GivenName: a.GivenName, Surname: a.Surname, CommonName: a.commonName(), FIN: a.FIN,
		Set: a.Issuance.Set, IdempotencyKey: fmt.Sprintf("%s/%s/%s", a.ID, c.Kind, hex.EncodeToString(digest[:16])),
	})
}

// record takes over what another copy of the issuance learnt. whole is false
// when a certificate that was asked for was refused: then the applicant decides
// whether to ask for it anew or to go without.
func (i *Issuance) record(learnt *Issuance) (whole bool) {
	asked := len(i.Certificates)
	for _, l := range learnt.Certificates {
		for n, c := range i.Certificates {
			switch {
			case c.Kind != l.Kind || c.Certificate != "":
			case l.CSR == "":
				i.Certificates[n].CSR = ""
			case l.Certificate != "":
				i.Certificates[n], i.Chain = l, learnt.Chain
			}
		}
	}
	i.Certificates = slices.DeleteFunc(i.Certificates, func(c *Issue) bool { return c.CSR == "" })
	return len(i.Certificates) == asked && i.done()
}

// conclude writes what the authority answered into the case. Requests without a
// text were refused and are dropped.
func (o *Office) conclude(ctx context.Context, who *Person, id string, issuance *Issuance) (*Application, error) {
	// The certificates exist, so the record of them is not given up when the
	// client goes away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.AuthorityTimeout)
	defer cancel()
	for range tries {
		var a Application
		version, err := o.load(ctx, applicationPrefix, id, &a)
		if err != nil {
			return nil, err
		}
		if a.State == Completed {
			// The same request came twice at once and the other was faster;
			// the authority gave both the same certificates.
			return &a, nil
		}
		event := Event{At: time.Now().UTC(), Actor: who.Name, Action: "issue", From: string(a.State)}
		a.UpdatedAt = event.At
		if a.Issuance.record(issuance) {
			a.State = Completed
		}
		event.To = string(a.State)
		err = o.save(ctx, id, version, &a, event)
		if !errors.Is(err, fs.ErrExist) {
			return &a, err
		}
	}
	return nil, errChanged
}
