package cfssl

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"slices"
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
// names.
func (a *API) byCertificate(r *http.Request) (*Client, *failure) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(r.TLS.VerifiedChains[0]) == 0 {
		return nil, fail(http.StatusUnauthorized, codeAuthentication,
			"authentication required: use authsign with a key of this authority, or a TLS client certificate")
	}
	name := r.TLS.VerifiedChains[0][0].Subject.CommonName
	for i := range a.config.Clients {
		if client := &a.config.Clients[i]; client.CommonName != "" && client.CommonName == name {
			return client, nil
		}
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

// open returns what a body asks for and who asks: a wrapper names its client
// by its token, without one the TLS certificate does.
func (a *API) open(r *http.Request, body []byte, wrapped bool) ([]byte, *Client, *failure) {
	if !wrapped {
		client, refused := a.byCertificate(r)
		return body, client, refused
	}
	var wrapper authenticated
	if refused := decode(body, &wrapper); refused != nil {
		return nil, nil, refused
	}
	client, refused := a.byToken(&wrapper)
	return wrapper.Request, client, refused
}

// may reports whether the client may ask for a profile.
func (c *Client) may(profile string) bool { return slices.Contains(c.Profiles, profile) }

// actor is the client's name in journal and audit log.
func (c *Client) actor() string { return "cfssl:" + c.Name }
