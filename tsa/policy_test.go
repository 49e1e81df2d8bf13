package tsa_test

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/digitorus/timestamp"

	"github.com/altamga/altamga/tsa"
)

func TestPolicies(t *testing.T) {
	t.Run("TSA-32 each policy with its own promise", func(t *testing.T) {
		a, h, c := newAuthority(t, func(c *tsa.Config) {
			c.Policies[0].Accuracy, c.Policies[0].Fraction = 10*time.Millisecond, 6
			c.Policies[1].Name = true
		})
		c.set(noon.Add(123456789), nil)
		r := query()
		fine := stamp(t, a, h, r).Info
		r.Policy = otherPolicy
		coarse := stamp(t, a, h, r).Info
		if fine.Accuracy != 10*time.Millisecond || !fine.GenTime.Equal(noon.Add(123456*time.Microsecond)) || fine.Name != nil {
			t.Errorf("got %+v", fine)
		}
		if coarse.Accuracy != time.Second || !coarse.GenTime.Equal(noon) || !bytes.Equal(coarse.Name, h.certificate.RawSubject) {
			t.Errorf("got %+v", coarse)
		}
	})
	t.Run("TSA-29 SHA-1 by policy and not by another", func(t *testing.T) {
		a, h, _ := newAuthority(t, func(c *tsa.Config) { c.Policies[1].SHA1 = true })
		r := query()
		r.Imprint = tsa.Imprint{HashAlgorithm: oidSHA1, HashedMessage: make([]byte, 20)}
		want(t, refused(t, a, marshal(t, r)), tsa.BadAlg)
		r.Policy = otherPolicy
		stamp(t, a, h, r)
	})
	t.Run("TSA-41 no token whose accuracy the clock does not prove", func(t *testing.T) {
		a, h, c := newAuthority(t, func(c *tsa.Config) { c.Policies[0].Accuracy, c.Policies[0].Fraction = 10*time.Millisecond, 3 })
		coarse := query()
		coarse.Policy = otherPolicy
		for within, ok := range map[time.Duration]bool{0: true, 9 * time.Millisecond: true, 10 * time.Millisecond: true, 11 * time.Millisecond: false, 400 * time.Millisecond: false} {
			c.mu.Lock()
			c.within = within
			c.mu.Unlock()
			stamp(t, a, h, coarse)
			if ok {
				stamp(t, a, h, query())
			} else {
				want(t, refused(t, a, marshal(t, query())), tsa.TimeNotAvailable)
				if err := a.Ready(t.Context()); !errors.Is(err, tsa.ErrUnproven) {
					t.Errorf("Ready says %v", err)
				}
			}
		}
	})
	t.Run("TSA-14 genTime within accuracy of UTC whatever the digits", func(t *testing.T) {
		// UTC may be anywhere within the distance: the time said must hold for
		// both ends.
		for _, digits := range []int{0, 1, 2, 3, 6} {
			for _, within := range []time.Duration{0, time.Millisecond, 40 * time.Millisecond, 300 * time.Millisecond, 500 * time.Millisecond, 501 * time.Millisecond, 990 * time.Millisecond} {
				p := tsa.Policy{ID: policy, Accuracy: time.Second, Fraction: digits}
				for now := noon; now.Before(noon.Add(2 * time.Second)); now = now.Add(37 * time.Millisecond) {
					got, err := p.Fit(now, within, time.Time{})
					if err != nil {
						if digits > 0 && within < 900*time.Millisecond || within <= 500*time.Millisecond {
							t.Fatalf("%d digits, within %v: %v", digits, within, err)
						}
						continue
					}
					if away := max(now.Add(within).Sub(got).Abs(), now.Add(-within).Sub(got).Abs()); away > time.Second {
						t.Fatalf("%d digits, within %v: %v became %v, which may be %v off", digits, within, now, got, away)
					}
				}
			}
		}
	})
}

func TestOrdering(t *testing.T) {
	ordered := func(c *tsa.Config) { c.Policies[0].Ordering, c.Policies[0].Fraction = true, 3 }
	t.Run("TSA-17 ordering only where a policy promises it", func(t *testing.T) {
		a, h, _ := newAuthority(t, ordered)
		d := decodeToken(t, a.Respond(t.Context(), marshal(t, query())))
		if !d.info.Ordering || !stamp(t, a, h, query()).Info.Ordering {
			t.Error("ordering is not there")
		}
		r := query()
		r.Policy = otherPolicy
		if stamp(t, a, h, r).Info.Ordering {
			t.Error("ordering is there")
		}
	})
	t.Run("no two ordered tokens of one time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHierarchy(t, newRSAOrEC(t), validAround(time.Now()))
			config, _ := h.config()
			ordered(&config)
			config.Clock = wallClock{}
			a, err := tsa.New(config)
			if err != nil {
				t.Fatal(err)
			}
			var mu sync.Mutex
			seen := map[time.Time]bool{}
			var all sync.WaitGroup
			for range 50 {
				all.Go(func() {
					token, err := tsa.ParseResponse(a.Respond(t.Context(), marshal(t, query())))
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					defer mu.Unlock()
					if seen[token.Info.GenTime] {
						t.Errorf("%v twice", token.Info.GenTime)
					}
					seen[token.Info.GenTime] = true
					if token.Info.GenTime.After(time.Now()) {
						t.Errorf("%v is in the future", token.Info.GenTime)
					}
				})
			}
			all.Wait()
		})
	})
	for name, row := range map[string]struct {
		change func(*tsa.Policy)
		says   string
	}{
		"without digits":      {func(p *tsa.Policy) { p.Ordering = true }, "3 digits"},
		"of a qualified kind": {func(p *tsa.Policy) { p.Ordering, p.Qualified, p.Fraction = true, true, 3 }, "qualified"},
	} {
		config, _ := newHierarchy(t, newRSAOrEC(t)).config()
		row.change(&config.Policies[0])
		refusesConfig(t, name, config, row.says)
	}
}

