package ocsp_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/ocsp"
)

func TestSeveralCertificates(t *testing.T) {
	a, b := newAuthority(t, "ehm"), newAuthority(t, "hom")
	g := newRegister()
	r, err := ocsp.New(ocsp.Config{Issuers: []ocsp.Issuer{a.issuer(), b.issuer()}, Source: g})
	if err != nil {
		t.Fatal(err)
	}
	one, two, three := nextSerial(), nextSerial(), nextSerial()
	g.set(a.id, one, ocsp.Status{State: ocsp.Good})
	g.set(a.id, two, ocsp.Status{State: ocsp.Revoked, Reason: 6})
	g.set(b.id, three, ocsp.Status{State: ocsp.Good})
	t.Run("OCSP-36 all CertIDs are answered, in order", func(t *testing.T) {
		ids := []ocsp.CertID{a.certID(t, crypto.SHA1, two), a.certID(t, crypto.SHA256, one), a.certID(t, crypto.SHA256, two), a.certID(t, crypto.SHA1, three)}
		in := request(t, make([]byte, 32), ids...)
		parsed, err := ocsp.ParseRequest(in)
		if err != nil {
			t.Fatal(err)
		}
		got := ask(t, r, a, in)
		want := []int{revoked, good, revoked, unknown}
		if got.status != ocsp.Successful || len(got.basic.Data.Responses) != len(want) {
			t.Fatalf("got %v with %d responses", got.status, len(got.basic.Data.Responses))
		}
		for i, single := range got.basic.Data.Responses {
			if single.Status.Tag != want[i] || !bytes.Equal(single.CertID.FullBytes, parsed.List[i].CertID.Raw) {
				t.Errorf("response %d is %d about % x", i, single.Status.Tag, single.CertID.FullBytes)
			}
		}
		if _, ok := got.extension(pki.OIDOCSPNonce); !ok {
			t.Error("the nonce is missing")
		}
	})
	t.Run("OCSP-36 several without a nonce may be shared", func(t *testing.T) {
		response := post(t, r, request(t, nil, a.certID(t, crypto.SHA1, two), a.certID(t, crypto.SHA1, one)))
		if cc := response.Header.Get("Cache-Control"); !strings.Contains(cc, "public") {
			t.Errorf("got Cache-Control %q", cc)
		}
	})
	t.Run("OCSP-36 CertIDs of two issuers are unauthorized", func(t *testing.T) {
		got := ask(t, r, a, request(t, nil, a.certID(t, crypto.SHA256, one), b.certID(t, crypto.SHA256, three)))
		if got.status != ocsp.Unauthorized {
			t.Errorf("got %v", got.status)
		}
	})
	t.Run("OCSP-35 foreign issuer is unauthorized", func(t *testing.T) {
		foreign := newAuthority(t, "foreign")
		mixed := a.certID(t, crypto.SHA256, one)
		mixed.IssuerKeyHash = b.certID(t, crypto.SHA256, one).IssuerKeyHash
		for _, ids := range [][]ocsp.CertID{{foreign.certID(t, crypto.SHA256, one)}, {a.certID(t, crypto.SHA256, one), foreign.certID(t, crypto.SHA1, one)}, {mixed}} {
			if got := ask(t, r, a, request(t, nil, ids...)); got.status != ocsp.Unauthorized {
				t.Errorf("got %v", got.status)
			}
		}
	})
	t.Run("OCSP-36 more than 16 CertIDs are unauthorized", func(t *testing.T) {
		var ids []ocsp.CertID
		for range 17 {
			ids = append(ids, a.certID(t, crypto.SHA1, one))
		}
		if got := ask(t, r, a, request(t, nil, ids[:16]...)); len(got.basic.Data.Responses) != 16 {
			t.Errorf("16 got %v", got.status)
		}
		if got := ask(t, r, a, request(t, nil, ids...)); got.status != ocsp.Unauthorized {
			t.Errorf("17 got %v", got.status)
		}
	})
	t.Run("OCSP-60 each issuer answers with its own delegate", func(t *testing.T) {
		if got := ask(t, r, b, request(t, nil, b.certID(t, crypto.SHA256, three))); got.status != ocsp.Successful {
			t.Errorf("got %v", got.status)
		}
	})
}

// However many ask at once, the status is read and the answer signed once.
func TestSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "ehm")
		r, g := newResponder(t, a, nil)
		serial := nextSerial()
		g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
		g.delay = func() { time.Sleep(time.Second) }
		in := request(t, nil, a.certID(t, crypto.SHA256, serial))
		var group sync.WaitGroup
		answers := make([]answer, 100)
		for i := range answers {
			group.Go(func() { answers[i] = ask(t, r, a, in) })
		}
		group.Wait()
		if got := g.count(); got != 1 {
			t.Errorf("the source was read %d times, want once", got)
		}
		for _, got := range answers {
			if !bytes.Equal(got.raw, answers[0].raw) {
				t.Error("the answers differ")
			}
		}
	})
}

func TestOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "ehm")
		r, g := newResponder(t, a, func(c *ocsp.Config) { c.MaxInflight, c.MaxWaiting = 2, -1 })
		var ids []ocsp.CertID
		for range 4 {
			serial := nextSerial()
			g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
			ids = append(ids, a.certID(t, crypto.SHA256, serial))
		}
		kept := request(t, nil, ids[3])
		ask(t, r, a, kept)
		g.delay = func() { time.Sleep(time.Second) }
		var group sync.WaitGroup
		for _, id := range ids[:2] {
			group.Go(func() {
				if got := ask(t, r, a, request(t, nil, id)); got.status != ocsp.Successful {
					t.Errorf("got %v", got.status)
				}
			})
		}
		synctest.Wait()
		began := time.Now()
		if got := ask(t, r, a, request(t, nil, ids[2])); got.status != ocsp.TryLater {
			t.Errorf("got %v, want tryLater", got.status)
		}
		if got := ask(t, r, a, kept); got.status != ocsp.Successful {
			t.Errorf("a kept answer got %v", got.status)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("overload was answered after %v, want at once", took)
		}
		group.Wait()
		if got := ask(t, r, a, request(t, nil, ids[2])); got.status != ocsp.Successful {
			t.Errorf("afterwards got %v", got.status)
		}
	})
}

