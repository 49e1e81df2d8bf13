package est

import (
	"encoding/asn1"
	"net/http"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/pki"
)

var (
	// RFC 2985, Section 5.4.1.
	oidChallengePassword = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 7}
	// RFC 5480, Section 2.1, and RFC 4055, Section 1.2.
	oidECPublicKey   = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidRSAEncryption = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
)

// keyAttributes tells by a profile's word for a kind of key what a request for
// it looks like: the curve, and the hash that goes with it.
var keyAttributes = map[string]struct{ curve, signature asn1.ObjectIdentifier }{
	"p256": {asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}, pki.OIDECDSAWithSHA256},
	"p384": {asn1.ObjectIdentifier{1, 3, 132, 0, 34}, pki.OIDECDSAWithSHA384},
	"p521": {asn1.ObjectIdentifier{1, 3, 132, 0, 35}, pki.OIDECDSAWithSHA512},
}

// leastRSA is the least size of an RSA key that is certified, in bits.
const leastRSA = 3072

// getCSRAttrs says what requests under a label should hold: the link to the
// connection where it is required, and the kind of key where there is only one.
//
// RFC 8951, Section 4: an empty list and 204 mean the same.
func (a *API) getCSRAttrs(w http.ResponseWriter, _ *http.Request, label *Label) error {
	body, err := csrAttributes(label.RequireLink, a.onlyKind(label))
	if err != nil {
		return err
	}
	if body == nil {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	respond(w, "application/csrattrs", body)
	return nil
}

// onlyKind returns the one kind of key that all profiles of the label allow;
// "" when there is a choice.
func (a *API) onlyKind(label *Label) string {
	only := ""
	for _, name := range label.Profiles {
		profile, ok := a.config.Authority.Profile(label.Issuer, name)
		if !ok || len(profile.Keys) != 1 || only != "" && only != profile.Keys[0] {
			return ""
		}
		only = profile.Keys[0]
	}
	return only
}

// csrAttributes encodes CsrAttrs (RFC 8951, Section 4); nil when it would be
// empty.
func csrAttributes(link bool, kind string) ([]byte, error) {
	known, isEC := keyAttributes[kind]
	if !link && !isEC && kind != "rsa" && kind != "ed25519" {
		return nil, nil
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if link {
			b.AddASN1ObjectIdentifier(oidChallengePassword)
		}
		attribute := func(id asn1.ObjectIdentifier, value func(*cryptobyte.Builder)) {
			b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(id)
				b.AddASN1(cryptobyte_asn1.SET, value)
			})
		}
		switch {
		case isEC:
			attribute(oidECPublicKey, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(known.curve) })
			b.AddASN1ObjectIdentifier(known.signature)
		case kind == "rsa":
			attribute(oidRSAEncryption, func(b *cryptobyte.Builder) { b.AddASN1Int64(leastRSA) })
		case kind == "ed25519":
			b.AddASN1ObjectIdentifier(pki.OIDEd25519)
		}
	})
	return b.Bytes()
}
