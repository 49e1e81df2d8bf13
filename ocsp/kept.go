package ocsp

import (
	"context"
	"errors"
	"math"
	"time"
)

// respondKept answers a request that others may have made before: one
// certificate, no nonce.
func (r *Responder) respondKept(ctx context.Context, issuer *Issuer, id CertID) reply {
	key, subject := Key(id.Raw), certificateOf(issuer, id)
	var kept *Answer
	var m made
	reason := ReasonKept
	err := r.untilAdmitted(ctx, func(ctx context.Context) (err error) {
		a, ok := r.memory.get(key)
		if ok && r.usable(subject, a) {
			m = made{answer: a}
			return nil
		}
		if ok {
			kept = a
		}
		m, err = r.makeOnce(ctx, key, issuer, id, r.urgency(subject, kept))
		if reason = ReasonSigned; m.shared {
			reason = ReasonShared
		}
		if err == nil && !r.floors.allow(subject, m.answer.Version, m.answer.Position) {
			// Another one began to make it before the journal moved on.
			err = errBehind
		}
		return err
	})
	if err == nil {
		return m.reply(reason, false)
	}
	if m.answer != nil {
		// What a shared cache had.
		kept = m.answer
	}
	// Guarantee G9: without the Source, what is still valid is still said.
	if (errors.Is(err, errSource) || errors.Is(err, errLost)) && kept != nil && time.Now().Before(kept.NextUpdate) &&
		r.floors.admit(subject, kept.Version, kept.Position) {
		r.warn(ctx, "answering from the cache past its time", "issuer", issuer.ID, "error", err)
		return reply{answer: kept, reason: ReasonStale, sharing: public, stale: true}
	}
	return r.refuseFor(ctx, issuer, err)
}

// usable reports whether a kept answer is fresh and not overtaken.
func (r *Responder) usable(subject certificate, a *Answer) bool {
	return r.fresh(a.ThisUpdate.Unix(), time.Now()) && r.floors.allow(subject, a.Version, a.Position)
}

// fresh reports whether an answer of the age may be sent.
//
// RFC 9919, Section 7.1: refreshed before max-age has run out. An age below
// zero means that the clock was set back; clients would refuse the answer as
// one from the future.
func (r *Responder) fresh(thisUpdate int64, now time.Time) bool {
	age := now.Sub(time.Unix(thisUpdate, 0))
	return 0 <= age && age <= r.maxAge-time.Second
}

// urgency is how soon the certificate's turn comes: news before the rest.
func (r *Responder) urgency(subject certificate, kept *Answer) priority {
	if r.floors.has(subject) || kept != nil && !r.floors.allow(subject, kept.Version, kept.Position) {
		return changed
	}
	return missed
}

// ripe reports whether an answer should be made anew although it is fresh: in
// the last quarter of its time, the later the surer, and for each certificate
// at another moment, so that what was made together is not refreshed together.
func (r *Responder) ripe(thisUpdate int64, now time.Time, jitter uint8) bool {
	if r.maxAge < 8*time.Second {
		return false
	}
	early := r.maxAge / 4
	return now.Sub(time.Unix(thisUpdate, 0)) >= r.maxAge-time.Second-early+early*time.Duration(jitter)/512
}

// maxRefreshing bounds the answers that are being refreshed ahead of time.
const maxRefreshing = 64

// refresh makes the answer to key anew in the background, unless that is going
// on or failed a moment ago. It does not block.
func (r *Responder) refresh(key []byte, now time.Time) {
	if now.UnixNano() < r.refreshAfter.Load() || r.refreshing.Load() >= maxRefreshing {
		return
	}
	r.flightsLock.Lock()
	_, flying := r.flights[Key(key)]
	r.flightsLock.Unlock()
	if flying {
		return
	}
	id, issuer := r.named(key)
	if issuer == nil {
		return
	}
	r.refreshing.Add(1)
	go func() {
		defer r.refreshing.Add(-1)
		began := time.Now()
		_, err := r.makeOnce(context.Background(), Key(id.Raw), issuer, id, refreshed)
		reason := ReasonRefreshed
		if err != nil {
			reason = ReasonNotRefreshed
			// The kept answer is still good; what is wrong will be told by
			// the request that needs another.
			r.refreshAfter.Store(time.Now().Add(time.Second).UnixNano())
		}
		r.observe(reason, time.Since(began))
	}()
}

// named reads a CertID, as a copy, and finds its issuer; nil when there is none.
func (r *Responder) named(key []byte) (CertID, *Issuer) {
	single, err := readCertID(key)
	if err != nil {
		return CertID{}, nil
	}
	return single.CertID, r.issuerOf([]Single{single})
}

// lost reports whether the journal has been out of reach for longer than the
// responder may go on calling certificates good.
func (r *Responder) lost(now time.Time) bool {
	return r.journalGrace < math.MaxInt64 && r.follower.outage(now) > r.journalGrace
}
