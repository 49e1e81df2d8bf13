package ocsp

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"time"
)

// made is a newly made answer.
type made struct {
	answer *Answer
	// nonIssued says that a certificate in it was never issued. Such an answer
	// is not kept: the certificate may be issued the next moment, and a stream
	// of invented serials must not push other answers out.
	nonIssued bool
	// unknown says that it calls a certificate unknown.
	unknown bool
	// shared says that another responder had made it.
	shared bool
}

func (m made) reply(reason string, nonce bool) reply {
	out := reply{answer: m.answer, reason: reason, sharing: public}
	switch {
	case m.unknown:
		out.sharing = nobody
	case nonce, m.nonIssued:
		out.sharing = private
	}
	return out
}

// untilAdmitted repeats try while it returns errBehind, with growing pauses for
// a source that lags, a bounded number of times.
func (r *Responder) untilAdmitted(ctx context.Context, try func(context.Context) error) error {
	pause := time.Millisecond
	for attempt := 1; ; attempt++ {
		err := try(ctx)
		if !errors.Is(err, errBehind) || attempt == 6 {
			return err
		}
		if attempt > 1 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return ctx.Err()
			}
			pause *= 3
		}
	}
}

// flight is an answer in the making that others wait for.
type flight struct {
	done chan struct{}
	made made
	err  error
}

// makeOnce gets a fresh answer about one certificate, from the shared cache or
// else by make, once at a time for each key: whoever asks meanwhile gets the
// same one. With an error it may return an answer that is past its time.
func (r *Responder) makeOnce(ctx context.Context, key Key, issuer *Issuer, id CertID, p priority) (made, error) {
	r.flightsLock.Lock()
	if f, ok := r.flights[key]; ok {
		r.flightsLock.Unlock()
		select {
		case <-f.done:
			return f.made, f.err
		case <-ctx.Done():
			return made{}, ctx.Err()
		}
	}
	f := &flight{done: make(chan struct{}), err: errBusy}
	r.flights[key] = f
	r.flightsLock.Unlock()
	defer func() {
		r.flightsLock.Lock()
		delete(r.flights, key)
		r.flightsLock.Unlock()
		close(f.done)
	}()
	// Others wait for this, so it goes on when the first client hangs up.
	f.made, f.err = r.fetch(context.WithoutCancel(ctx), key, issuer, id, p)
	return f.made, f.err
}

// fetch gets an answer and keeps it.
func (r *Responder) fetch(ctx context.Context, key Key, issuer *Issuer, id CertID, p priority) (made, error) {
	subject := certificateOf(issuer, id)
	var kept made
	if r.cache != nil {
		if a, ok := r.cache.Get(ctx, key); ok {
			kept = made{answer: a, shared: true}
			// One that is ripe was kept here just as long; refreshing means
			// signing then. Once told, it is a floor to what is kept here by
			// other hashes, before the journal's follower has come so far.
			if r.fresh(a.ThisUpdate.Unix(), time.Now()) && r.floors.admit(subject, a.Version, a.Position) && (p != refreshed || !r.ripe(a.ThisUpdate.Unix(), time.Now(), 0)) {
				r.memory.put(key, subject, a)
				return kept, nil
			}
		}
	}
	m, err := r.make(ctx, issuer, []Single{{CertID: id}}, nil, p)
	if err != nil {
		return kept, err
	}
	if !m.nonIssued {
		r.memory.put(key, subject, m.answer)
		if r.cache != nil {
			r.cache.Put(ctx, key, m.answer)
		}
	}
	return m, nil
}

// readTimeout bounds how long the statuses of one request may take to read.
const readTimeout = 5 * time.Second

