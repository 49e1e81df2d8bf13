package ca_test

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/register"
)

// openRegister opens an empty SQLite register.
func openRegister(t testing.TB) *register.Register {
	t.Helper()
	opened, err := register.Open(t.Context(), filepath.Join(t.TempDir(), "register.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { opened.Close() })
	return opened
}

// dual is a service that asks for a second person: aynur and aynur2 are clients
// of one person, kamran and leyla of others, ra vouches for its staff, and
// reader has no role.
type dual struct {
	*service
	pending ca.PendingStore
}

func newDual(t *testing.T) *dual {
	t.Helper()
	d := &dual{service: newService(t), pending: openRegister(t)}
	d.config.Access = ca.Access{
		Pending: d.pending,
		Person:  func(client string) string { return strings.TrimSuffix(client, "2") },
		Vouches: func(client string) bool { return client == "ra" },
	}
	d.config.Allow = func(actor, action, issuer, profile string) bool { return actor != "reader" || action == ca.ActionRead }
	d.config.Issuers[1].Profiles = []string{"issuing"}
	d.reopen(t)
	return d
}

func (d *dual) by(t *testing.T, name string) *ca.Client {
	t.Helper()
	client, err := ca.NewClient(d.server.URL, d.as(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// issued is a fresh certificate of a citizen.
func (d *dual) issued(t *testing.T) journal.Serial {
	t.Helper()
	answer, err := d.client.Issue(t.Context(), authenticationRequest(t), "")
	if err != nil {
		t.Fatal(err)
	}
	return answer.Serial
}

func (d *dual) state(t *testing.T, serial journal.Serial) journal.State {
	t.Helper()
	answer, err := d.client.Certificate(t.Context(), serial)
	if err != nil {
		t.Fatal(err)
	}
	return answer.Status.State
}

// asked is the pending request that an answer 202 told of.
func asked(t *testing.T, err error) journal.Pending {
	t.Helper()
	waits, ok := errors.AsType[*ca.PendingError](err)
	if !ok {
		t.Fatalf("got %v, want a request that waits for a second person", err)
	}
	return waits.Pending
}

var centreHold = ca.ChangeRequest{Owner: "centre"}

func TestTwoPersons(t *testing.T) {
	d := newDual(t)
	ctx := t.Context()
	aynur, again, kamran, leyla := d.by(t, "aynur"), d.by(t, "aynur2"), d.by(t, "kamran"), d.by(t, "leyla")

	t.Run("G4 hold, release and revocation by the centre take two", func(t *testing.T) {
		serial := d.issued(t)
		for _, step := range []struct {
			name string
			ask  func() error
			want journal.State
		}{
			{"hold", func() error { _, err := aynur.Hold(ctx, serial, centreHold, ""); return err }, journal.OnHold},
			{"release", func() error { _, err := aynur.Release(ctx, serial, centreHold, ""); return err }, journal.Valid},
			{"revoke", func() error {
				_, err := aynur.Revoke(ctx, serial, ca.ChangeRequest{Owner: "centre", Reason: "superseded"}, "")
				return err
			}, journal.Gone},
		} {
			before := d.state(t, serial)
			p := asked(t, step.ask())
			if p.State != journal.Open || p.Action != step.name || p.Serial != serial || p.RequestedBy != "aynur" || !strings.Contains(string(p.Request), "centre") {
				t.Errorf("%s: got %+v", step.name, p)
			}
			if got := d.state(t, serial); got != before {
				t.Fatalf("%s took effect alone: %s", step.name, got)
			}
			carried, err := kamran.Confirm(ctx, p.ID)
			if err != nil || carried.Change == nil || carried.Change.Status.State != step.want || carried.Pending.State != journal.Done ||
				carried.Change.Entry.Actor != "aynur & kamran" {
				t.Fatalf("%s confirmed: %+v, %v", step.name, carried, err)
			}
			repeated, err := kamran.Confirm(ctx, p.ID)
			if err != nil || repeated.Change == nil || repeated.Change.Entry.Position != carried.Change.Entry.Position {
				t.Errorf("%s confirmed again: %+v, %v", step.name, repeated, err)
			}
			_, err = leyla.Confirm(ctx, p.ID)
			asProblem(t, err, http.StatusConflict, "already_decided")
		}
		for _, line := range []string{"ca.pending.request", "ca.pending.confirm", "persons=[aynur kamran]"} {
			if !strings.Contains(d.audit.text(), line) {
				t.Errorf("the audit log does not say %s", line)
			}
		}
	})
	t.Run("G4 revocation in nobody's name takes two", func(t *testing.T) {
		serial := d.issued(t)
		_, err := aynur.Revoke(ctx, serial, ca.ChangeRequest{}, "")
		asked(t, err)
		if _, err := aynur.Revoke(ctx, serial, ca.ChangeRequest{Owner: "holder"}, ""); err != nil {
			t.Errorf("revocation for the holder: %v", err)
		}
	})
	t.Run("G4 one person never confirms, by whichever client", func(t *testing.T) {
		serial := d.issued(t)
		_, err := aynur.Hold(ctx, serial, centreHold, "")
		p := asked(t, err)
		for _, client := range []*ca.Client{aynur, again} {
			_, err := client.Confirm(ctx, p.ID)
			asProblem(t, err, http.StatusForbidden, "same_person")
		}
		if d.state(t, serial) != journal.Valid || !strings.Contains(d.audit.text(), "ca.pending.same_person") {
			t.Error("the attempt had an effect or left no audit line")
		}
	})
	t.Run("confirming takes the role", func(t *testing.T) {
		serial := d.issued(t)
		_, err := aynur.Hold(ctx, serial, centreHold, "")
		p := asked(t, err)
		_, err = d.by(t, "reader").Confirm(ctx, p.ID)
		asProblem(t, err, http.StatusForbidden, "forbidden")
		_, err = d.client.Confirm(ctx, p.ID) // the ra, a server
		asProblem(t, err, http.StatusForbidden, "forbidden")
		_, err = kamran.Confirm(ctx, strings.Repeat("0", 32))
		asProblem(t, err, http.StatusNotFound, "unknown_pending")
	})
	t.Run("refused and taken back", func(t *testing.T) {
		serial := d.issued(t)
		for client, name := range map[*ca.Client]string{kamran: "kamran", aynur: "aynur"} {
			_, err := aynur.Hold(ctx, serial, centreHold, "")
			p := asked(t, err)
			_, err = client.Refuse(ctx, p.ID, "not\x00this one")
			asProblem(t, err, http.StatusBadRequest, "invalid_request")
			refused, err := client.Refuse(ctx, p.ID, "not this one")
			if err != nil || refused.State != journal.Refused || refused.DecidedBy != name || refused.Outcome != "not this one" {
				t.Errorf("refused by %s: %+v, %v", name, refused, err)
			}
			_, err = leyla.Confirm(ctx, p.ID)
			asProblem(t, err, http.StatusConflict, "already_decided")
		}
		if d.state(t, serial) != journal.Valid {
			t.Error("a refused request took effect")
		}
	})
	t.Run("list shows what waits", func(t *testing.T) {
		serial := d.issued(t)
		_, err := aynur.Hold(ctx, serial, centreHold, "")
		p := asked(t, err)
		all, err := d.by(t, "reader").Undecided(ctx)
		if err != nil || len(all) == 0 || all[len(all)-1].ID != p.ID {
			t.Errorf("got %+v, %v", all, err)
		}
		one, err := kamran.Pending(ctx, p.ID)
		if err != nil || one.ID != p.ID || one.Requester != "aynur" {
			t.Errorf("got %+v, %v", one, err)
		}
	})
	t.Run("idempotency key repeats a request that waits", func(t *testing.T) {
		serial := d.issued(t)
		_, err := aynur.Hold(ctx, serial, centreHold, "key-1")
		first := asked(t, err)
		_, err = aynur.Hold(ctx, serial, centreHold, "key-1")
		if second := asked(t, err); second.ID != first.ID {
			t.Errorf("the repetition is request %s, the first was %s", second.ID, first.ID)
		}
		_, err = aynur.Hold(ctx, serial, ca.ChangeRequest{Owner: "holder"}, "key-1")
		asProblem(t, err, http.StatusConflict, "idempotency_conflict")
		if _, err := kamran.Confirm(ctx, first.ID); err != nil {
			t.Fatal(err)
		}
		_, err = aynur.Hold(ctx, serial, centreHold, "key-1")
		if p := asked(t, err); p.State != journal.Done {
			t.Errorf("after it was done: %+v", p)
		}
	})
	t.Run("what is not possible is refused at once, or at the confirmation", func(t *testing.T) {
		serial := d.issued(t)
		_, err := aynur.Release(ctx, serial, centreHold, "")
		asProblem(t, err, http.StatusConflict, "illegal_transition")
		_, err = aynur.Hold(ctx, "abcdef", centreHold, "")
		asProblem(t, err, http.StatusNotFound, "unknown_certificate")
		_, err = aynur.Hold(ctx, serial, centreHold, "")
		p := asked(t, err)
		if _, err := kamran.Revoke(ctx, serial, ca.ChangeRequest{Owner: "holder", Reason: "keyCompromise"}, ""); err != nil {
			t.Fatal(err)
		}
		_, err = kamran.Confirm(ctx, p.ID)
		asProblem(t, err, http.StatusConflict, "illegal_transition")
		if failed, err := aynur.Pending(ctx, p.ID); err != nil || failed.State != journal.Failed || failed.Outcome == "" {
			t.Errorf("got %+v, %v", failed, err)
		}
	})
	t.Run("requester without the role any more", func(t *testing.T) {
		serial := d.issued(t)
		_, err := aynur.Hold(ctx, serial, centreHold, "")
		p := asked(t, err)
		allow := d.config.Allow
		d.config.Allow = func(actor, action, issuer, profile string) bool {
			return actor != "aynur" && allow(actor, action, issuer, profile)
		}
		d.reopen(t)
		defer func() { d.config.Allow = allow; d.reopen(t) }()
		_, err = kamran.Confirm(ctx, p.ID)
		asProblem(t, err, http.StatusForbidden, "requester_forbidden")
	})
	t.Run("without an audit line nothing happens", func(t *testing.T) {
		serial := d.issued(t)
		_, err := aynur.Hold(ctx, serial, centreHold, "")
		p := asked(t, err)
		d.audit.err = errors.New("disk full")
		_, err = kamran.Confirm(ctx, p.ID)
		asProblem(t, err, http.StatusServiceUnavailable, "audit_unavailable")
		_, err = aynur.Hold(ctx, serial, centreHold, "")
		asProblem(t, err, http.StatusServiceUnavailable, "audit_unavailable")
		d.audit.err = nil
		if again, err := kamran.Pending(ctx, p.ID); err != nil || again.State != journal.Open {
			t.Errorf("got %+v, %v", again, err)
		}
	})
	t.Run("in the same process the rule holds", func(t *testing.T) {
		entry := journal.Entry{Kind: journal.Held, Owner: journal.Centre, Serial: d.issued(t), Actor: "aynur"}
		if _, _, err := d.Change(ctx, entry, nil); !errors.Is(err, ca.ErrTwoPersons) {
			t.Errorf("got %v", err)
		}
	})
}

// TestTwoPersonsVouched: the registration authority's own two persons count.
func TestTwoPersonsVouched(t *testing.T) {
	d := newDual(t)
	ctx, ra := t.Context(), d.client
	serial := d.issued(t)
	change := func(persons ...string) ca.ChangeRequest { return ca.ChangeRequest{Owner: "centre", Persons: persons} }
	_, err := ra.Hold(ctx, serial, change(), "")
	asProblem(t, err, http.StatusBadRequest, "invalid_request")
	if answer, err := ra.Hold(ctx, serial, change("nigar"), ""); err != nil || answer.Status.State != journal.OnHold {
		t.Fatalf("hold: %+v, %v", answer, err)
	}
	for _, persons := range [][]string{nil, {"nigar"}, {"nigar", "nigar"}, {"nigar", "Nigar"}, {"nigar", ""}, {"nigar", "two words"},
		{"vüqar", "vu\u0308qar"}, {"nigar", "nig\u0430r"}, {"nigar", "\uff4eigar"}} {
		_, err = ra.Release(ctx, serial, change(persons...), "")
		asProblem(t, err, http.StatusBadRequest, "invalid_request")
	}
	if answer, err := ra.Release(ctx, serial, change("nigar", "vüqar"), ""); err != nil || answer.Entry.Actor != "ra" {
		t.Errorf("release: %+v, %v", answer, err)
	}
	if !strings.Contains(d.audit.text(), "persons=[nigar vüqar]") {
		t.Error("the audit log does not name both")
	}
	// A client that is a person names nobody else.
	_, err = d.by(t, "aynur").Release(ctx, serial, change("nigar", "vüqar"), "")
	asProblem(t, err, http.StatusBadRequest, "invalid_request")
}

// TestTwoPersonsForAuthorities: the certificate of an authority is issued over
// HTTP to two persons only.
func TestTwoPersonsForAuthorities(t *testing.T) {
	d := newDual(t)
	ctx := t.Context()
	aynur, kamran := d.by(t, "aynur"), d.by(t, "kamran")
	request := ca.IssueRequest{Issuer: "policy", Profile: "issuing", CSR: csrPEM(t, p384()), Subject: map[string]string{"O": organisation, "CN": "Yeni mərkəz"}}
	_, err := aynur.Issue(ctx, request, "new-centre")
	p := asked(t, err)
	_, err = aynur.Confirm(ctx, p.ID)
	asProblem(t, err, http.StatusForbidden, "same_person")
	carried, err := kamran.Confirm(ctx, p.ID)
	if err != nil || carried.Issued == nil || !strings.Contains(carried.Issued.Certificate, "BEGIN CERTIFICATE") {
		t.Fatalf("got %+v, %v", carried, err)
	}
	again, err := kamran.Confirm(ctx, p.ID)
	if err != nil || again.Issued == nil || again.Issued.Certificate != carried.Issued.Certificate {
		t.Errorf("confirmed again: %+v, %v", again, err)
	}
	request.CSR = "none"
	_, err = aynur.Issue(ctx, request, "")
	asProblem(t, err, http.StatusBadRequest, "bad_csr")
	request.Profile = "root"
	_, err = aynur.Issue(ctx, request, "")
	asProblem(t, err, http.StatusBadRequest, "invalid_request")
	allow := d.config.Allow
	d.config.Allow = func(actor, action, issuer, profile string) bool { return action != ca.ActionAuthority }
	d.reopen(t)
	defer func() { d.config.Allow = allow }()
	request.Profile = "issuing"
	_, err = aynur.Issue(ctx, request, "")
	asProblem(t, err, http.StatusForbidden, "forbidden")
}

// TestTwoPersonsChangeAuthority: the status of an authority is changed by two
// persons with the role for authorities, whoever it is said to be changed for,
// and by no server.
func TestTwoPersonsChangeAuthority(t *testing.T) {
	d := newDual(t)
	ctx := t.Context()
	d.config.Allow = func(actor, action, issuer, profile string) bool {
		return action == ca.ActionRead || actor == "ra" || actor == "leyla" && action != ca.ActionAuthority ||
			(actor == "aynur" || actor == "kamran") && action == ca.ActionAuthority
	}
	d.reopen(t)
	aynur, kamran, leyla := d.by(t, "aynur"), d.by(t, "kamran"), d.by(t, "leyla")
	serial := journal.SerialOf(d.config.Issuers[2].Certificate.SerialNumber)
	for what, client := range map[string]*ca.Client{"without the role": leyla, "a server": d.client} {
		if _, err := client.Hold(ctx, serial, ca.ChangeRequest{Owner: "court"}, ""); err == nil {
			t.Errorf("%s: done", what)
		} else {
			asProblem(t, err, http.StatusForbidden, "forbidden")
		}
	}
	_, err := aynur.Hold(ctx, serial, ca.ChangeRequest{Owner: "court"}, "")
	p := asked(t, err)
	if got := d.state(t, serial); got != journal.Valid {
		t.Errorf("after one person: %s", got)
	}
	for who, code := range map[*ca.Client]string{aynur: "same_person", leyla: "forbidden", d.client: "forbidden"} {
		_, err := who.Confirm(ctx, p.ID)
		asProblem(t, err, http.StatusForbidden, code)
	}
	if carried, err := kamran.Confirm(ctx, p.ID); err != nil || carried.Change == nil || d.state(t, serial) != journal.OnHold {
		t.Errorf("got %+v, %v", carried, err)
	}
	root := journal.SerialOf(d.config.Issuers[0].Certificate.SerialNumber)
	_, err = aynur.Revoke(ctx, root, ca.ChangeRequest{Owner: "centre", Reason: "keyCompromise"}, "")
	asProblem(t, err, http.StatusForbidden, "authority_certificate")
}

// TestTwoPersonsRace lets everybody decide at once, the requester too: one
// outcome, and one entry.
func TestTwoPersonsRace(t *testing.T) {
	d := newDual(t)
	ctx := t.Context()
	clients := map[string]*ca.Client{}
	for _, name := range []string{"aynur", "aynur2", "kamran", "kamran2", "leyla"} {
		clients[name] = d.by(t, name)
	}
	for round := range 8 {
		serial := d.issued(t)
		_, err := clients["aynur"].Hold(ctx, serial, centreHold, fmt.Sprint("race ", round))
		p := asked(t, err)
		var confirmed, refused atomic.Int32
		var wg sync.WaitGroup
		for name, client := range clients {
			for range 3 {
				wg.Go(func() {
					if _, err := client.Confirm(ctx, p.ID); err == nil {
						if name == "aynur" || name == "aynur2" {
							t.Errorf("%s confirmed her own request", name)
						}
						confirmed.Add(1)
					}
				})
			}
		}
		if round%2 == 1 {
			wg.Go(func() {
				if _, err := clients["leyla"].Refuse(ctx, p.ID, ""); err == nil {
					refused.Add(1)
				}
			})
		}
		wg.Wait()
		if (confirmed.Load() > 0) == (refused.Load() > 0) {
			t.Errorf("round %d: %d confirmations and %d refusals counted", round, confirmed.Load(), refused.Load())
		}
		answer, err := d.client.Certificate(ctx, serial)
		if err != nil {
			t.Fatal(err)
		}
		if held := len(answer.History) == 2; held != (confirmed.Load() > 0) || len(answer.History) > 2 {
			t.Errorf("round %d: %d confirmations led to the history %v", round, confirmed.Load(), answer.History)
		}
	}
}

// TestPendingLapse lets time pass over requests, without HTTP.
func TestPendingLapse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCentre(t, p256)
		store := openRegister(t)
		c.config.Access = ca.Access{Pending: store, PendingFor: time.Hour}
		c.reopen(t)
		ctx := t.Context()
		now := time.Now()
		open := journal.Pending{ID: "lapses", State: journal.Open, Action: ca.ActionHold, Serial: "abc", Request: []byte(`{"owner":"centre"}`),
			RequestedBy: "aynur", Requester: "aynur", RequestedAt: now, ExpiresAt: now.Add(time.Hour)}
		// Confirmed, and then the process died.
		issued := issue(t, c.Authority, samples(t, p256)["citizen-signature"])
		interrupted := open
		interrupted.ID, interrupted.Serial = "interrupted", issued.Serial
		for _, p := range []journal.Pending{open, interrupted} {
			if err := store.Propose(ctx, p); err != nil {
				t.Fatal(err)
			}
		}
		interrupted.State, interrupted.DecidedBy, interrupted.Decider, interrupted.DecidedAt = journal.Confirmed, "kamran", "kamran", now
		if err := store.Decide(ctx, journal.Open, interrupted); err != nil {
			t.Fatal(err)
		}
		go c.Run(ctx)
		want := func(id string, state journal.PendingState) {
			t.Helper()
			if p, err := store.Pending(ctx, id); err != nil || p.State != state {
				t.Errorf("%s after %v: got %s, %v, want %s", id, time.Since(now), p.State, err, state)
			}
		}
		time.Sleep(30 * time.Second)
		want("interrupted", journal.Confirmed)
		time.Sleep(3 * time.Minute)
		want("interrupted", journal.Done)
		if record, err := c.register.Record(ctx, issued.Serial); err != nil || record.Status.State != journal.OnHold {
			t.Errorf("the interrupted hold: %+v, %v", record.Status, err)
		}
		time.Sleep(50 * time.Minute)
		want("lapses", journal.Open)
		time.Sleep(10 * time.Minute)
		want("lapses", journal.Unanswered)
		if !strings.Contains(c.audit.text(), "ca.pending.lapse") {
			t.Error("no audit line of the lapse")
		}
	})
}
