package main

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"time"
)

// lifetime is when a certificate, or its key, may be used.
type lifetime struct{ from, to time.Time }

func lifeOf(c *x509.Certificate) lifetime { return lifetime{c.NotBefore, c.NotAfter} }

// due is when there should be a successor: after three fifths of the life, and
// a little later by chance, so that all certificates of one day do not come at
// once. From then on there is time to try again until the end.
func (l lifetime) due() time.Time {
	life := l.to.Sub(l.from)
	late, err := rand.Int(rand.Reader, big.NewInt(int64(life)/30+1))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return l.from.Add(life*3/5 + time.Duration(late.Int64()))
}

// retryAfter is how long after a failure the next try comes.
func (l lifetime) retryAfter() time.Duration {
	return min(time.Hour, max(time.Second, l.to.Sub(l.from)/200))
}

// nearEnd reports whether the successor should have been there long ago.
func (l lifetime) nearEnd() bool { return time.Until(l.to) < l.to.Sub(l.from)/10 }

// renewable is something that has a successor before it ends.
type renewable interface {
	// life is that of the latest.
	life() lifetime
	renew(context.Context) error
	// tell says what came of it.
	tell(ctx context.Context, err error)
}

// keepRenewed renews until ctx ends.
func keepRenewed(ctx context.Context, r renewable) error {
	wait := time.Until(r.life().due())
	for {
		timer := time.NewTimer(max(0, wait))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		err := r.renew(ctx)
		if err != nil && ctx.Err() != nil {
			return nil
		}
		r.tell(ctx, err)
		if wait = r.life().retryAfter(); err == nil {
			wait = time.Until(r.life().due())
		}
	}
}
