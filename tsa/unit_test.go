package tsa_test

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/tsa"
)

// wallClock is the bubble's clock.
type wallClock struct{}

func (wallClock) Now() (time.Time, time.Duration, error) { return time.Now(), 0, nil }

func newRSAOrEC(t testing.TB) crypto.Signer { return newKey(t, elliptic.P256()) }

// validAround makes a certificate valid around another moment than noon.
func validAround(now time.Time) profile {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.AddDate(-1, 0, 0), now.AddDate(5, 0, 0) }
}

// usedFrom gives the key a period of use.
func usedFrom(t testing.TB, from, to time.Time) profile {
	text := func(tag int, at time.Time) asn1.RawValue {
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: []byte(at.UTC().Format("20060102150405Z"))}
	}
	value, err := asn1.Marshal([]asn1.RawValue{text(0, from), text(1, to)})
	if err != nil {
		t.Fatal(err)
	}
	return func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = from.AddDate(0, -1, 0), to.AddDate(4, 0, 0)
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: oidPrivateKeyUse, Value: value})
	}
}

// unitsOf makes units of one issuer.
func unitsOf(t testing.TB, profiles ...profile) (h *hierarchy, units []tsa.Unit) {
	t.Helper()
	for i, p := range profiles {
		made := newHierarchy(t, newRSAOrEC(t), p, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(int64(1000 + i)) })
		units = append(units, tsa.Unit{Certificate: made.certificate, Chain: []*x509.Certificate{made.intermediate}, Key: made.key})
		h = made
	}
	return h, units
}

// by returns which of the units made a token.
func by(t testing.TB, units []tsa.Unit, answer []byte) int {
	t.Helper()
	token, err := tsa.ParseResponse(answer)
	if err != nil {
		t.Fatal(err)
	}
	for i, u := range units {
		if token.Verify(u.Certificate) == nil {
			return i
		}
	}
	t.Fatal("no unit has made the token")
	return -1
}

func TestRollover(t *testing.T) {
	t.Run("TSA-42 units follow one another by themselves, with overlap", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			const hour = time.Hour // for a year: the bubble has less to wait for
			h, units := unitsOf(t, usedFrom(t, start.Add(-10*hour), start.Add(5*hour)), usedFrom(t, start.Add(3*hour), start.Add(8*hour)))
			config, _ := h.config()
			j := new(journal)
			config.Units, config.Clock, config.Audit = units, wallClock{}, j.append
			a, err := tsa.New(config)
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { a.Run(ctx) })
			if got := a.Until(start); !got.Equal(start.Add(8 * hour)) {
				t.Errorf("covered until %v", got)
			}
			used := func() (by0, by1 int) {
				for range 10 {
					switch by(t, units, a.Respond(t.Context(), marshal(t, query()))) {
					case 0:
						by0++
					case 1:
						by1++
					}
				}
				return by0, by1
			}
			if by0, by1 := used(); by0 != 10 || by1 != 0 {
				t.Errorf("before the overlap: %d and %d", by0, by1)
			}
			time.Sleep(4 * hour)
			if by0, by1 := used(); by0 != 5 || by1 != 5 {
				t.Errorf("in the overlap: %d and %d", by0, by1)
			}
			time.Sleep(2 * hour)
			if by0, by1 := used(); by0 != 0 || by1 != 10 {
				t.Errorf("after the overlap: %d and %d", by0, by1)
			}
			time.Sleep(3 * hour)
			want(t, refused(t, a, marshal(t, query())), tsa.SystemFailure)
			if err := a.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "may be used from") {
				t.Errorf("Ready says %v", err)
			}
			stop()
			running.Wait()
			if got := strings.Join(j.actions, " "); got != strings.Repeat("tsa.unit ", 4)+"tsa.unit" {
				t.Errorf("recorded %v: want active, not yet, active, over, over", j.actions)
			}
		})
	})
}

