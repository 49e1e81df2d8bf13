package ca

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/problem"
)

// Set asks for certificates that belong together, such as a holder's signature
// and authentication pair. All of them are issued or none is.
type Set struct {
	// Name of the set; empty takes a random one.
	Name string
	// Actor is the authenticated client.
	Actor string
	// Ticket makes the request repeatable; nil for none.
	Ticket *journal.Ticket
	// Requests are for the single certificates. Their Set, Actor and Ticket are
	// those above.
	Requests []Request
}

// maxSet bounds the certificates of one set.
const maxSet = 8

// PreparedSet is a set that passed every check and whose intents are durable: a
// token that [Authority.IssueSet] redeems once.
type PreparedSet struct {
	authority *Authority
	members   []*Prepared
	ticket    *journal.Ticket
	spent     atomic.Bool
}

// PrepareSet decides about every certificate of a set, as [Authority.Prepare]
// does for one. When one of them is refused, all are: the [*RefusedError] names
// every wrong field of every request, as in certificates[1].csr, and nothing is
// left behind but an audit line.
func (a *Authority) PrepareSet(ctx context.Context, set Set) (*PreparedSet, error) {
	if err := a.checkAdmitted(ctx, set.Actor); err != nil {
		return nil, err
	}
	began := time.Now()
	members, err := a.decideSet(ctx, set)
	if err != nil {
		return nil, a.refused(ctx, set.Actor, began, err)
	}
	if err := a.reserve(ctx, memberPrefix, members...); err != nil {
		return nil, a.refused(ctx, set.Actor, began, err)
	}
	return &PreparedSet{authority: a, members: members, ticket: set.Ticket}, nil
}

// memberPrefix begins the names of the fields of one certificate of a set.
func memberPrefix(i int) string { return fmt.Sprintf("certificates[%d].", i) }

func (a *Authority) decideSet(ctx context.Context, set Set) ([]*Prepared, error) {
	var r refusal
	if len(set.Requests) == 0 || len(set.Requests) > maxSet {
		r.add(CodeInvalid, "certificates", fmt.Sprintf("holds %d requests, not 1 to %d", len(set.Requests), maxSet), "")
		return nil, r.error()
	}
	if set.Name == "" {
		set.Name = rand.Text()
	}
	var members []*Prepared
	holders := map[[32]byte]int{}
	for i, request := range set.Requests {
		request.Set, request.Actor, request.Ticket = set.Name, set.Actor, nil
		member, err := a.decide(ctx, &request)
		if refused, ok := errors.AsType[*RefusedError](err); ok {
			r.take(memberPrefix(i), refused)
			continue
		}
		if err != nil {
			return nil, err
		}
		// Each certificate of a set has a use of its own, and so a key.
		if other, ok := holders[member.intent.KeyHash]; ok {
			r.add(CodeKeyInUse, memberPrefix(i)+"csr", fmt.Sprintf("holds the key of certificates[%d]", other), "ETSI EN 319 412-2, Section 4.3.2")
		}
		holders[member.intent.KeyHash] = i
		members = append(members, member)
	}
	return members, r.error()
}

// IssueSet redeems a token: it signs each certificate of the set as
// [Authority.Issue] does, and records them in one commit. When a signature or
// the commit fails, none of them was issued: the reserved serials account for
// what was signed.
func (a *Authority) IssueSet(ctx context.Context, set *PreparedSet) ([]*Issued, error) {
	began := time.Now()
	issued, err := a.issueSet(ctx, set)
	if err != nil {
		a.config.Observe("failed", time.Since(began))
		return nil, err
	}
	for range issued {
		a.config.Observe("issued", time.Since(began))
	}
	return issued, nil
}

func (a *Authority) issueSet(ctx context.Context, set *PreparedSet) ([]*Issued, error) {
	if set.authority != a {
		return nil, errors.New("ca: the prepared set is of another authority")
	}
	if !set.spent.CompareAndSwap(false, true) {
		return nil, ErrSpent
	}
	issued := make([]*Issued, len(set.members))
	signed := make([]journal.Signed, len(set.members))
	for i, member := range set.members {
		certificate, err := a.signPrepared(ctx, member)
		if err != nil {
			return nil, err
		}
		issued[i] = member.issued(certificate)
		signed[i] = journal.Signed{Serial: member.intent.Serial, Certificate: certificate}
	}
	entries, err := a.record(ctx, set.ticket, signed...)
	if err != nil {
		return nil, err
	}
	for i := range issued {
		issued[i].Entry = entries[i]
	}
	return issued, nil
}

