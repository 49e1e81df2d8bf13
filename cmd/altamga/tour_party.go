package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"time"

	"github.com/digitorus/timestamp"
	"golang.org/x/crypto/ocsp"
)

// party is a relying party: it asks the servers over the wire and judges their
// answers with libraries that are not ours.
type party struct {
	http *http.Client
	// root is all that the party trusts.
	root *x509.Certificate
	// issuers are the certificates between root and leaf, as the chain file
	// has them: the issuing centre first.
	issuers []*x509.Certificate
}

// exchange sends a body and returns the answer of the expected media type.
func (p *party) exchange(ctx context.Context, url, sent string, body []byte, expected string) ([]byte, error) {
	method := http.MethodPost
	if body == nil {
		method = http.MethodGet
	}
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if sent != "" {
		request.Header.Set("Content-Type", sent)
	}
	response, err := p.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", url, response.Status)
	}
	if media := response.Header.Get("Content-Type"); media != expected {
		return nil, fmt.Errorf("%s answered media type %q, not %q", url, media, expected)
	}
	return answer, nil
}

// chain verifies a certificate up to the root.
func (p *party) chain(leaf *x509.Certificate, usage x509.ExtKeyUsage) (int, error) {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(p.root)
	for _, c := range p.issuers {
		between.AddCert(c)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{usage}})
	if err != nil {
		return 0, err
	}
	return len(chains[0]), nil
}

// status asks the certificate's own OCSP responder.
func (p *party) status(ctx context.Context, leaf *x509.Certificate) (string, error) {
	issuer := p.issuers[0]
	if len(leaf.OCSPServer) == 0 {
		return "", errors.New("the certificate names no OCSP responder")
	}
	request, err := ocsp.CreateRequest(leaf, issuer, &ocsp.RequestOptions{Hash: crypto.SHA256})
	if err != nil {
		return "", err
	}
	answer, err := p.exchange(ctx, leaf.OCSPServer[0], "application/ocsp-request", request, "application/ocsp-response")
	if err != nil {
		return "", err
	}
	response, err := ocsp.ParseResponseForCert(answer, leaf, issuer)
	if err != nil {
		return "", err
	}
	if now := time.Now(); now.Before(response.ThisUpdate.Add(-time.Minute)) || !now.Before(response.NextUpdate) {
		return "", fmt.Errorf("the answer is valid from %s to %s, and now is not between", response.ThisUpdate, response.NextUpdate)
	}
	switch {
	case response.Status == ocsp.Good:
		return "good", nil
	case response.Status == ocsp.Revoked && response.RevocationReason == ocsp.CertificateHold:
		return "certificateHold", nil
	case response.Status == ocsp.Revoked:
		return fmt.Sprintf("revoked, reason %d", response.RevocationReason), nil
	}
	return "unknown", nil
}

// answered waits until OCSP says what is expected. A change is acknowledged
// before every responder has read it in the journal, which takes a fraction of
// a second between processes.
func (p *party) answered(ctx context.Context, leaf *x509.Certificate, expected string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	for {
		got, err := p.status(ctx, leaf)
		if err != nil {
			return err
		}
		if got == expected {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the answer still is %s, not %s", got, expected)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// list fetches the certificate's own CRL, checks it and looks for the
// certificate in it; the reason is -1 when the list does not have it.
func (p *party) list(ctx context.Context, leaf *x509.Certificate) (number *big.Int, reason int, err error) {
	if len(leaf.CRLDistributionPoints) == 0 {
		return nil, 0, errors.New("the certificate names no CRL")
	}
	answer, err := p.exchange(ctx, leaf.CRLDistributionPoints[0], "", nil, "application/pkix-crl")
	if err != nil {
		return nil, 0, err
	}
	list, err := x509.ParseRevocationList(answer)
	if err != nil {
		return nil, 0, err
	}
	if err := list.CheckSignatureFrom(p.issuers[0]); err != nil {
		return nil, 0, err
	}
	if !time.Now().Before(list.NextUpdate) {
		return nil, 0, fmt.Errorf("the list is stale since %s", list.NextUpdate)
	}
	for _, entry := range list.RevokedCertificateEntries {
		if entry.SerialNumber.Cmp(leaf.SerialNumber) == 0 {
			return list.Number, entry.ReasonCode, nil
		}
	}
	return list.Number, -1, nil
}

// listed waits until the certificate's CRL says what is expected of it: lists
// follow a change within a bounded delay, not at once.
func (p *party) listed(ctx context.Context, leaf *x509.Certificate, expected int) (*big.Int, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		number, reason, err := p.list(ctx, leaf)
		if err != nil {
			return nil, err
		}
		if reason == expected {
			return number, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("CRL %d still has reason %d for the certificate, not %d", number, reason, expected)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stamp has a message time-stamped and checks the token down to the root.
func (p *party) stamp(ctx context.Context, url string, message []byte) (answer []byte, at time.Time, err error) {
	request, err := timestamp.CreateRequest(bytes.NewReader(message), &timestamp.RequestOptions{Hash: crypto.SHA256, Certificates: true})
	if err != nil {
		return nil, at, err
	}
	answer, err = p.exchange(ctx, url, "application/timestamp-query", request, "application/timestamp-reply")
	if err != nil {
		return nil, at, err
	}
	token, err := timestamp.ParseResponse(answer)
	if err != nil {
		return nil, at, err
	}
	digest := crypto.SHA256.New()
	digest.Write(message)
	if !bytes.Equal(token.HashedMessage, digest.Sum(nil)) {
		return nil, at, errors.New("the token is over another message")
	}
	if len(token.Certificates) == 0 {
		return nil, at, errors.New("the token carries no certificate")
	}
	if _, err := p.chain(token.Certificates[0], x509.ExtKeyUsageTimeStamping); err != nil {
		return nil, at, fmt.Errorf("verifying the time-stamping unit's certificate: %w", err)
	}
	if away := time.Since(token.Time).Abs(); away > time.Minute {
		return nil, at, fmt.Errorf("the token's time is %s away from ours", away)
	}
	return answer, token.Time, nil
}
