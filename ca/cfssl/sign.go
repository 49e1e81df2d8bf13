package cfssl

import (
	"encoding/pem"
	"fmt"
	"net/http"

	"github.com/altamga/altamga/ca"
)

type signResult struct {
	Certificate string `json:"certificate"`
}

// sign answers sign and authsign.
func (a *API) sign(r *http.Request, body []byte, wrapped bool) (any, []message, error) {
	ctx, raw, client, err := a.open(r, body, wrapped)
	if err != nil {
		return nil, nil, err
	}
	var request signRequest
	if refused := decode(raw, &request); refused != nil {
		return nil, nil, refused
	}
	grant, refused := a.granted(&request, client)
	if refused != nil {
		return nil, nil, refused
	}
	if field := request.beyond(); field != "" {
		return nil, nil, fail(http.StatusBadRequest, codeInvalidRequest, fmt.Sprintf("%q is the profile's to decide; leave it out", field))
	}
	csr, refused := request.decodeCSR()
	if refused != nil {
		return nil, nil, refused
	}
	wish, err := request.wish(csr)
	if err != nil {
		return nil, nil, err
	}
	wanted, err := grant.Request(csr, wish, client.actor())
	if err != nil {
		return nil, nil, err
	}
	prepared, err := a.config.Authority.Prepare(ctx, *wanted)
	if err != nil {
		return nil, nil, err
	}
	issued, err := a.config.Authority.Issue(ctx, prepared)
	if err != nil {
		return nil, nil, err
	}
	var notes []message
	if request.Bundle {
		notes = append(notes, message{codeInvalidRequest, "no bundle is made here; ask info for the issuer's certificate"})
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issued.Raw})
	return signResult{string(text)}, notes, nil
}

// granted returns what the named profile stands for, if the client may ask for
// it.
func (a *API) granted(request *signRequest, client *Client) (*ca.Grant, *failure) {
	grant, refused := a.profile(request.Profile, request.Label)
	switch {
	case refused != nil:
		return nil, refused
	case !client.may(request.Profile):
		return nil, fail(http.StatusForbidden, codePolicy, fmt.Sprintf("client %q may not ask for profile %q", client.Name, request.Profile))
	}
	return grant, nil
}

// profile returns the grant of a profile. A label, if there is one, must be
// the profile's issuer.
//
// cfssl signs with its default profile when it does not know the named one.
// Whoever misspells a name would get what he did not ask for, so here that is
// an error, and so is no name.
func (a *API) profile(name, label string) (*ca.Grant, *failure) {
	grant, ok := a.grants[name]
	switch {
	case name == "":
		return nil, fail(http.StatusBadRequest, codeUnknownProfile, "the request names no profile, and there is no default one; use -profile")
	case !ok:
		return nil, fail(http.StatusBadRequest, codeUnknownProfile, fmt.Sprintf("profile %q is unknown, and there is no default one", name))
	case label != "" && label != grant.Issuer():
		return nil, fail(http.StatusBadRequest, codeUnknownProfile, fmt.Sprintf("profile %q is not one of label %q", name, label))
	}
	return grant, nil
}
