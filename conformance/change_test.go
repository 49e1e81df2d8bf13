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

// revocation is a centre of which one certificate may be revoked.
type revocation struct {
	c *centre
	// late is how much later than the others a source says so: "POST", "GET",
	// "/list.crl" or "/delta.crl". It is asked at least once in that time.
	late map[string]time.Duration
	// relapse is the source that takes it back after it has said so twice.
	relapse string
	// moves gives a delta that is for the list which has the revocation already,
	// and has nothing to add to it.
	moves   bool
	profile *conformance.Profile
	// change is what the target does; nil leaves it to a person, who does it
	// when GET is asked again, and says that it was done so long ago.
	change conformance.Act
	ago    time.Duration
	wait   time.Duration

	mu             sync.Mutex
	done           time.Time // zero: not yet
	asked, toldYes map[string]int
}

func newRevocation(c *centre) *revocation {
	r := &revocation{c: c, late: map[string]time.Duration{}, asked: map[string]int{}, toldYes: map[string]int{}, wait: time.Minute}
	r.change = func(context.Context) (time.Time, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.done = time.Now()
		return time.Time{}, nil
	}
	return r
}

// says reports whether a source knows by now, and since when.
func (r *revocation) says(source string) (time.Time, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asked[source]++; r.change == nil && r.done.IsZero() && r.asked["GET"] > 1 {
		r.done = time.Now()
	}
	at := r.done.Add(-r.ago)
	if late, there := r.late[source]; r.done.IsZero() || there && time.Since(r.done) < late {
		return at, false
	} else if there {
		delete(r.late, source) // the last time that it does not know
		return at, false
	}
	r.toldYes[source]++
	return at, source != r.relapse || r.toldYes[source] < 3
}

func (r *revocation) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if strings.HasSuffix(q.URL.Path, ".crl") {
		p := newPoint(r.c)
		list := map[string]*fakeList{"/list.crl": p.full, "/delta.crl": p.delta}[q.URL.Path]
		if at, known := r.says(q.URL.Path); known {
			if r.moves {
				p.delta.with(deltaIndicator, true, integer(8))
				list.with(pki.OIDCRLNumber, false, integer(8))
			}
			if list != p.delta || !r.moves {
				list.entries = append(list.entries, r.c.listed(r.c.good.SerialNumber.Bytes(), 1, at))
			}
		}
		p.bodies[q.URL.Path] = list.encode()
		p.ServeHTTP(w, q)
		return
	}
	f := &fakeOCSP{c: r.c, delegate: r.c.delegate, began: time.Now()}
	f.plan = func(asked *ocspQuestion, reply *ocspReply) {
		at, known := r.says(asked.method)
		for i := range reply.singles {
			if s := &reply.singles[i]; known {
				s.state, s.revoked, s.reason = 1, at, 1
				s.say()
			}
		}
	}
	f.ServeHTTP(w, q)
}

