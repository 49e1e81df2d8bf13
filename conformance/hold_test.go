package conformance_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/altamga/altamga/conformance"
	"github.com/altamga/altamga/internal/pki"
)

// holding is a centre whose good certificate goes on hold and comes back. With
// each change it publishes a complete list and a delta for list 5.
type holding struct {
	c *centre
	// answer and delta change what is said; list does it to the complete list.
	// They are told how often the certificate was changed and the source asked
	// since.
	answer      func(changes, asked int, s *ocspSingle)
	list, delta func(changes, asked int, l *fakeList)
	profile     *conformance.Profile
	hold        conformance.Act // in place of its own
	// ago is how long before the hold, or the release, it is acknowledged.
	heldAgo, releasedAgo time.Duration
	wait                 time.Duration

	mu      sync.Mutex
	changes int // 1 on hold, 2 released
	asked   map[string]int
	at      time.Time
}

func (h *holding) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	h.mu.Lock()
	source := q.URL.Path
	if !strings.HasSuffix(source, ".crl") {
		source = q.Method
	}
	h.asked[source]++
	changes, asked, at := h.changes, h.asked[source], h.at
	h.mu.Unlock()
	if !strings.HasSuffix(source, ".crl") {
		f := &fakeOCSP{c: h.c, delegate: h.c.delegate, began: time.Now()}
		f.plan = func(_ *ocspQuestion, reply *ocspReply) {
			for i := range reply.singles {
				s := &reply.singles[i]
				if changes == 1 {
					s.state, s.revoked, s.reason = 1, at, 6
				}
				if h.answer != nil {
					h.answer(changes, asked, s)
				}
				s.say()
			}
		}
		f.ServeHTTP(w, q)
		return
	}
	p := newPoint(h.c)
	list, change := p.full, h.list
	entry := h.c.listed(h.c.good.SerialNumber.Bytes(), []int{0, 6, 8}[changes], at)
	if source == "/delta.crl" {
		list, change = p.delta, h.delta
	}
	list.with(pki.OIDCRLNumber, false, integer(int64(7+changes)))
	if changes == 1 || changes == 2 && list == p.delta {
		list.entries = append(list.entries, entry)
	}
	if change != nil {
		change(changes, asked, list)
	}
	p.bodies[source] = list.encode()
	p.ServeHTTP(w, q)
}

// change puts the certificate on hold, or ends that.
func (h *holding) change(to int, ago time.Duration) conformance.Act {
	return func(context.Context) (time.Time, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.changes, h.at = to, time.Now()
		clear(h.asked)
		if ago == 0 {
			return time.Time{}, nil
		}
		return h.at.Add(-ago), nil
	}
}

func newHolding(c *centre) *holding {
	return &holding{c: c, asked: map[string]int{}, wait: time.Minute}
}

