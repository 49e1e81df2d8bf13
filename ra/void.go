package ra

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// Void is a certificate that was issued for the application and that nobody
// gets, because the application ended. It is
// made part of the case before the authority is asked to revoke it, so that
// what is not revoked yet is revoked before anything else happens to the
// application.
type Void struct {
	Issue
	// At is since when the certificate is void; Revoked says that the authority
	// has revoked it.
	At      time.Time `json:"at"`
	Revoked bool      `json:"revoked"`
}

// void takes an issued certificate out of the application's hands.
func (a *Application) void(c *Issue, now time.Time) {
	if !slices.ContainsFunc(a.Void, func(v *Void) bool { return v.Serial == c.Serial }) {
		a.Void = append(a.Void, &Void{Issue: *c, At: now})
	}
}

// voidIssuance takes back all that was issued.
func (a *Application) voidIssuance(now time.Time) {
	for _, c := range a.Issuance.Certificates {
		if c.Certificate != "" {
			a.void(c, now)
		}
	}
	a.Issuance = nil
}

// unrevoked reports whether a void certificate is not known to be revoked.
func (a *Application) unrevoked() bool {
	return slices.ContainsFunc(a.Void, func(v *Void) bool { return !v.Revoked })
}

// revokeVoid has the void certificates of an application revoked.
func (o *Office) revokeVoid(ctx context.Context, who *Person, id string) (*Application, error) {
	// A certificate that nobody answers for does not stay valid because the
	// client went away.
	ctx = context.WithoutCancel(ctx)
	for range tries {
		a := new(Application)
		version, err := o.load(ctx, applicationPrefix, id, a)
		if err != nil || !a.unrevoked() {
			return a, err
		}
		for _, v := range a.Void {
			if v.Revoked {
				continue
			}
			if err := o.revokeOne(ctx, who, a, v); err != nil {
				return a, err
			}
			v.Revoked = true
		}
		a.UpdatedAt = time.Now().UTC()
		err = o.save(ctx, id, version, a, Event{})
		if !errors.Is(err, fs.ErrExist) {
			return a, err
		}
	}
	return nil, errChanged
}

// revokeOne asks the authority to revoke a void certificate. The question is
// the same however often it is asked. The two persons that a revocation by the
// centre takes are those who verified and approved the application: what they
// agreed to is that nobody gets anything else.
func (o *Office) revokeOne(ctx context.Context, who *Person, a *Application, v *Void) error {
	if err := o.audit(ctx, who, "application.revoke_void", a.ID, slog.String("serial", string(v.Serial))); err != nil {
		return err
	}
	asked, cancel := context.WithTimeout(ctx, o.AuthorityTimeout)
	defer cancel()
	_, err := o.Authority.Change(asked, ChangeRequest{
		Serial: v.Serial, Kind: journal.Revoked, Owner: journal.Centre, Reason: journal.CessationOfOperation,
		ReceivedAt: v.At, Persons: []string{a.VerifiedBy, a.ApprovedBy}, IdempotencyKey: a.ID + "/void/" + string(v.Serial),
	})
	if err == nil {
		return nil
	}
	if isFinal(err) {
		// Somebody revoked it by a status request, or it has expired.
		if c, look := o.certificate(ctx, v.Serial); look == nil && (c.Status.State == journal.Gone || c.Status.Expired) {
			return nil
		}
	}
	return o.authorityFault(ctx, err, "serial")
}
