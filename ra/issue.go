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

// issue has the certificates of an approved application issued. When the
// authority gives no answer the application stays approved, and the same
// request later goes on where this one stopped. When it refuses one of a pair,
// the other one is void: nobody was promised half a pair.
func (o *Office) issue(ctx context.Context, who *Person, id string, request issueRequest, t *ticket) (*Application, error) {
	a, finished, err := o.plan(ctx, who, id, request, t)
	if err != nil || finished {
		return a, err
	}
	learnt := a.Issuance
	var fault error
	var refused *Issue
	for _, c := range learnt.Certificates {
		if c.Certificate != "" {
			continue
		}
		issued, err := o.askIssue(ctx, a, c)
		if err == nil {
			c.Serial, c.Certificate, learnt.Chain = issued.Serial, issued.Certificate, issued.Chain
			continue
		}
		if fault = o.authorityFault(ctx, err, "csr_"+c.Kind); isFinal(err) {
			// The authority said no for good, so this request binds nobody.
			refused = c
		}
		break
	}
	if a, err = o.conclude(ctx, who, id, learnt, refused); err != nil {
		return nil, err
	}
	var revoking error
	if a.unrevoked() {
		_, revoking = o.revokeVoid(ctx, who, id)
	}
	switch {
	case fault == nil && a.State == Completed:
		return a, nil
	case fault == nil:
		// It was ended, or is about to be, while the authority was asked.
		return nil, illegal("an application", string(a.State), "issue", a.legal())
	}
	return nil, tellVoid(fault, a, learnt.issued(a), revoking)
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

// want adds certificates to the issuance. A request that the authority may have
// answered already binds: another one for the same kind could lead to a second
// certificate.
func (i *Issuance) want(wanted []*Issue) error {
	for _, c := range i.Certificates {
		if !slices.ContainsFunc(wanted, func(w *Issue) bool { return w.Kind == c.Kind && strings.TrimSpace(w.CSR) == strings.TrimSpace(c.CSR) }) {
			return problem.New(http.StatusConflict, "issuance_under_way", "the certificates were asked for with other requests before: send the same csr_"+c.Kind+" again")
		}
	}
	for _, w := range wanted {
		if !slices.ContainsFunc(i.Certificates, func(c *Issue) bool { return c.Kind == w.Kind }) {
			i.Certificates = append(i.Certificates, w)
		}
	}
	return nil
}

// askIssue asks the authority for one certificate. The key that makes the
// question repeatable depends on the request alone.
func (o *Office) askIssue(ctx context.Context, a *Application, c *Issue) (Issued, error) {
	issuer, ok := o.Issuers[a.Category]
	if !ok {
		issuer = o.Issuer
	}
	digest := sha256.Sum256([]byte(strings.TrimSpace(c.CSR)))
	ctx, cancel := context.WithTimeout(ctx, o.AuthorityTimeout)
	defer cancel()
	return o.Authority.Issue(ctx, IssueRequest{
		Issuer: issuer, Profile: c.Profile, CSR: c.CSR,
		GivenName: a.GivenName, Surname: a.Surname, CommonName: a.commonName(), FIN: a.FIN,
		Set: a.Issuance.Set, IdempotencyKey: fmt.Sprintf("%s/%s/%s", a.ID, c.Kind, hex.EncodeToString(digest[:16])),
	})
}

// issued returns those of the certificates that the authority issued and that
// are void now.
func (i *Issuance) issued(a *Application) []*Issue {
	return slices.DeleteFunc(slices.Clone(i.Certificates), func(c *Issue) bool {
		return c.Certificate == "" || !slices.ContainsFunc(a.Void, func(v *Void) bool { return v.Serial == c.Serial })
	})
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
