package est

import (
	"context"
	"net/http"

	"golang.org/x/crypto/bcrypt"

	"github.com/altamga/altamga/ca"
)

// authenticate returns the account that a request comes from.
//
// RFC 7030, Section 3.2.3: the name and password of HTTP Basic, over TLS
// alone; else RFC 7030, Section 3.3.2: a TLS client certificate.
func (a *API) authenticate(r *http.Request) (*account, error) {
	certificate := ca.ClientCertificate(r)
	name, password, basic := r.BasicAuth()
	var found *account
	switch {
	case basic:
		good, err := a.compare(r.Context(), a.accounts[name], password)
		if err != nil {
			return nil, err
		}
		if !good {
			return nil, fail(http.StatusUnauthorized, "the account or its password is wrong")
		}
		found = a.accounts[name]
	case certificate == nil:
		return nil, fail(http.StatusUnauthorized, "authentication is required: HTTP Basic, or a TLS client certificate")
	default:
		for _, account := range a.accounts {
			if account.CommonName != "" && account.CommonName == certificate.Subject.CommonName {
				found = account
			}
		}
		if found == nil {
			return nil, fail(http.StatusForbidden, "the TLS client certificate is not that of an account")
		}
		if found.Secret != nil {
			return nil, fail(http.StatusUnauthorized, "this account needs its password beside its certificate")
		}
	}
	if found.CommonName == "" {
		return found, nil
	}
	if certificate == nil || certificate.Subject.CommonName != found.CommonName {
		return nil, fail(http.StatusForbidden, "this account needs its TLS client certificate")
	}
	return found, forbidden(a.config.Authority.Vouch(r.Context(), certificate, found.ClientIssuer, found.ClientProfile))
}

// compare reports whether the password is the account's.
func (a *API) compare(ctx context.Context, account *account, password string) (bool, error) {
	select {
	case a.secrets <- struct{}{}:
		defer func() { <-a.secrets }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	// Unknown accounts take as long to refuse as wrong passwords.
	hash, known := a.nobody, account != nil && account.Secret != nil
	if known {
		hash = account.Secret
	}
	return bcrypt.CompareHashAndPassword(hash, []byte(password)) == nil && known, nil
}

// forbidden turns a refusal of the authority into one of the client.
func forbidden(err error) error {
	if refused, ok := asRefused(err); ok && refused.Code == ca.CodeNotRenewable {
		return fail(http.StatusForbidden, "the TLS client certificate "+refused.Fields[0].Detail)
	}
	return err
}
