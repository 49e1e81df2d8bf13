package ocsp

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Responder answers OCSP requests. It is safe for concurrent use.
type Responder struct {
	source     Source
	cache      Cache // nil for none
	path       string
	validity   time.Duration
	maxAge     time.Duration
	extended   bool
	retention  time.Duration
	maxCertIDs int
	log        *slog.Logger
	observe    func(string, time.Duration)
	issuers    []*seat
	byKey      map[issuerKey]*seat
	floors     *floors
	memory     *memory
	makers     *queue
	// journalGrace is how long the journal may be lost; see lost.
	journalGrace time.Duration
	// refreshing counts the answers that are made ahead of time; after a
	// failure none is until refreshAfter.
	refreshing       atomic.Int64
	refreshAfter     atomic.Int64
	classes          [256]atomic.Uint64
	faults, warnings sample
	follower         follower
	flightsLock      sync.Mutex
	flights          map[Key]*flight
}

// Why an answer could not be made.
var (
	errBusy   = errors.New("too many answers in the making")
	errBehind = errors.New("status is older than what the journal tells")
	errSource = errors.New("reading status")
	errLost   = errors.New("the journal was lost too long ago to call a certificate good")
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
	out := r.judge(ctx, in)
	if out.answer != nil {
		r.classes[out.answer.Class].Add(1)
	}
	return out
}

func (r *Responder) judge(ctx context.Context, in []byte) reply {
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
	own := issuer.Signer
	issuer = issuer.preferring(request.Preferred)
	if len(request.List) == 1 && request.Nonce == nil && issuer.Signer == own {
		return r.respondKept(ctx, issuer, request.List[0].CertID)
	}
	reason := ReasonSeveral
	if request.Nonce != nil {
		reason = ReasonNonce
	} else if issuer.Signer != own {
		reason = ReasonPreferred
	}
	var m made
	err = r.untilAdmitted(ctx, func(ctx context.Context) (err error) {
		m, err = r.make(ctx, issuer, request.List, request.Nonce, bypassed)
		return err
	})
	if err != nil {
		return r.refuseFor(ctx, issuer, err)
	}
	// HTTP caches know nothing of a preference in a POST, but a GET spells it
	// out in its path: the answer is as good for all who ask so.
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

// refuseFor turns the error of make into an answer.
func (r *Responder) refuseFor(ctx context.Context, issuer *Issuer, err error) reply {
	switch {
	case errors.Is(err, errBusy):
		return refuse(TryLater, ReasonBusy)
	case errors.Is(err, errLost):
		r.warn(ctx, "answering tryLater", "issuer", issuer.ID, "error", err)
		return refuse(TryLater, ReasonLost)
	case errors.Is(err, errBehind):
		r.warn(ctx, "source lags behind the journal", "issuer", issuer.ID)
		return refuse(TryLater, ReasonBehind)
	case errors.Is(err, errSource):
		r.fault(ctx, "answering tryLater", "issuer", issuer.ID, "error", err)
		return refuse(TryLater, ReasonSource)
	case ctx.Err() != nil:
		return refuse(TryLater, ReasonBusy)
	}
	r.fault(ctx, "answering internalError", "issuer", issuer.ID, "error", err)
	return refuse(InternalError, ReasonSigner)
}
