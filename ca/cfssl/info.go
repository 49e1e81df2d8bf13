package cfssl

import (
	"encoding/pem"
	"net/http"
	"time"

	"github.com/altamga/altamga/ca"
)

type infoRequest struct {
	Label   string `json:"label"`
	Profile string `json:"profile"`
}

type infoResult struct {
	Certificate string   `json:"certificate"`
	Usages      []string `json:"usages"`
	Expiry      string   `json:"expiry"`
}

// usages translates the names of key usages and purposes to cfssl's.
var usages = map[string]string{
	"digitalSignature": "digital signature", "nonRepudiation": "content commitment", "keyEncipherment": "key encipherment",
	"dataEncipherment": "data encipherment", "keyAgreement": "key agreement",
	"serverAuth": "server auth", "clientAuth": "client auth", "timeStamping": "timestamping", "OCSPSigning": "ocsp signing",
}

// info answers with an issuer's certificate and what a profile gives. It is
// for everybody: both are public.
func (a *API) info(_ *http.Request, body []byte) (any, []message, error) {
	var request infoRequest
	if refused := decode(body, &request); refused != nil {
		return nil, nil, refused
	}
	issuer, refused := a.issuer(&request)
	if refused != nil {
		return nil, nil, refused
	}
	result := infoResult{Usages: []string{}}
	if request.Profile != "" {
		grant, refused := a.profile(request.Profile, request.Label)
		if refused != nil {
			return nil, nil, refused
		}
		if profile, ok := a.config.Authority.Profile(grant.Issuer(), grant.Profile()); ok {
			result.Usages, result.Expiry = describe(profile)
		}
	}
	chain, ok := a.config.Authority.Chain(issuer)
	if !ok {
		return nil, nil, fail(http.StatusServiceUnavailable, codeServer, "the issuer has no certificate yet")
	}
	result.Certificate = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: chain[0].Raw}))
	return result, nil, nil
}

// describe tells a profile's usages and validity in cfssl's words.
func describe(profile *ca.Profile) (words []string, expiry string) {
	words = []string{}
	for _, list := range [][]string{profile.KeyUsage, profile.ExtKeyUsage} {
		for _, name := range list {
			if word, ok := usages[name]; ok {
				words = append(words, word)
			}
		}
	}
	return words, profile.Validity.Duration(time.Now().UTC().Truncate(time.Second)).String()
}

// issuer finds the issuer that a request is about: that of its profile or
// label, or the only one there is.
func (a *API) issuer(request *infoRequest) (string, *failure) {
	if request.Profile != "" {
		grant, refused := a.profile(request.Profile, request.Label)
		if refused != nil {
			return "", refused
		}
		return grant.Issuer(), nil
	}
	found := map[string]bool{}
	last := ""
	for _, grant := range a.grants {
		if request.Label == "" || request.Label == grant.Issuer() {
			last = grant.Issuer()
			found[last] = true
		}
	}
	switch {
	case len(found) == 0:
		return "", fail(http.StatusBadRequest, codeBadRequest, "bad label")
	case len(found) > 1:
		return "", fail(http.StatusBadRequest, codeBadRequest, "there are several issuers; name a profile or a label")
	}
	return last, nil
}
