package cfssl

import (
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io/fs"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

type revokeRequest struct {
	// Serial is the number in decimal, as cfssl writes it.
	Serial string `json:"serial"`
	// AuthorityKeyID is the issuer's key identifier in hexadecimal.
	AuthorityKeyID string `json:"authority_key_id"`
	// Reason is a name or number of RFC 5280, Section 5.3.1.
	Reason string `json:"reason"`
}

// revoke revokes a certificate of a profile that the client may ask for. The
// body may be wrapped as for authsign, which cfssl does not know: there,
// whoever reaches the server revokes.
func (a *API) revoke(r *http.Request, body []byte) (any, []message, error) {
	ctx, raw, client, err := a.open(r, body, wrapped(body))
	if err != nil {
		return nil, nil, err
	}
	if !client.Revoke {
		return nil, nil, fail(http.StatusForbidden, codePolicy, "client "+strconv.Quote(client.Name)+" may not revoke")
	}
	var request revokeRequest
	if refused := decode(raw, &request); refused != nil {
		return nil, nil, refused
	}
	reason, refused := parseReason(request.Reason)
	if refused != nil {
		return nil, nil, refused
	}
	record, certificate, err := a.find(r, request.Serial, request.AuthorityKeyID)
	if err != nil {
		return nil, nil, err
	}
	if !a.mine(client, record) {
		return nil, nil, notFound()
	}
	_, _, err = a.config.Authority.Change(ctx, journal.Entry{
		// cfssl's clients revoke what is theirs.
		Owner: journal.Holder,
		Kind:  journal.Revoked, Serial: journal.SerialOf(certificate.SerialNumber), Reason: reason,
		Actor: client.actor(), ReceivedAt: time.Now().UTC(),
	}, nil)
	return struct{}{}, nil, err
}

// mine reports whether the record is of a profile that the client may ask for.
// Others' certificates are as good as unknown to it.
func (a *API) mine(client *Client, record journal.Record) bool {
	for _, name := range client.Profiles {
		if grant := a.grants[name]; grant.Issuer() == record.Issuer && grant.Profile() == record.Profile {
			return true
		}
	}
	return false
}

// find returns a certificate by serial number, in decimal, and authority key
// identifier. The identifier may be left out, since serial numbers are unique
// here.
func (a *API) find(r *http.Request, decimal, authority string) (journal.Record, *x509.Certificate, error) {
	if decimal == "" {
		return journal.Record{}, nil, fail(http.StatusBadRequest, codeBadRequest, "serial number is required but not provided")
	}
	number, ok := new(big.Int).SetString(decimal, 10)
	// RFC 5280, Section 4.1.2.2: positive and at most 20 octets.
	if !ok || len(decimal) > 49 || number.Sign() <= 0 || number.BitLen() > 159 {
		return journal.Record{}, nil, fail(http.StatusBadRequest, codeBadRequest, "serial is not a serial number in decimal")
	}
	identifier, err := parseIdentifier(authority)
	if err != nil {
		return journal.Record{}, nil, fail(http.StatusBadRequest, codeBadRequest, "authority_key_id is not hexadecimal")
	}
	record, err := a.config.Authority.Record(r.Context(), journal.SerialOf(number))
	if errors.Is(err, fs.ErrNotExist) {
		return journal.Record{}, nil, notFound()
	}
	if err != nil {
		return journal.Record{}, nil, err
	}
	certificate, err := x509.ParseCertificate(record.Certificate)
	if err != nil {
		return journal.Record{}, nil, err
	}
	if authority != "" && string(identifier) != string(certificate.AuthorityKeyId) {
		return journal.Record{}, nil, notFound()
	}
	return record, certificate, nil
}

// parseIdentifier reads octets in hexadecimal, with or without colons between
// them. cfssl 1.2, which Debian has, writes 0A:01 as A:1.
func parseIdentifier(text string) ([]byte, error) {
	octets := strings.Split(text, ":")
	for i, octet := range octets {
		if len(octet) == 1 && len(octets) > 1 {
			octets[i] = "0" + octet
		}
	}
	return hex.DecodeString(strings.Join(octets, ""))
}

func notFound() *failure {
	return fail(http.StatusNotFound, codeNotFound, "no certificate of this serial number and authority key identifier was issued here")
}

// parseReason reads a reason's name in any case, or its number.
func parseReason(text string) (journal.Reason, *failure) {
	if text == "" {
		return journal.Unspecified, nil
	}
	for number := journal.Unspecified; number <= journal.AACompromise; number++ {
		if !strings.EqualFold(text, number.String()) && text != strconv.Itoa(int(number)) {
			continue
		}
		if number == journal.CertificateHold {
			return 0, fail(http.StatusBadRequest, codeBadRequest, "a hold is no revocation here: it has an owner who can lift it; use the authority's own interface")
		}
		if reason, err := journal.ParseRevocationReason(number.String()); err == nil {
			return reason, nil
		}
	}
	return 0, fail(http.StatusBadRequest, codeBadRequest, "invalid reason code (RFC 5280, Section 5.3.1)")
}