// make reads the statuses, builds the answer and signs it.
func (r *Responder) make(ctx context.Context, issuer *Issuer, list []Single, nonce []byte, p priority) (made, error) {
	if err := r.makers.enter(ctx, p); err != nil {
		return made{}, err
	}
	defer r.makers.leave(p)
	began := time.Now()
	limit := &limited{Context: ctx, until: began.Add(readTimeout)}
	defer limit.release()
	ctx = limit
	statuses := make([]Status, len(list))
	for i, single := range list {
		var err error
		if statuses[i], err = r.status(ctx, issuer, single.CertID); err != nil {
			return made{}, err
		}
		if statuses[i].State == Good && r.lost(began) {
			return made{}, errLost
		}
	}
	var m made
	response := r.compose(issuer, list, statuses, began, &m)
	response.nonce = nonce
	encoded, err := response.sign(issuer.Signer)
	if err != nil {
		return made{}, err
	}
	for i, single := range list {
		if !r.floors.admit(certificateOf(issuer, single.CertID), statuses[i].Version, statuses[i].Position) {
			return made{}, errBehind
		}
	}
	m.answer = &Answer{
		Response: encoded, Version: statuses[0].Version, Position: statuses[0].Position,
		ThisUpdate: r.keptFrom(response), NextUpdate: response.nextUpdate, Class: statuses[0].Class, common: len(issuer.Signer.certificates),
	}
	if nonce == nil {
		m.answer.tag = sha256.Sum256(encoded) // others are nobody's to keep
	}
	return m, nil
}

// status reads one status and holds it against the floor, so that nothing is
// signed in vain.
func (r *Responder) status(ctx context.Context, issuer *Issuer, id CertID) (Status, error) {
	serial, ok := id.SerialNumber()
	if !ok {
		// No journal will ever tell of it.
		return Status{Position: math.MaxUint64}, nil
	}
	s, err := r.source.Status(ctx, issuer.ID, serial)
	if err != nil {
		return Status{}, fmt.Errorf("%w: %w", errSource, err)
	}
	if s.State != NonIssued && s.State != Good && s.State != Revoked {
		return Status{}, fmt.Errorf("%w: state %d does not exist", errSource, s.State)
	}
	if until := r.until(s); !until.IsZero() && !time.Now().Add(time.Second).Before(until) {
		return Status{}, fmt.Errorf("%w: what is known is certain as of %s only", errSource, s.ThisUpdate.UTC().Format(time.RFC3339))
	}
	s.Position = max(s.Position, s.Version)
	if !r.floors.allow(certificateOf(issuer, id), s.Version, s.Position) {
		return Status{}, errBehind
	}
	return s, nil
}

// compose puts the statuses, read since began, into a response, and notes in m
// what kind of answer it is.
func (r *Responder) compose(issuer *Issuer, list []Single, statuses []Status, began time.Time, m *made) *response {
	// What was read is certain for the moment when reading began, not for the
	// one when it ended. A revocation that was read is certain since it took
	// effect; should the register's clock be ahead of this one, its time is
	// cut to now, since it must not lie in the future.
	now := time.Now()
	producedAt := began
	for _, s := range statuses {
		if s.State == Revoked && s.RevokedAt.After(producedAt) {
			producedAt = s.RevokedAt
		}
	}
	if producedAt.After(now) {
		producedAt = now
	}
	producedAt = producedAt.UTC().Truncate(time.Second)
	out := &response{producedAt: producedAt, thisUpdate: producedAt, nextUpdate: producedAt.Add(r.validity)}
	for _, s := range statuses {
		r.bound(out, s)
	}
	if end := issuer.Signer.Certificate.NotAfter; out.nextUpdate.After(end) {
		out.nextUpdate = end
	}
	for i, s := range statuses {
		single := singleResponse{certID: list[i].CertID.Raw}
		switch {
		case s.State == NonIssued && !r.extended:
			m.nonIssued, m.unknown = true, true
			single.unknown = true
		case s.State == NonIssued:
			// RFC 6960, Section 2.2: certificateHold since 1 January 1970.
			m.nonIssued = true
			out.extendedRevoke = true
			single.revoked, single.reason, single.revokedAt = true, 6, time.Unix(0, 0)
		case s.State == Revoked:
			single.revoked, single.reason, single.revokedAt = true, s.Reason, s.RevokedAt.Truncate(time.Second)
			if single.revokedAt.After(producedAt) {
				single.revokedAt = producedAt
			}
		}
		if s.Expired && r.retention > 0 {
			single.archiveCutoff = producedAt.Add(-r.retention)
		}
		out.singles = append(out.singles, single)
	}
	return out
}
