package ra

import (
	"context"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// Authority is the certification authority as the registration authority sees
// it.
//
// What the authority refuses comes back as a *problem.Details in the error's
// chain; any other error means that it could not be reached or gave no answer,
// and that the same request may be sent again with the same IdempotencyKey.
type Authority interface {
	// IssueSet issues the certificates of one holder, all or none, in the order of
	// the request. A refusal names fields as certificates[1].csr.
	IssueSet(ctx context.Context, request SetRequest) ([]Issued, error)
	Change(ctx context.Context, request ChangeRequest) (Changed, error)
	// Certificate returns a certificate of the register with its history. A
	// serial that the register does not know, or has only reserved, is a
	// *problem.Details with status 404.
	Certificate(ctx context.Context, serial journal.Serial) (Certificate, error)
}

// SetRequest asks for the certificates of one holder.
type SetRequest struct {
	// Issuer is the authority's short name for the issuing centre ("ehm").
	Issuer string
	// GivenName, Surname and FIN are the subject's, as verified. CommonName is
	// both names.
	GivenName, Surname, CommonName, FIN string
	// Set names the certificates that are issued together.
	Set          string
	Certificates []IssueRequest
	// IdempotencyKey stands for this request and no other.
	IdempotencyKey string
}

// IssueRequest is one certificate of a set.
type IssueRequest struct {
	Profile string
	// CSR is the PKCS#10 request in PEM.
	CSR string
}

// Issued is a new certificate.
type Issued struct {
	Serial journal.Serial
	// Certificate is in PEM; Chain is its issuers in PEM, from the issuing
	// centre upward, without the root.
	Certificate, Chain string
}

// ChangeRequest asks to hold a certificate, to lift a hold or to revoke.
type ChangeRequest struct {
	Serial journal.Serial
	// Kind is journal.Held, journal.Released or journal.Revoked.
	Kind  journal.Kind
	Owner journal.Owner
	// Reason and InvalidityDate qualify a revocation.
	Reason         journal.Reason
	InvalidityDate time.Time
	// ReceivedAt is when the request reached the centre.
	ReceivedAt time.Time
	// Persons are the staff who asked for the change and, where that takes
	// another, confirmed it, by their short names.
	Persons        []string
	IdempotencyKey string
}

// Changed is what a change led to.
type Changed struct {
	Status journal.Status
	Entry  journal.Entry
}

// Certificate is a certificate of the authority's register.
type Certificate struct {
	Serial  journal.Serial
	Issuer  string
	Profile string
	Set     string
	// Certificate is in PEM.
	Certificate string
	Status      journal.Status
	History     []journal.Entry
	// Above are the authorities over it, from the one that issued it to the root.
	Above []Above
}

// Above is an authority over a certificate.
type Above struct {
	Name string
	// State is that of its certificate, empty when the register does not have it.
	State    journal.State
	NotAfter time.Time
}
