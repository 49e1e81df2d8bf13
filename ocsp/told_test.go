package ocsp_test

import (
	"context"
	"crypto"
	"sync"
	"testing"
	"time"

	"github.com/altamga/altamga/ocsp"
)

// sharedMap is a cache that two responders share.
type sharedMap struct {
	mu   sync.Mutex
	kept map[ocsp.Key]*ocsp.Answer
}

func (c *sharedMap) Get(_ context.Context, key ocsp.Key) (*ocsp.Answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.kept[key]
	return a, ok
}

func (c *sharedMap) Put(_ context.Context, key ocsp.Key, a *ocsp.Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept[key] = a
}

// A responder that has told what another one had made does not go back to what it
// keeps itself under another hash, though it has not seen the change yet.
func TestToldByAnother(t *testing.T) {
	t.Run("G2 a shared answer is a floor", func(t *testing.T) {
		a := newAuthority(t, "ehm")
		cache := &sharedMap{kept: make(map[ocsp.Key]*ocsp.Answer)}
		first, g := newResponder(t, a, func(c *ocsp.Config) { c.Cache = cache })
		second, _ := newResponder(t, a, func(c *ocsp.Config) { c.Cache, c.Source = cache, g })
		serial := nextSerial()
		g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
		told := func(r *ocsp.Responder, hash crypto.Hash) int {
			return ask(t, r, a, request(t, nil, a.certID(t, hash, serial))).basic.Data.Responses[0].Status.Tag
		}
		if got := told(first, crypto.SHA1); got == revoked {
			t.Fatal("it is revoked from the start")
		}
		position := g.set(a.id, serial, ocsp.Status{State: ocsp.Revoked, Reason: 1, RevokedAt: time.Now().Add(-time.Minute)})
		second.Invalidate(a.id, serial, position)
		if told(second, crypto.SHA256) != revoked || told(first, crypto.SHA256) != revoked {
			t.Fatal("the change is not told")
		}
		if told(first, crypto.SHA1) != revoked {
			t.Error("what was told revoked is called good again")
		}
	})
}
