package ca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/internal/problem"
)

// Renew issues a certificate that says the same as a live one of this
// authority, for a new time and by the same profile: names, set and, unless
// public says otherwise, the key. It is for the suite's own TLS certificates.
// Only what says no more than the profile's plain attributes can be renewed; persons and
// authorities cannot. The caller answers for the right to the certificate.
func (a *Authority) Renew(ctx context.Context, current *x509.Certificate, public crypto.PublicKey, actor string) (*Issued, error) {
	request, err := a.renewal(ctx, current)
	if err != nil {
		return nil, err
	}
	if request.PublicKey, request.Actor = public, actor; public == nil {
		request.PublicKey = current.PublicKey
	}
	prepared, err := a.Prepare(inside(ctx), *request)
	if err != nil {
		return nil, err
	}
	return a.Issue(ctx, prepared)
}

// renewal makes a request out of a live certificate, without a key.
func (a *Authority) renewal(ctx context.Context, current *x509.Certificate) (*Request, error) {
	var r refusal
	record, err := a.config.Register.Record(ctx, journal.SerialOf(current.SerialNumber))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !bytes.Equal(record.Certificate, current.Raw) {
		r.add(CodeInvalid, "certificate", "was not issued here", "")
		return nil, r.error()
	}
	if err != nil {
		return nil, fmt.Errorf("looking up certificate: %w", err)
	}
	profile, ok := a.config.Profiles.Lookup(record.Profile)
	switch {
	case !ok:
		r.add(CodeUnknownProfile, "profile", "is not known any more", "")
	case record.Status.State != journal.Valid || time.Now().After(current.NotAfter):
		r.add(CodeInvalid, "certificate", "is held, revoked or past its validity", "")
	case profile.CA:
		r.add(CodeInvalid, "certificate", "is that of an authority", "")
	}
	if err := r.error(); err != nil {
		return nil, err
	}
	request := &Request{Issuer: record.Issuer, Profile: record.Profile, Set: record.Set, Subject: map[string]string{}, DNSNames: current.DNSNames, Emails: current.EmailAddresses}
	for _, ip := range current.IPAddresses {
		if address, ok := netip.AddrFromSlice(ip); ok {
			request.IPAddresses = append(request.IPAddresses, address.Unmap())
		}
	}
	for _, rule := range profile.Subject {
		oid, _ := pki.AttributeType(rule.Attribute)
		for _, name := range current.Subject.Names {
			value, isText := name.Value.(string)
			switch {
			case !name.Type.Equal(oid) || rule.Value != "":
			case !isText || rule.Identifier != "":
				r.add(CodeInvalid, "certificate", "names a person or organisation by number, who is identified anew each time", "")
				return nil, r.error()
			default:
				request.Subject[rule.Attribute] = value
			}
		}
	}
	return request, nil
}

// RenewRequest is the body of POST /v1/renew.
type RenewRequest struct {
	// CSR is a certification request in PEM; its key is certified.
	CSR string `json:"csr"`
}

// postRenew gives a client the successor of the very certificate that it
// shows. It needs no role: whoever may not have it anew has the old one revoked.
func (a *Authority) postRenew(w http.ResponseWriter, r *http.Request, actor string) error {
	var body RenewRequest
	raw, details := problem.ReadJSON(w, r, maxBody, &body)
	if details != nil {
		return details
	}
	shown := ClientCertificate(r)
	if shown == nil {
		return problem.New(http.StatusUnauthorized, "client_certificate_required", "only the certificate that the client shows is renewed")
	}
	t, details := ticket(r, actor, raw)
	if details != nil {
		return details
	}
	return a.once(w, r, t, a.replayIssued(w, r), func() error {
		request, err := a.renewal(r.Context(), shown)
		if err != nil {
			return err
		}
		if request.CSR, err = DecodeCSR([]byte(body.CSR)); err != nil {
			return refusedFor(CodeBadCSR, "csr", err.Error(), "RFC 7468, Section 7")
		}
		request.Actor, request.Ticket = actor, t
		issued, err := a.issueNow(r.Context(), request)
		if err != nil {
			return err
		}
		created(w, issued.answer())
		return nil
	})
}
