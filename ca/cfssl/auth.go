package cfssl

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/altamga/altamga/ca"
)

// authenticated is the wrapper of cfssl's standard authentication: Token is
// the HMAC-SHA-256 of Request under a key that both sides know.
//
// The wrapper has a time and an address, which the token does not cover: they
// prove nothing and are not looked at. A wrapper can therefore be sent again by
// whoever sees it; what that gains him is another certificate for a key that
// is not his.
type authenticated struct {
	Timestamp     int64  `json:"timestamp"`
	RemoteAddress []byte `json:"remote_address"`
	Token         []byte `json:"token"`
	Request       []byte `json:"request"`
}

// byToken returns the client whose key made the wrapper's token.
func (a *API) byToken(wrapper *authenticated) (*Client, *failure) {
	var found *Client
	for i := range a.config.Clients {
		client := &a.config.Clients[i]
		if client.Key == nil {
			continue
		}
		h := hmac.New(sha256.New, client.Key)
		h.Write(wrapper.Request)
		// Every key is tried, so that the time tells nothing.
		if hmac.Equal(h.Sum(nil), wrapper.Token) {
			found = client
		}
	}
	if found == nil {
		return nil, fail(http.StatusUnauthorized, codeAuthentication, "invalid token")
	}
	return found, nil
}

// byCertificate returns the client that the connection's TLS certificate
// names. The error is a *failure unless the register did not answer.
func (a *API) byCertificate(r *http.Request) (*Client, error) {
	certificate := ca.ClientCertificate(r)
	if certificate == nil {
		return nil, fail(http.StatusUnauthorized, codeAuthentication,
			"authentication required: use authsign with a key of this authority, or a TLS client certificate")
	}
	for i := range a.config.Clients {
		client := &a.config.Clients[i]
		if client.CommonName == "" || client.CommonName != certificate.Subject.CommonName {
			continue
		}
		err := a.config.Authority.Vouch(r.Context(), certificate, client.ClientIssuer, client.ClientProfile)
		if refused, ok := errors.AsType[*ca.RefusedError](err); ok {
			return nil, fail(http.StatusForbidden, codeAuthentication, "the TLS client certificate "+refused.Fields[0].Detail)
		}
		return client, err
	}
	return nil, fail(http.StatusForbidden, codeAuthentication, "the TLS client certificate is not that of a known client")
}

// wrapped reports whether a body is a wrapper.
func wrapped(body []byte) bool {
	var keys map[string]json.RawMessage
	if json.Unmarshal(body, &keys) != nil {
		return false
	}
	_, token := keys["token"]
	_, request := keys["request"]
	return token && request
}

// open returns what a body asks for, who asks, and the context of what that
// client may do: a wrapper names its client by its token, without one the TLS
// certificate does.
func (a *API) open(r *http.Request, body []byte, wrapped bool) (context.Context, []byte, *Client, error) {
	client, err := (*Client)(nil), error(nil)
	if wrapped {
		var wrapper authenticated
		if refused := decode(body, &wrapper); refused != nil {
			return nil, nil, nil, refused
		}
		var refused *failure
		if client, refused = a.byToken(&wrapper); refused != nil {
			return nil, nil, nil, refused
		}
		body = wrapper.Request
	} else if client, err = a.byCertificate(r); err != nil {
		return nil, nil, nil, err
	}
	ctx, err := a.config.Authority.AdmitAs(r.Context(), client.actor())
	return ctx, body, client, err
}

// may reports whether the client may ask for a profile.
func (c *Client) may(profile string) bool { return slices.Contains(c.Profiles, profile) }

// actor is the client's name in journal and audit log.
func (c *Client) actor() string { return "cfssl:" + c.Name }