// Guarantee G9: without the source, kept answers go on until nextUpdate.
func TestSourceLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "ehm")
		r, g := newResponder(t, a, nil)
		serial := nextSerial()
		position := g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
		in := request(t, nil, a.certID(t, crypto.SHA256, serial))
		first := ask(t, r, a, in)
		g.lose(true)
		time.Sleep(59 * time.Minute)
		response := post(t, r, in)
		if got := body(t, response, a); !bytes.Equal(got.raw, first.raw) {
			t.Errorf("got %v, want the kept answer", got.status)
		}
		if cc := response.Header.Get("Cache-Control"); !strings.HasPrefix(cc, "max-age=59, ") && !strings.HasPrefix(cc, "max-age=60, ") && !strings.HasPrefix(cc, "max-age=58, ") {
			t.Errorf("got Cache-Control %q", cc)
		}
		if got := ask(t, r, a, request(t, make([]byte, 16), a.certID(t, crypto.SHA256, serial))); got.status != ocsp.TryLater {
			t.Errorf("with a nonce got %v, want tryLater", got.status)
		}
		if err := r.Ready(t.Context()); !errors.Is(err, errLost) {
			t.Errorf("ready: got %v", err)
		}
		time.Sleep(2 * time.Minute)
		if got := ask(t, r, a, in); got.status != ocsp.TryLater {
			t.Errorf("after nextUpdate got %v, want tryLater", got.status)
		}
		g.lose(false)
		if got := ask(t, r, a, in); got.status != ocsp.Successful {
			t.Errorf("after the source came back got %v", got.status)
		}
		// A kept answer below its floor is not sent even when nothing better
		// can be had.
		g.lose(true)
		r.Invalidate(a.id, serial, position+1)
		if got := ask(t, r, a, in); got.status != ocsp.TryLater {
			t.Errorf("below the floor got %v, want tryLater", got.status)
		}
	})
}

func TestSourceLags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "ehm")
		r, g := newResponder(t, a, nil)
		serial := nextSerial()
		position := g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
		in := request(t, nil, a.certID(t, crypto.SHA256, serial))
		ask(t, r, a, in)
		r.Invalidate(a.id, serial, position+1)
		if got := ask(t, r, a, in); got.status != ocsp.TryLater {
			t.Errorf("got %v, want tryLater", got.status)
		}
		// The replica catches up while the request waits.
		time.AfterFunc(5*time.Millisecond, func() { g.set(a.id, serial, ocsp.Status{State: ocsp.Revoked, Reason: 1}) })
		if got := ask(t, r, a, in); got.status != ocsp.Successful || got.basic.Data.Responses[0].Status.Tag != revoked {
			t.Errorf("got %v, want revoked", got.status)
		}
	})
}

type brokenKey struct{ crypto.Signer }

func (brokenKey) Sign(_ io.Reader, _ []byte, _ crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("token removed")
}

func TestSignerLost(t *testing.T) {
	a := newAuthority(t, "ehm")
	a.signer = &ocsp.Signer{Certificate: a.signer.Certificate, Key: brokenKey{a.signer.Key}}
	r, g := newResponder(t, a, nil)
	serial := nextSerial()
	g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
	if got := ask(t, r, a, request(t, nil, a.certID(t, crypto.SHA256, serial))); got.status != ocsp.InternalError {
		t.Errorf("got %v, want internalError", got.status)
	}
}

// forgetful is a cache that keeps whatever was put last, old or not, and takes
// its time, as a shared store may come to do. The floors must make up for it.
type forgetful struct {
	mu      sync.Mutex
	answers map[ocsp.Key]*ocsp.Answer
}

func (f *forgetful) Get(_ context.Context, key ocsp.Key) (*ocsp.Answer, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, ok := f.answers[key]
	return a, ok
}

func (f *forgetful) Put(_ context.Context, key ocsp.Key, a *ocsp.Answer) {
	time.Sleep(rand.N(400 * time.Microsecond))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[key] = a
}

func TestRequestCritical(t *testing.T) {
	// A critical extension must not slip through beside a nonce.
	a := newAuthority(t, "ehm")
	r, _ := newResponder(t, a, nil)
	in := marshal(t, &ocsp.Request{
		List:       []ocsp.Single{{CertID: a.certID(t, crypto.SHA256, big.NewInt(5))}},
		Extensions: []der.Extension{ocsp.NewNonce(make([]byte, 32)), {ID: pki.OIDKeyUsage, Critical: true, Value: []byte{5, 0}}},
	})
	if got := ask(t, r, a, in); got.status != ocsp.MalformedRequest {
		t.Errorf("got %v", got.status)
	}
}

// Answers do not depend on random numbers.
func TestDeterministic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "ehm")
		serial := nextSerial()
		var raws [2][]byte
		for i := range raws {
			r, g := newResponder(t, a, nil)
			g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
			raws[i] = ask(t, r, a, request(t, nil, a.certID(t, crypto.SHA256, serial))).raw
		}
		if a.signer.Certificate.PublicKeyAlgorithm != x509.ECDSA || !bytes.Equal(raws[0], raws[1]) {
			t.Error("two responders made different answers from the same status in the same second")
		}
	})
}
