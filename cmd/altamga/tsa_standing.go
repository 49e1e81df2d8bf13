package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/altamga/altamga/tsa"
)

// unitStanding asks the responders that the units' certificates name whether
// these are held or revoked.
type unitStanding struct {
	client *http.Client
	log    *slog.Logger
	// issuers, by the hash of the unit's certificate, of those that are asked for.
	mu      sync.Mutex
	issuers map[[32]byte]*x509.Certificate
}

func newUnitStanding(units []tsa.Unit, log *slog.Logger) *unitStanding {
	s := &unitStanding{client: &http.Client{Timeout: 10 * time.Second}, log: log, issuers: make(map[[32]byte]*x509.Certificate)}
	for _, u := range units {
		s.add(u)
	}
	return s
}

// add has a further unit's certificate asked for.
func (s *unitStanding) add(u tsa.Unit) {
	if len(u.Certificate.OCSPServer) == 0 || len(u.Chain) == 0 {
		s.log.Warn("whether a unit's certificate is held or revoked is not asked: it names no responder, or has no chain", "unit", u.Certificate.Subject.CommonName)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issuers[hashOf(u.Certificate)] = u.Chain[0]
}

// ask reports whether a unit's certificate is good.
func (s *unitStanding) ask(ctx context.Context, certificate *x509.Certificate) (bool, error) {
	s.mu.Lock()
	issuer, ok := s.issuers[hashOf(certificate)]
	s.mu.Unlock()
	if !ok {
		return true, nil
	}
	var faults []error
	for _, url := range certificate.OCSPServer {
		good, err := askStanding(ctx, s.client, url, certificate, issuer)
		if err == nil {
			return good, nil
		}
		faults = append(faults, err)
	}
	return false, errors.Join(faults...)
}

func hashOf(c *x509.Certificate) [32]byte {
	var sum [32]byte
	h := crypto.SHA256.New()
	h.Write(c.Raw)
	h.Sum(sum[:0])
	return sum
}

// askStanding asks one responder. Only good is good.
func askStanding(ctx context.Context, client *http.Client, url string, certificate, issuer *x509.Certificate) (bool, error) {
	query, err := ocsp.CreateRequest(certificate, issuer, &ocsp.RequestOptions{Hash: crypto.SHA256})
	if err != nil {
		return false, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(query))
	if err != nil {
		return false, err
	}
	request.Header.Set("Content-Type", "application/ocsp-request")
	response, err := client.Do(request)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return false, err
	}
	if response.StatusCode != http.StatusOK {
		return false, fmt.Errorf("asking %s: %s", url, response.Status)
	}
	answer, err := ocsp.ParseResponseForCert(body, certificate, issuer)
	if err != nil {
		return false, fmt.Errorf("asking %s: %w", url, err)
	}
	now, until := time.Now(), answer.NextUpdate
	if until.IsZero() {
		// RFC 6960, Section 2.4: then newer information is always available.
		until = answer.ThisUpdate.Add(time.Hour)
	}
	if now.Before(answer.ThisUpdate.Add(-time.Minute)) || now.After(until) {
		return false, fmt.Errorf("asking %s: the answer is not of now", url)
	}
	if err := mayAnswer(answer.Certificate, issuer, now); err != nil {
		return false, fmt.Errorf("asking %s: %w", url, err)
	}
	switch answer.Status {
	case ocsp.Good:
		return true, nil
	case ocsp.Revoked:
		return false, nil
	}
	return false, fmt.Errorf("asking %s: it does not know the certificate", url)
}

// mayAnswer reports why a certificate of the issuer's may not answer for it; nil
// stands for the issuer's own. The library has checked that the issuer issued it,
// which it has a unit's certificate, too: whoever stole that one's key must not
// say that all is well.
//
// RFC 6960, Section 4.2.2.2: it has to have the extended key usage OCSPSigning.
func mayAnswer(signer, issuer *x509.Certificate, now time.Time) error {
	switch {
	case signer == nil || signer.Equal(issuer):
		return nil
	case !slices.Contains(signer.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return fmt.Errorf("%s, which signed the answer, is no responder's certificate", signer.Subject)
	case now.Before(signer.NotBefore) || now.After(signer.NotAfter):
		return fmt.Errorf("%s, which signed the answer, is valid from %v to %v only", signer.Subject, signer.NotBefore, signer.NotAfter)
	}
	return nil
}