func (r *revocation) judge(t *testing.T) *conformance.Report {
	t.Helper()
	server := httptest.NewServer(r)
	defer server.Close()
	tester, err := conformance.New(conformance.Config{Profile: r.profile})
	if err != nil {
		t.Fatal(err)
	}
	f, p := &fakeOCSP{c: r.c}, &fakePoint{c: r.c}
	target := conformance.ChangeTarget{Responder: f.target(server.URL + "/"), List: p.target(server.URL), Revoke: r.change, Wait: r.wait}
	if err := tester.Change(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	return tester.Report()
}

// within is a profile whose deadline a test can wait for.
func within(t *testing.T, id, most string) *conformance.Profile {
	t.Helper()
	profile, err := conformance.ParseProfile([]byte("name = \"X\"\nwithout = [\"REV-01\", \"REV-02\"]\n[[rule]]\nid = \"" + id + "\"\nclause = \"the law\"\ntitle = \"soon\"\nrevocation_shown_most = \"" + most + "\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	return profile
}

func TestRevocation(t *testing.T) {
	c := newCentre(t)
	sound := newRevocation(c)
	r := sound.judge(t)
	switchboard.sound(t, r)
	if got := r.Sections[0].Results[0].Figures; len(got) != 2 || !strings.Contains(got[0], "OCSP by POST said revoked ") {
		t.Errorf("how long it took is not told: %q", got)
	}
	// However often the sources were asked, what counts stays.
	if len(r.Exchanges) > 12 {
		t.Errorf("%d exchanges are in the report", len(r.Exchanges))
	}
	az, err := conformance.BuiltinProfile("AZ")
	if err != nil {
		t.Fatal(err)
	}
	sound = newRevocation(c)
	sound.profile = az
	r = sound.judge(t)
	switchboard.sound(t, r)
	if ids := len(r.Sections[0].Results); ids != 4 || r.Sections[0].Results[3].ID != "AZ-06" {
		t.Errorf("by the rules of AZ: %+v", r.Sections[0].Results)
	}
	t.Run("a delta that has nothing to add", func(t *testing.T) {
		moving := newRevocation(c)
		moving.moves = true
		switchboard.sound(t, moving.judge(t))
	})
	t.Run("by hand", func(t *testing.T) {
		hand := newRevocation(c)
		hand.change = nil
		switchboard.sound(t, hand.judge(t))
	})
	for _, row := range []struct {
		planted
		plant func(*revocation)
	}{
		{planted{"REV-03 OCSP takes it back", nil}, func(r *revocation) { r.relapse = "GET" }},
		{planted{"REV-03 the list takes it back", nil}, func(r *revocation) { r.relapse = "/list.crl" }},
		{planted{"LAW-01 by GET it is too late", nil}, func(r *revocation) {
			r.profile, r.late["GET"] = within(t, "LAW-01", "100ms"), 200*time.Millisecond
		}},
		{planted{"LAW-01 the delta list is too late", nil}, func(r *revocation) {
			r.profile, r.late["/delta.crl"] = within(t, "LAW-01", "100ms"), 200*time.Millisecond
		}},
		{planted{"LAW-01 the list never has it", nil}, func(r *revocation) {
			r.profile, r.late["/list.crl"], r.wait = within(t, "LAW-01", "100ms"), time.Hour, time.Second
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := newRevocation(c)
			row.plant(r)
			switchboard.judged(t, row.planted, r.judge(t))
		})
	}
}

// A revocation by hand counts from the time that the sources state, so that a
// test need not wait an hour, or a day.
func TestLateRevocations(t *testing.T) {
	c := newCentre(t)
	for _, row := range []struct {
		planted
		ago time.Duration
	}{
		{planted{"REV-01 OCSP says so after 25 hours", []string{"REV-02"}}, 25 * time.Hour},    // and the lists, too
		{planted{"REV-02 the list has it after 25 hours", []string{"REV-01"}}, 25 * time.Hour}, // and so has OCSP
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRevocation(c)
			r.change, r.ago = nil, row.ago
			switchboard.judged(t, row.planted, r.judge(t))
		})
	}
}

// What does not come to pass says nothing about the sources.
func TestNoRevocation(t *testing.T) {
	c := newCentre(t)
	for name, plant := range map[string]func(*revocation){
		"refused": func(r *revocation) {
			r.change = func(context.Context) (time.Time, error) { return time.Time{}, errors.New("not today") }
		},
		"already":   func(r *revocation) { r.done = time.Now() },
		"by nobody": func(r *revocation) { r.change, r.asked["GET"], r.wait = nil, -1000, 400*time.Millisecond },
		"never seen": func(r *revocation) {
			r.change, r.wait = func(context.Context) (time.Time, error) { return time.Time{}, nil }, 400*time.Millisecond
		},
		"only by OCSP": func(r *revocation) {
			r.late["/list.crl"], r.late["/delta.crl"], r.wait = time.Hour, time.Hour, 400*time.Millisecond
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRevocation(c)
			plant(r)
			report := r.judge(t)
			if got := report.Conclusion(false); got != conformance.Inconclusive || len(found(report)) > 0 {
				t.Errorf("it %s%s", got, explain(report))
			}
			unbroken(t, report)
			if !slices.ContainsFunc(report.Sections[0].Results, func(one conformance.Result) bool { return len(one.Evidence) > 0 }) {
				t.Error("there is no evidence")
			}
		})
	}
}
