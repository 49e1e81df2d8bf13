package ca

import (
	"crypto/x509"
	"encoding/pem"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// IssueRequest is the body of POST /v1/certificates.
type IssueRequest struct {
	Issuer  string `json:"issuer"`
	Profile string `json:"profile"`
	// CSR is a certification request in PEM.
	CSR string `json:"csr"`
	// Subject gives the subject by attribute key, or by the fields of
	// identifiers: fin, voen, passport, passport_country, virtual_pin.
	Subject     map[string]string `json:"subject,omitempty"`
	DNSNames    []string          `json:"dns_names,omitempty"`
	IPAddresses []string          `json:"ip_addresses,omitempty"`
	Emails      []string          `json:"emails,omitempty"`
	URIs        []string          `json:"uris,omitempty"`
	Set         string            `json:"set,omitempty"`
}

// IssueAnswer is the answer to it, 201.
type IssueAnswer struct {
	Serial  journal.Serial `json:"serial"`
	Issuer  string         `json:"issuer"`
	Profile string         `json:"profile"`
	Set     string         `json:"set,omitempty"`
	// Certificate is PEM.
	Certificate string `json:"certificate"`
	// Chain is PEM: the issuing authority and those above it, without the
	// self-signed root.
	Chain string `json:"chain"`
	// Position is that of the Issued entry in the journal.
	Position uint64 `json:"position"`
}

// ChangeRequest is the body of POST /v1/certificates/{serial}/hold, release
// and revoke.
type ChangeRequest struct {
	// Owner of the hold: holder, organisation, court, centre. Optional when
	// revoking.
	Owner string `json:"owner,omitempty"`
	// Reason of a revocation by its name in RFC 5280, Section 5.3.1; empty is
	// unspecified.
	Reason string `json:"reason,omitempty"`
	// InvalidityDate is since when the key must be thought compromised.
	InvalidityDate time.Time `json:"invalidity_date,omitzero"`
	// ReceivedAt is when the request reached the centre; zero is now.
	ReceivedAt time.Time `json:"received_at,omitzero"`
	// Persons are those who agreed to the change, by their short names, where
	// the client vouches for that; see [Access.Vouches].
	Persons []string `json:"persons,omitempty"`
}

// ChangeAnswer is the answer to it, 200.
type ChangeAnswer struct {
	Status journal.Status `json:"status"`
	Entry  journal.Entry  `json:"entry"`
}

// CertificateAnswer is the answer to GET /v1/certificates/{serial}.
type CertificateAnswer struct {
	Serial      journal.Serial  `json:"serial"`
	Issuer      string          `json:"issuer"`
	Profile     string          `json:"profile"`
	Set         string          `json:"set,omitempty"`
	Certificate string          `json:"certificate"`
	Status      journal.Status  `json:"status"`
	NotAfter    time.Time       `json:"not_after"`
	History     []journal.Entry `json:"history"`
	// Above are the authorities over it, from the one that issued it to the root:
	// a certificate is worth no more than they are.
	Above []AboveAnswer `json:"above"`
}

// AboveAnswer is an authority over a certificate.
type AboveAnswer struct {
	// Name is the common name.
	Name string `json:"name"`
	// State is that of its certificate, empty when the register does not have it.
	State    journal.State `json:"state,omitempty"`
	NotAfter time.Time     `json:"not_after"`
}

// IssuerAnswer is one element of the answer to GET /v1/issuers.
type IssuerAnswer struct {
	ID string `json:"id"`
	// Certificate is PEM, empty while the issuer has none.
	Certificate string `json:"certificate"`
	// Profiles lists what may be asked for over HTTP.
	Profiles []string `json:"profiles"`
}

func encodePEM(certificates ...[]byte) string {
	var text []byte
	for _, raw := range certificates {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})...)
	}
	return string(text)
}

func chainPEM(chain []*x509.Certificate) string {
	raws := make([][]byte, 0, len(chain))
	for _, c := range chain {
		raws = append(raws, c.Raw)
	}
	return encodePEM(raws...)
}