// SetRequest is the body of POST /v1/sets.
type SetRequest struct {
	// Issuer of the certificates that do not name another.
	Issuer string `json:"issuer"`
	// Set is the name of the set; empty takes a random one.
	Set string `json:"set,omitempty"`
	// Subject is that of every certificate.
	Subject map[string]string `json:"subject,omitempty"`
	// Certificates are what is asked for, each with its profile and CSR. Issuer
	// and Subject, where they are given, stand for those above; Set is empty.
	Certificates []IssueRequest `json:"certificates"`
}

// SetAnswer is the answer to it, 201: the certificates in the order of the
// request.
type SetAnswer struct {
	Set          string        `json:"set"`
	Certificates []IssueAnswer `json:"certificates"`
}

func (a *Authority) postSet(w http.ResponseWriter, r *http.Request, actor string) error {
	var body SetRequest
	raw, details := problem.ReadJSON(w, r, maxBody, &body)
	if details != nil {
		return details
	}
	body.inherit()
	for _, member := range body.Certificates {
		if err := a.permit(actor, ActionIssue, member.Issuer, member.Profile); err != nil {
			return err
		}
	}
	ticket, details := ticket(r, actor, raw)
	if details != nil {
		return details
	}
	answer := func(certificates []IssueAnswer) error {
		problem.WriteJSON(w, http.StatusCreated, SetAnswer{Set: certificates[0].Set, Certificates: certificates})
		return nil
	}
	replay := func(first journal.Entry) error {
		// The entries of a set stand one behind the other.
		entries, err := a.config.Register.Entries(r.Context(), first.Position-1, len(body.Certificates))
		if err != nil {
			return err
		}
		certificates := make([]IssueAnswer, len(entries))
		for i, entry := range entries {
			if certificates[i], err = a.issuedBefore(r.Context(), entry); err != nil {
				return err
			}
		}
		if len(certificates) != len(body.Certificates) {
			return fmt.Errorf("reading set: %d of %d certificates are in the journal", len(certificates), len(body.Certificates))
		}
		return answer(certificates)
	}
	return a.once(w, r, ticket, replay, func() error {
		set, err := a.setOf(&body)
		if err != nil {
			return err
		}
		set.Actor, set.Ticket = actor, ticket
		prepared, err := a.PrepareSet(r.Context(), *set)
		if err != nil {
			return err
		}
		issued, err := a.IssueSet(r.Context(), prepared)
		if err != nil {
			return err
		}
		certificates := make([]IssueAnswer, len(issued))
		for i := range issued {
			certificates[i] = issued[i].answer()
		}
		return answer(certificates)
	})
}

// inherit gives every certificate what stands above them all.
func (s *SetRequest) inherit() {
	for i := range s.Certificates {
		member := &s.Certificates[i]
		if member.Issuer == "" {
			member.Issuer = s.Issuer
		}
		subject := maps.Clone(s.Subject)
		if subject == nil {
			subject = map[string]string{}
		}
		maps.Copy(subject, member.Subject)
		member.Subject = subject
	}
}

// setOf reads what only the HTTP form of a request can get wrong.
func (a *Authority) setOf(body *SetRequest) (*Set, error) {
	var r refusal
	set := &Set{Name: body.Set}
	for i := range body.Certificates {
		prefix := memberPrefix(i)
		if body.Certificates[i].Set != "" {
			r.add(CodeInvalid, prefix+"set", "stands above all certificates", "")
		}
		request, err := a.requestOf(&body.Certificates[i])
		if refused, ok := errors.AsType[*RefusedError](err); ok {
			r.take(prefix, refused)
			continue
		}
		set.Requests = append(set.Requests, *request)
	}
	return set, r.error()
}

// IssueSet asks for certificates that belong together, all or none. The
// idempotency key, "" for none, makes repeating safe.
func (c *Client) IssueSet(ctx context.Context, request SetRequest, idempotencyKey string) (*SetAnswer, error) {
	return call[SetAnswer](ctx, c, "/v1/sets", idempotencyKey, request)
}
