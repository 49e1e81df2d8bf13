package ocsp

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Responder answers OCSP requests. It is safe for concurrent use.
type Responder struct {
	source      Source
	cache       Cache
	path        string
	validity    time.Duration
	maxAge      time.Duration
	extended    bool
	retention   time.Duration
	maxCertIDs  int
	log         *slog.Logger
	observe     func(string, time.Duration)
	issuers     []*seat
	byKey       map[issuerKey]*seat
	floors      *floors
	makers      chan struct{} // one token for each answer being made
	follower    follower
	flightsLock sync.Mutex
	flights     map[Key]*flight
}

// Why an answer could not be made.
var (
	errBusy   = errors.New("too many answers in the making")
	errBehind = errors.New("status is older than what the journal tells")
	errSource = errors.New("reading status")
)

// reply is how a request is answered, before HTTP.
type reply struct {
	status ResponseStatus
	// answer is set when status is Successful.
	answer  *Answer
	reason  string
	sharing sharing
	// stale says that the answer is sent although a new one was due.
	stale bool
}

// sharing says who may keep a reply.
type sharing int

const (
	// nobody: errors and unknown certificates.
	nobody sharing = iota
	// private: signed, but of use to the one client only.
	private
	// public: HTTP caches may keep it for as long as the responder does.
	public
)

func refuse(status ResponseStatus, reason string) reply { return reply{status: status, reason: reason} }

// respond answers the encoded request.
func (r *Responder) respond(ctx context.Context, in []byte) reply {
	request, err := ParseRequest(in)
	if err != nil {
		return refuse(MalformedRequest, ReasonMalformed)
	}
	issuer := r.issuerOf(request.List)
	if issuer == nil || len(request.List) > r.maxCertIDs {
		// RFC 9919, Section 3.2.3: no access to authoritative records, or not
		// in this way.
		return refuse(Unauthorized, ReasonUnauthorized)
	}
	if len(request.List) == 1 && request.Nonce == nil {
		return r.respondKept(ctx, issuer, request.List[0].CertID)
	}
	reason := ReasonSeveral
	if request.Nonce != nil {
		reason = ReasonNonce
	}
	var m made
	err = r.untilAdmitted(ctx, func(ctx context.Context) (err error) {
		m, err = r.make(ctx, issuer, request.List, request.Nonce)
		return err
	})
	if err != nil {
		return r.refuseFor(ctx, issuer, err)
	}
	return m.reply(reason, request.Nonce != nil)
}

// issuerOf returns the issuer that all CertIDs name.
//
// RFC 6960, Section 4.2.2.3: every CertID of a request is answered. A delegate
// can sign for its own issuer only, so a request about certificates of several
// issuers has no signer, even when all are known here.
func (r *Responder) issuerOf(list []Single) *Issuer {
	var found *seat
	for _, single := range list {
		id := single.CertID
		// RFC 5754, Section 2: absent and NULL parameters are the same.
		hash, ok := id.Hash.Hash()
		if !ok {
			return nil
		}
		issuer := r.byKey[issuerKey{hash, string(id.IssuerNameHash), string(id.IssuerKeyHash)}]
		if issuer == nil || found != nil && found != issuer {
			return nil
		}
		found = issuer
	}
	if found == nil {
		return nil
	}
	return found.issuer.Load()
}

// respondKept answers a request that others may have made before: one
// certificate, no nonce.
func (r *Responder) respondKept(ctx context.Context, issuer *Issuer, id CertID) reply {
	key := Key(id.Raw)
	subject := certificateOf(issuer, id)
	var kept *Answer
	var m made
	reason := ReasonSigned
	err := r.untilAdmitted(ctx, func(ctx context.Context) (err error) {
		a, ok := r.cache.Get(ctx, key)
		if ok && r.floors.allow(subject, a.Version, a.Position) {
			// RFC 9919, Section 7.1: refreshed before max-age has run out. An
			// age below zero means that the clock was set back; clients would
			// refuse the answer as one from the future.
			if age := time.Since(a.ThisUpdate); 0 <= age && age <= r.maxAge-time.Second {
				m, reason = made{answer: a}, ReasonKept
				return nil
			}
			kept = a
		}
		m, err = r.makeOnce(ctx, key, issuer, id)
		if err == nil && !r.floors.allow(subject, m.answer.Version, m.answer.Position) {
			// Another one began to make it before the journal moved on.
			err = errBehind
		}
		return err
	})
	if err == nil {
		return m.reply(reason, false)
	}
	// Guarantee G9: without the Source, what is still valid is still said.
	if errors.Is(err, errSource) && kept != nil && time.Now().Before(kept.NextUpdate) &&
		r.floors.allow(subject, kept.Version, kept.Position) {
		r.log.WarnContext(ctx, "answering from the cache past its time", "issuer", issuer.ID, "error", err)
		return reply{answer: kept, reason: ReasonStale, sharing: public, stale: true}
	}
	return r.refuseFor(ctx, issuer, err)
}

// refuseFor turns the error of make into an answer.
func (r *Responder) refuseFor(ctx context.Context, issuer *Issuer, err error) reply {
	switch {
	case errors.Is(err, errBusy):
		return refuse(TryLater, ReasonBusy)
	case errors.Is(err, errBehind):
		r.log.WarnContext(ctx, "source lags behind the journal", "issuer", issuer.ID)
		return refuse(TryLater, ReasonBehind)
	case errors.Is(err, errSource):
		r.log.ErrorContext(ctx, "answering tryLater", "issuer", issuer.ID, "error", err)
		return refuse(TryLater, ReasonSource)
	case ctx.Err() != nil:
		return refuse(TryLater, ReasonBusy)
	}
	r.log.ErrorContext(ctx, "answering internalError", "issuer", issuer.ID, "error", err)
	return refuse(InternalError, ReasonSigner)
}