func TestAddUnit(t *testing.T) {
	t.Run("TSA-42 a unit that is added makes tokens in its period, and its standing is looked after", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			const hour = time.Hour
			h, units := unitsOf(t, usedFrom(t, start.Add(-hour), start.Add(5*hour)), usedFrom(t, start.Add(3*hour), start.Add(8*hour)))
			config, _ := h.config()
			j, held := new(journal), atomic.Bool{}
			config.Units, config.Clock, config.Audit = units[:1], wallClock{}, j.append
			config.Standing = func(_ context.Context, c *x509.Certificate) (bool, error) {
				return c != units[1].Certificate || !held.Load(), nil
			}
			a, err := tsa.New(config)
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { a.Run(ctx) })
			time.Sleep(2 * hour)
			if err := a.AddUnit(tsa.Unit{Certificate: units[1].Certificate, Key: units[0].Key}); err == nil {
				t.Error("a unit whose key is another's was added")
			}
			if err := a.AddUnit(units[1]); err != nil {
				t.Fatal(err)
			}
			for at, makes := range []string{"00", "01", "01", "01", "11"} {
				one := by(t, units, a.Respond(t.Context(), marshal(t, query())))
				other := by(t, units, a.Respond(t.Context(), marshal(t, query())))
				if got := fmt.Sprint(min(one, other), max(one, other)); got != makes[:1]+" "+makes[1:] {
					t.Errorf("%d hours after it was added: tokens by %s, want by %s", at, got, makes)
				}
				time.Sleep(hour)
			}
			if got := a.Until(time.Now()); !got.Equal(start.Add(8 * hour)) {
				t.Errorf("covered until %v", got)
			}
			held.Store(true)
			time.Sleep(2 * time.Minute)
			want(t, refused(t, a, marshal(t, query())), tsa.SystemFailure)
			stop()
			running.Wait()
			if len(j.actions) != 5 {
				t.Errorf("recorded %v: want active, not yet, active, over, held", j.actions)
			}
		})
	})
}

func TestUnitFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		h, units := unitsOf(t, validAround(now), validAround(now))
		first := &signer{Signer: units[0].Key}
		units[0].Key = first
		config, _ := h.config()
		config.Units, config.Clock = units, wallClock{}
		a, err := tsa.New(config)
		if err != nil {
			t.Fatal(err)
		}
		// A key that is used up, or away, gives way to the other at once, and is
		// left alone for a while.
		first.sign = func([]byte) ([]byte, error) { return nil, errors.New("used up") }
		for range 20 {
			if got := by(t, units, a.Respond(t.Context(), marshal(t, query()))); got != 1 {
				t.Errorf("unit %d made a token", got)
			}
		}
		if first.signed != 1 {
			t.Errorf("the key was asked %d times, want 1", first.signed)
		}
		first.sign = nil
		time.Sleep(time.Minute)
		used := [2]int{}
		for range 10 {
			used[by(t, units, a.Respond(t.Context(), marshal(t, query())))]++
		}
		if used != [2]int{5, 5} {
			t.Errorf("after the rest %v, want equal shares", used)
		}
	})
}

// A unit that is added is asked for at once, not with the next round.
func TestAddedUnitsStanding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, units := unitsOf(t, validAround(time.Now()), validAround(time.Now()))
		config, _ := h.config()
		config.Units, config.Clock, config.StandingEvery = units[:1], wallClock{}, time.Hour
		config.Standing = func(_ context.Context, c *x509.Certificate) (bool, error) { return c == units[1].Certificate, nil }
		a, err := tsa.New(config)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { a.Run(ctx) })
		defer func() { stop(); running.Wait() }()
		want(t, refused(t, a, marshal(t, query())), tsa.SystemFailure)
		if err := a.AddUnit(units[1]); err != nil {
			t.Fatal(err)
		}
		want(t, refused(t, a, marshal(t, query())), tsa.SystemFailure)
		time.Sleep(2 * time.Second)
		if got := by(t, units, a.Respond(t.Context(), marshal(t, query()))); got != 1 {
			t.Errorf("unit %d made a token, want the one that was added", got)
		}
	})
}