func TestQualified(t *testing.T) {
	a, h, _ := newAuthority(t, func(c *tsa.Config) { c.Policies[0].Qualified = true })
	t.Run("TSA-20 esi4-qtstStatement-1 only if qualified, not critical", func(t *testing.T) {
		d := decodeToken(t, a.Respond(t.Context(), marshal(t, query())))
		if len(d.info.Extensions) != 1 {
			t.Fatalf("%d extensions, want 1", len(d.info.Extensions))
		}
		e := d.info.Extensions[0]
		var statements []struct{ ID asn1.ObjectIdentifier }
		unmarshal(t, e.Value, &statements, "")
		if !e.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 3}) || e.Critical || len(statements) != 1 ||
			!statements[0].ID.Equal(asn1.ObjectIdentifier{0, 4, 0, 19422, 1, 1}) {
			t.Errorf("got %+v, %v", e, statements)
		}
		if !stamp(t, a, h, query()).Info.Qualified {
			t.Error("not qualified")
		}
		r := query()
		r.Policy = otherPolicy
		if d := decodeToken(t, a.Respond(t.Context(), marshal(t, r))); len(d.info.Extensions) != 0 {
			t.Errorf("another policy's token has %v", d.info.Extensions)
		}
	})
	t.Run("TSA-45 digitorus finds the statement", func(t *testing.T) {
		got, err := timestamp.ParseResponse(a.Respond(t.Context(), marshal(t, query())))
		if err != nil || !got.Qualified {
			t.Errorf("qualified is %v, %v", got != nil && got.Qualified, err)
		}
	})
	t.Run("TSA-45 openssl accepts a qualified token", func(t *testing.T) {
		dir := t.TempDir()
		writePEM(t, dir, "root.pem", h.root)
		writePEM(t, dir, "intermediate.pem", h.intermediate)
		write(t, dir, "data", []byte("a document\n"))
		mustOpenSSL(t, dir, "ts", "-query", "-data", "data", "-cert", "-out", "q")
		write(t, dir, "r", a.Respond(t.Context(), read(t, dir, "q")))
		out := mustOpenSSL(t, dir, "ts", "-verify", "-in", "r", "-CAfile", "root.pem", "-attime", at, "-untrusted", "intermediate.pem", "-queryfile", "q")
		if !strings.Contains(out, "Verification: OK") {
			t.Error(out)
		}
	})
}

func TestRevocation(t *testing.T) {
	t.Run("TSA-43 what revoking a unit leaves of its tokens", func(t *testing.T) {
		for reason := tsa.NoReason; reason <= 10; reason++ {
			survives := reason == 0 || reason >= 3 && reason <= 5
			if err := tsa.StandsAfter(noon, noon.Add(1), reason, false); (err == nil) != survives {
				t.Errorf("reason %d: a token from before gets %v", reason, err)
			}
			// The audit trail that RFC 3161, Section 4 speaks of.
			if err := tsa.StandsAfter(noon, noon.Add(1), reason, true); err != nil {
				t.Errorf("reason %d: a token in the journal gets %v", reason, err)
			}
			for _, journalled := range []bool{false, true} {
				if err := tsa.StandsAfter(noon, noon, reason, journalled); err == nil {
					t.Errorf("reason %d: a token of the moment stands", reason)
				}
			}
		}
	})
}

func TestSince(t *testing.T) {
	t.Run("TSA-13 a latest time with more digits than the policy's", func(t *testing.T) {
		a, h, _ := newAuthority(t, func(c *tsa.Config) { c.Since = noon.Add(300 * time.Millisecond) })
		if got := stamp(t, a, h, query()).Info.GenTime; !got.Equal(noon) {
			t.Errorf("got %v, want %v", got, noon)
		}
	})
	t.Run("TSA-22 never backwards over a restart", func(t *testing.T) {
		latest := noon.Add(300 * time.Millisecond)
		a, h, c := newAuthority(t, func(c *tsa.Config) { c.Since, c.Policies[0].Fraction = latest, 3 })
		if got := stamp(t, a, h, query()).Info.GenTime; !got.Equal(latest) {
			t.Errorf("got %v, want %v", got, latest)
		}
		c.set(noon.Add(-time.Hour), nil)
		want(t, refused(t, a, marshal(t, query())), tsa.TimeNotAvailable)
		c.set(noon.Add(time.Second), nil)
		if got := stamp(t, a, h, query()).Info.GenTime; !got.Equal(noon.Add(time.Second)) {
			t.Errorf("got %v", got)
		}
	})
}