func (h *holding) judge(t *testing.T) *conformance.Report {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	tester, err := conformance.New(conformance.Config{Profile: h.profile})
	if err != nil {
		t.Fatal(err)
	}
	f, p := &fakeOCSP{c: h.c}, &fakePoint{c: h.c}
	target := conformance.HoldTarget{Responder: f.target(server.URL + "/"), List: p.target(server.URL), Hold: h.change(1, h.heldAgo), Release: h.change(2, h.releasedAgo), Wait: h.wait}
	if h.hold != nil {
		target.Hold = h.hold
	}
	if err := tester.Hold(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	return tester.Report()
}

// dropped takes the last entry off a list.
func dropped(l *fakeList) { l.entries = l.entries[:len(l.entries)-1] }

func TestHold(t *testing.T) {
	c := newCentre(t)
	az, err := conformance.BuiltinProfile("AZ")
	if err != nil {
		t.Fatal(err)
	}
	sound := newHolding(c)
	sound.profile = az
	r := sound.judge(t)
	switchboard.sound(t, r)
	for _, one := range r.Sections[0].Results {
		if one.Verdict != conformance.Pass {
			t.Errorf("%s: %s", one.ID, one.Verdict)
		}
		if one.ID == "AZ-06" && len(one.Figures) != 8 {
			t.Errorf("how long it took is not told: %q", one.Figures)
		}
	}
	if sound.changes != 2 {
		t.Error("the certificate is left on hold")
	}
	// Lists that are for later lists than that with the hold need not end it; a
	// release may come in a delta first.
	for name, plant := range map[string]func(*holding){
		"deltas for the last list": func(h *holding) {
			h.delta = func(changes, _ int, l *fakeList) {
				l.with(deltaIndicator, true, integer(int64(7+changes)))
				if changes > 0 {
					dropped(l)
				}
			}
		},
		"by OCSP later": func(h *holding) {
			h.answer = func(changes, asked int, s *ocspSingle) {
				if changes == 2 && asked < 3 {
					s.state, s.revoked, s.reason = 1, time.Now(), 6
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHolding(c)
			plant(h)
			switchboard.sound(t, h.judge(t))
		})
	}
	for _, row := range []struct {
		planted
		plant func(*holding)
	}{
		{planted{"HOLD-01 it is acknowledged a day before OCSP says so", []string{"HOLD-02"}}, func(h *holding) { h.heldAgo = 25 * time.Hour }},
		{planted{"HOLD-02 it is acknowledged a day before it is on the lists", []string{"HOLD-01"}}, func(h *holding) { h.heldAgo = 25 * time.Hour }},
		{planted{"HOLD-03 OCSP gives no reason", nil}, func(h *holding) {
			h.wait = time.Second
			h.answer = func(changes, _ int, s *ocspSingle) {
				if changes == 1 {
					s.reason = -1
				}
			}
		}},
		{planted{"HOLD-03 the list says key compromise", nil}, func(h *holding) {
			h.wait = time.Second
			h.list = func(changes, _ int, l *fakeList) {
				if changes == 1 {
					dropped(l)
					l.entries = append(l.entries, h.c.listed(h.c.good.SerialNumber.Bytes(), 1, time.Now()))
				}
			}
		}},
		{planted{"HOLD-04 OCSP says good again a day later", []string{"HOLD-05"}}, func(h *holding) { h.releasedAgo = 25 * time.Hour }},
		{planted{"HOLD-05 it is off the lists a day later", []string{"HOLD-04"}}, func(h *holding) { h.releasedAgo = 25 * time.Hour }},
		{planted{"HOLD-06 the delta is silent about the release", nil}, func(h *holding) {
			h.wait = time.Second
			h.delta = func(changes, _ int, l *fakeList) {
				if changes == 2 {
					dropped(l)
				}
			}
		}},
		{planted{"HOLD-06 the delta keeps the hold", nil}, func(h *holding) {
			h.wait = time.Second
			h.delta = func(changes, _ int, l *fakeList) {
				if changes == 2 {
					dropped(l)
					l.entries = append(l.entries, h.c.listed(h.c.good.SerialNumber.Bytes(), 6, time.Now()))
				}
			}
		}},
		{planted{"HOLD-07 OCSP forgets the hold", nil}, func(h *holding) {
			h.answer = func(changes, asked int, s *ocspSingle) {
				if changes == 1 && asked == 2 {
					s.state = 0
				}
			}
		}},
		{planted{"HOLD-07 the list has it again after the release", nil}, func(h *holding) {
			h.list = func(changes, asked int, l *fakeList) {
				if changes == 2 && asked == 3 {
					l.entries = append(l.entries, h.c.listed(h.c.good.SerialNumber.Bytes(), 6, time.Now()))
				}
			}
		}},
		{planted{"LAW-01 by GET it is too late", nil}, func(h *holding) {
			h.profile = within(t, "LAW-01", "100ms")
			began := time.Time{}
			h.answer = func(changes, _ int, s *ocspSingle) {
				if began.IsZero() && changes == 1 {
					began = time.Now()
				}
				if changes == 1 && time.Since(began) < 300*time.Millisecond {
					s.state = 0
				}
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			h := newHolding(c)
			row.plant(h)
			switchboard.judged(t, row.planted, h.judge(t))
		})
	}
}

// What cannot be seen is not judged, and no certificate stays on hold for it.
func TestNoHold(t *testing.T) {
	c := newCentre(t)
	for name, plant := range map[string]func(*holding){
		"refused": func(h *holding) {
			h.hold = func(context.Context) (time.Time, error) { return time.Time{}, errors.New("not today") }
		},
		"never seen": func(h *holding) {
			h.hold = func(context.Context) (time.Time, error) { return time.Time{}, nil }
			h.wait = 400 * time.Millisecond
		},
		"not on the lists yet": func(h *holding) {
			h.wait = 400 * time.Millisecond
			drop := func(changes, _ int, l *fakeList) {
				if changes > 0 {
					*l = *h.c.list(7)
					l.with(deltaIndicator, true, integer(5))
				}
			}
			h.delta, h.list = drop, func(changes, asked int, l *fakeList) {
				drop(changes, asked, l)
				l.without(deltaIndicator)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHolding(c)
			plant(h)
			report := h.judge(t)
			if got := report.Conclusion(false); got != conformance.Inconclusive || len(found(report)) > 0 {
				t.Errorf("it %s%s", got, explain(report))
			}
			unbroken(t, report)
			if h.changes != 2 {
				t.Error("the certificate is left on hold")
			}
			if !slices.ContainsFunc(report.Sections[0].Results, func(one conformance.Result) bool { return len(one.Evidence) > 0 }) {
				t.Error("there is no evidence")
			}
		})
	}
	tester, err := conformance.New(conformance.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := tester.Hold(t.Context(), conformance.HoldTarget{}); err == nil {
		t.Error("a hold without an end was taken")
	}
}
