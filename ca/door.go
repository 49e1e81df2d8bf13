package ca

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// Clients come in by several doors: this package's HTTP interface, cfssl's and
// EST's. One rule holds at all of them: no more requests than the client may
// make, and a TLS client certificate that still stands. A door asks
// [Authority.Admit] before it looks at a request, and [Authority.AdmitAs] when
// the client proves who it is by something else than the connection. A door
// that forgets has nothing issued and nothing changed: Prepare and Change want
// the context that these return.

// ErrNotAdmitted is a fault of a door: it did not ask whether the client may
// come in.
var ErrNotAdmitted = errors.New("ca: nobody has admitted the client of this request")

// RateError refuses a client that asks more often than it may.
type RateError struct {
	// Wait is how long until it may ask again.
	Wait time.Duration
}

func (e *RateError) Error() string { return "this client asks more often than it may" }

// RetryAfter is the wait in whole seconds (RFC 9110, Section 10.2.3).
func (e *RateError) RetryAfter() int { return int((e.Wait + time.Second - 1) / time.Second) }

// StandingError refuses a TLS client certificate. Detail follows the words "the
// TLS client certificate".
type StandingError struct{ Detail string }

func (e *StandingError) Error() string { return "the TLS client certificate " + e.Detail }

// admission says in a context who was admitted.
type admission struct {
	client string
	// inside is what the authority does by itself, or in the name of persons who
	// were admitted before.
	inside bool
}

type admissionKey struct{}

func withAdmission(ctx context.Context, who admission) context.Context {
	return context.WithValue(ctx, admissionKey{}, who)
}

// inside is the context of what the authority does by itself.
func inside(ctx context.Context) context.Context {
	return withAdmission(ctx, admission{inside: true})
}

// Admit lets a request through a door, or refuses it with a [*RateError] or a
// [*StandingError]; any other error is the register's. client is who asks, as
// far as the connection tells; empty for somebody whom the door is yet to know,
// whose requests are counted by TLS client certificate or else by address.
func (a *Authority) Admit(r *http.Request, client string) (*http.Request, error) {
	certificate := ClientCertificate(r)
	name := client
	if client == "" {
		// The name in a certificate may be the holder's choice, and that of
		// another client: it does not decide whose requests are counted.
		name = strangerName(certificate, r.RemoteAddr)
	}
	if err := a.moderate(name, client); err != nil {
		return nil, err
	}
	if certificate != nil {
		if err := a.checkStands(r.Context(), certificate); err != nil {
			return nil, err
		}
	}
	return r.WithContext(withAdmission(r.Context(), admission{client: client})), nil
}

// AdmitAs counts a request that Admit let in for the client that it has proven
// to come from, and returns the context of what the client may now do.
func (a *Authority) AdmitAs(ctx context.Context, client string) (context.Context, error) {
	if _, ok := ctx.Value(admissionKey{}).(admission); !ok {
		return nil, ErrNotAdmitted
	}
	if err := a.moderate(client, client); err != nil {
		return nil, err
	}
	return withAdmission(ctx, admission{client: client}), nil
}

// checkAdmitted holds what is asked for in the name of actor to who was let in.
// Without [Access.Rate] there are no doors: the caller is the same process.
func (a *Authority) checkAdmitted(ctx context.Context, actor string) error {
	if !a.hasDoors {
		return nil
	}
	if who, ok := ctx.Value(admissionKey{}).(admission); !ok || !who.inside && who.client != actor {
		return ErrNotAdmitted
	}
	return nil
}

// moderate takes one of the client's requests. Strangers share one bound, each
// by a name of his own.
func (a *Authority) moderate(name, client string) error {
	perSecond, burst := a.config.Access.Rate(client)
	limiter := &a.limiter
	if client == "" {
		limiter = &a.strangers
	}
	wait := limiter.take(name, perSecond, burst, time.Now())
	if wait == 0 {
		return nil
	}
	a.config.Observe("rate_limited", 0)
	return &RateError{wait}
}

// strangerName is what a stranger's requests are counted by.
func strangerName(certificate *x509.Certificate, address string) string {
	if certificate != nil {
		hash := sha256.Sum256(certificate.Raw)
		return "certificate " + hex.EncodeToString(hash[:8])
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return "address " + host
	}
	// Whoever has one address of IPv6 has 2^64 (RFC 6177, Section 2).
	if ip = ip.Unmap().WithZone(""); ip.Is6() {
		prefix, _ := ip.Prefix(64)
		ip = prefix.Addr()
	}
	return "address " + ip.String()
}

// ClientCertificate is the one that the client has shown in the handshake and
// the listener has verified; nil without one.
func ClientCertificate(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(r.TLS.VerifiedChains[0]) == 0 {
		return nil
	}
	return r.TLS.VerifiedChains[0][0]
}

// checkStands refuses a TLS client certificate that has expired since the
// handshake, that the register has as held, revoked or abandoned, or that names
// one of the authority's issuers and is not in the register. Certificates of
// others are a matter of the listener's roots alone.
func (a *Authority) checkStands(ctx context.Context, certificate *x509.Certificate) error {
	if time.Now().After(certificate.NotAfter) {
		return &StandingError{"is past its validity"}
	}
	fault, err := a.clients.ask(sha256.Sum256(certificate.Raw), func() (string, error) { return a.standingFault(ctx, certificate) })
	if err != nil {
		return err
	}
	if fault != "" {
		return &StandingError{fault}
	}
	return nil
}

// standingFault returns what the register has against a client's certificate,
// "" for nothing.
func (a *Authority) standingFault(ctx context.Context, certificate *x509.Certificate) (string, error) {
	ours := false
	for _, by := range a.issuers {
		ours = ours || by.name != nil && bytes.Equal(by.name, certificate.RawIssuer) && bytes.Equal(by.keyID, certificate.AuthorityKeyId)
	}
	record, err := a.config.Register.Record(ctx, journal.SerialOf(certificate.SerialNumber))
	unknown := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !unknown:
		return "", fmt.Errorf("looking up client certificate: %w", err)
	case unknown || !bytes.Equal(record.Certificate, certificate.Raw):
		// Of another authority that the listener trusts, perhaps under a serial that
		// is ours by chance; or made with a key of ours and not by this authority.
		if ours {
			return "was not issued here", nil
		}
		return "", nil
	case record.Status.State != journal.Valid:
		return "is " + string(record.Status.State), nil
	}
	return "", nil
}