// A restart is no way around a revocation.
func TestStandingAtStart(t *testing.T) {
	for name, row := range map[string]struct {
		good  bool
		err   error
		after time.Duration // the answer takes so long
		token bool
	}{
		"good": {good: true, after: 500 * time.Millisecond, token: true}, "revoked": {after: 500 * time.Millisecond},
		"nobody knows": {err: errors.New("no responder answers"), token: true}, "nobody answers": {good: true, after: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, units := unitsOf(t, validAround(time.Now()))
				config, _ := h.config()
				config.Units, config.Clock = units, wallClock{}
				config.Standing = func(ctx context.Context, _ *x509.Certificate) (bool, error) {
					select {
					case <-time.After(row.after):
						return row.good, row.err
					case <-ctx.Done():
						return false, ctx.Err()
					}
				}
				a, err := tsa.New(config)
				if err != nil {
					t.Fatal(err)
				}
				ctx, stop := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() { a.Run(ctx) })
				defer func() { stop(); running.Wait() }()
				if _, err := a.Stamp(t.Context(), query()); (err == nil) != row.token {
					t.Errorf("the first query gets %v", err)
				}
			})
		})
	}
}

func TestStanding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, units := unitsOf(t, validAround(time.Now()))
		config, _ := h.config()
		var good atomic.Bool
		var unknown atomic.Bool
		config.Units, config.Clock, config.StandingGrace = units, wallClock{}, time.Hour
		config.Standing = func(_ context.Context, c *x509.Certificate) (bool, error) {
			if unknown.Load() {
				return false, errors.New("no responder answers")
			}
			return good.Load() && c == units[0].Certificate, nil
		}
		a, err := tsa.New(config)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		good.Store(true)
		running.Go(func() { a.Run(ctx) })
		defer func() { stop(); running.Wait() }()
		judged := func(ok bool, when string) {
			t.Helper()
			_, err := tsa.ParseResponse(a.Respond(t.Context(), marshal(t, query())))
			if (err == nil) != ok {
				t.Errorf("%s: a query gets %v", when, err)
			}
			if ready := a.Ready(t.Context()); (ready == nil) != ok {
				t.Errorf("%s: Ready says %v", when, ready)
			}
		}
		synctest.Wait()
		judged(true, "good")
		good.Store(false)
		time.Sleep(61 * time.Second)
		judged(false, "held")
		unknown.Store(true)
		time.Sleep(61 * time.Second)
		judged(false, "held, and then nobody knows")
		good.Store(true)
		unknown.Store(false)
		time.Sleep(61 * time.Second)
		judged(true, "released")
		unknown.Store(true)
		time.Sleep(58 * time.Minute)
		judged(true, "not known for a while")
		time.Sleep(5 * time.Minute)
		judged(false, "not known for too long")
		unknown.Store(false)
		time.Sleep(61 * time.Second)
		judged(true, "known again")
	})
}

// The pieces of a token are those of the plain encoder, for every kind of key.
func TestPieces(t *testing.T) {
	for name, key := range map[string]crypto.Signer{"P-256": newKey(t, elliptic.P256()), "P-384": newKey(t, elliptic.P384()), "P-521": newKey(t, elliptic.P521()), "RSA": newRSAKey(t)} {
		h := newHierarchy(t, key)
		config, _ := h.config()
		config.Policies[0] = tsa.Policy{ID: policy, Accuracy: 1500 * time.Microsecond, Fraction: 6, Name: true, Qualified: true}
		a, err := tsa.New(config)
		if err != nil {
			t.Fatal(err)
		}
		for _, nonce := range [][]byte{nil, {1}, make33(200), make33(4000)} {
			for _, certReq := range []bool{false, true} {
				r := query()
				r.Nonce, r.CertReq = nonce, certReq
				token, err := a.Stamp(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				parsed, err := tsa.ParseToken(token)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				again, err := parsed.Marshal()
				if err != nil || string(again) != string(token) {
					t.Errorf("%s: the plain encoder writes\n%x, not\n%x", name, again, token)
				}
			}
		}
	}
}

// make33 returns a number of n octets.
func make33(n int) []byte {
	b := make([]byte, n)
	b[0] = 0x33
	return b
}
