package ra

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/problem"
)

// issue has the certificates of an approved application issued, all or none.
// When the authority gives no answer the application stays approved, and the
// same request later goes on where this one stopped.
func (o *Office) issue(ctx context.Context, who *Person, id string, request issueRequest, t *ticket) (*Application, error) {
	a, finished, err := o.plan(ctx, who, id, request, t)
	if err != nil || finished {
		return a, err
	}
	learnt := a.Issuance
	var refused *Issue
	fault, final := o.askIssue(ctx, a)
	if final {
		// The authority said no for good, so this request binds nobody.
		refused = learnt.Certificates[0]
	}
	if a, err = o.conclude(ctx, who, id, learnt, refused); err != nil {
		return nil, err
	}
	if a.unrevoked() {
		// What is not revoked now is revoked before all else.
		_, _ = o.revokeVoid(ctx, who, id)
	}
	switch {
	case fault != nil:
		return nil, fault
	case a.State != Completed:
		// It was ended, or is about to be, while the authority was asked.
		return nil, illegal("an application", string(a.State), "issue", a.legal())
	}
	return a, nil
}

// plan makes the requests part of the case before the authority hears of them.
// finished means that all was issued before and a is the answer.
func (o *Office) plan(ctx context.Context, who *Person, id string, request issueRequest, t *ticket) (a *Application, finished bool, err error) {
	for range tries {
		a = new(Application)
		version, err := o.load(ctx, applicationPrefix, id, a)
		if err != nil {
			return nil, false, err
		}
		if a.Issuance != nil && a.Issuance.Ticket.sameKey(t) {
			if err := a.Issuance.Ticket.agree(t); err != nil {
				return nil, false, err
			}
			if a.State == Completed {
				return a, true, nil
			}
		}
		if _, err := o.repeated(ctx, a.used(), id, t); err != nil {
			return nil, false, err
		}
		if err := o.permit(ctx, who, a, "issue"); err != nil {
			return nil, false, err
		}
		if wrong := append(request.check(), request.reused(a.Void)...); len(wrong) > 0 {
			return nil, false, problem.Invalid(wrong...)
		}
		if a.unrevoked() {
			// What an earlier try left behind comes first.
			if _, err := o.revokeVoid(ctx, who, id); err != nil {
				return nil, false, err
			}
			continue
		}
		now := time.Now().UTC()
		if a.Issuance == nil {
			a.Issuance = &Issuance{Set: a.ID, StartedAt: now}
		}
		a.Issuance.By, a.Issuance.Ticket, a.UpdatedAt = who.Name, t, now
		if err := a.Issuance.want(o.certificates(request)); err != nil {
			return nil, false, err
		}
		if err := o.audit(ctx, who, "application.issue", id, slog.String("from", string(a.State)), slog.Int("certificates", len(a.Issuance.Certificates))); err != nil {
			return nil, false, err
		}
		// The audit log tells that it was asked for, the history what came of it.
		err = o.save(ctx, id, version, a, Event{})
		if !errors.Is(err, fs.ErrExist) {
			return a, false, err
		}
	}
	return nil, false, errChanged
}

func (o *Office) certificates(request issueRequest) []*Issue {
	wanted := []*Issue{{Kind: "signature", Profile: o.SignatureProfile, CSR: request.Signature}}
	if request.Authentication != "" {
		wanted = append(wanted, &Issue{Kind: "authentication", Profile: o.AuthenticationProfile, CSR: request.Authentication})
	}
	return wanted
}

// want is what the issuance asks the authority for. A request that the
// authority may have answered already binds: another one could lead to a second
// certificate.
func (i *Issuance) want(wanted []*Issue) error {
	if len(i.Certificates) == 0 {
		i.Certificates = wanted
		return nil
	}
	same := func(a, b *Issue) bool {
		return a.Kind == b.Kind && strings.TrimSpace(a.CSR) == strings.TrimSpace(b.CSR)
	}
	if !slices.EqualFunc(i.Certificates, wanted, same) {
		return problem.New(http.StatusConflict, "issuance_under_way", "the certificates were asked for with other requests before: send the same ones again")
	}
	return nil
}

// askIssue asks the authority for the certificates and puts them into the
// issuance of a. The key that makes the question repeatable depends on the
// request alone. final says that the authority refused for good: then there is
// none of them.
func (o *Office) askIssue(ctx context.Context, a *Application) (fault error, final bool) {
	issuer, ok := o.Issuers[a.Category]
	if !ok {
		issuer = o.Issuer
	}
	request := SetRequest{
		Issuer: issuer, GivenName: a.GivenName, Surname: a.Surname, CommonName: a.commonName(), FIN: a.FIN, Set: a.Issuance.Set,
	}
	digest := sha256.New()
	for _, c := range a.Issuance.Certificates {
		request.Certificates = append(request.Certificates, IssueRequest{Profile: c.Profile, CSR: c.CSR})
		fmt.Fprintf(digest, "%s %s\x00", c.Kind, strings.TrimSpace(c.CSR))
	}
	request.IdempotencyKey = fmt.Sprintf("%s/set/%s", a.ID, hex.EncodeToString(digest.Sum(nil)[:16]))
	asked, cancel := context.WithTimeout(ctx, o.AuthorityTimeout)
	defer cancel()
	issued, err := o.Authority.IssueSet(asked, request)
	if err == nil && len(issued) != len(request.Certificates) {
		err = fmt.Errorf("asked for %d certificates, the authority answered with %d", len(request.Certificates), len(issued))
	}
	if err != nil {
		return o.issueFault(ctx, err, a.Issuance.Certificates), isFinal(err)
	}
	for i, c := range a.Issuance.Certificates {
		c.Serial, c.Certificate, a.Issuance.Chain = issued[i].Serial, issued[i].Certificate, issued[i].Chain
	}
	return nil, false
}

// learn takes over what the authority answered to one try. refused is the
// request that it refused for good, or nil. A certificate that the case has no
// place for any more is void.
func (a *Application) learn(learnt *Issuance, refused *Issue, now time.Time) {
	for _, l := range learnt.Certificates {
		own := a.Issuance.find(l)
		switch {
		case l.Certificate == "" || own != nil && own.Certificate != "":
		case own != nil:
			own.Serial, own.Certificate, a.Issuance.Chain = l.Serial, l.Certificate, learnt.Chain
		default:
			a.void(l, now)
		}
	}
	switch {
	case a.State != Approved || a.Issuance == nil:
	case refused != nil && a.Issuance.find(refused) != nil:
		a.voidIssuance(now)
	case a.Issuance.done() && a.Ending == nil:
		a.State = Completed
	}
}

// conclude writes what the authority answered into the case.
func (o *Office) conclude(ctx context.Context, who *Person, id string, learnt *Issuance, refused *Issue) (*Application, error) {
	// The certificates exist, so the record of them is not given up when the
	// client goes away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.AuthorityTimeout)
	defer cancel()
	for range tries {
		var a Application
		version, err := o.load(ctx, applicationPrefix, id, &a)
		if err != nil {
			return nil, err
		}
		before, void := a.State, len(a.Void)
		event := Event{At: time.Now().UTC(), Actor: who.Name, Action: "issue", From: string(before)}
		a.UpdatedAt = event.At
		a.learn(learnt, refused, event.At)
		event.To = string(a.State)
		switch {
		case before != Approved && len(a.Void) == void:
			// The same request came twice at once and the other was faster;
			// the authority gave both the same certificates.
			return &a, nil
		case refused != nil:
			event.Action = "issue_refused"
		}
		err = o.save(ctx, id, version, &a, event)
		if !errors.Is(err, fs.ErrExist) {
			return &a, err
		}
	}
	return nil, errChanged
}
