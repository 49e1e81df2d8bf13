package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/problem"
)

// TestDualControl walks a citizen's certificate through what the centre does on
// its own initiative, by both ways: two members of the registration
// authority's staff, for whom it vouches, and two persons at the ca's API.
func TestDualControl(t *testing.T) {
	t.Parallel()
	plan, err := benchPlan()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "centre")
	ctx, stop := context.WithCancel(within(t, 2*time.Minute))
	if err := found(ctx, plan, dir); err != nil {
		t.Fatal(err)
	}
	p, err := newProcess(ctx, filepath.Join(dir, configFile), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.addCA(ctx), p.addRA(ctx)); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, p.close()); err != nil {
			t.Error(err)
		}
	})
	if err := waitServing(ctx, "http://"+string(p.config.Admin.Listen)+"/readyz"); err != nil {
		t.Fatal(err)
	}
	d := &demonstration{dir: dir, out: io.Discard}
	tour, err := d.tour(p)
	if err != nil {
		t.Fatal(err)
	}
	citizen, err := tour.enrol(ctx, person{"Sınaq", "Nümunəyev", "D000001"})
	if err != nil {
		t.Fatal(err)
	}
	serial := journal.SerialOf(citizen.signature.SerialNumber)
	state := func(want journal.State) {
		t.Helper()
		if got, err := tour.authority.Certificate(ctx, serial); err != nil || got.Status.State != want {
			t.Fatalf("got %v, %v, want %s", got, err, want)
		}
	}

	t.Run("G4 the registration authority's two persons", func(t *testing.T) {
		centre := map[string]string{"owner": "centre"}
		if err := tour.change(ctx, tour.revocation, citizen, "suspend", centre); err != nil {
			t.Fatal(err)
		}
		state(journal.OnHold)
		var asked struct{ ID, State string }
		if err := tour.revocation.post(ctx, "/v1/certificates/"+string(serial)+"/restore", centre, &asked); err != nil || asked.State != "received" {
			t.Fatalf("got %+v, %v", asked, err)
		}
		confirm := "/v1/status-requests/" + asked.ID + "/confirm"
		if err := tour.revocation.post(ctx, confirm, struct{}{}, nil); err == nil {
			t.Error("the person who asked confirmed")
		}
		state(journal.OnHold)
		if err := tour.officer.post(ctx, confirm, struct{}{}, nil); err != nil {
			t.Fatal(err)
		}
		state(journal.Valid)
		log, err := os.ReadFile(filepath.Join(dir, "audit.log"))
		if err != nil || !strings.Contains(string(log), `"persons":["demo-revocation","demo-officer"]`) {
			t.Errorf("the ca's audit line does not name both, %v", err)
		}
	})
	t.Run("G4 two persons at the ca", func(t *testing.T) {
		supervisor, err := p.caClient(tour.at.CAAPI, tlsConfig{
			Certificate: config.Path(filepath.Join(dir, "tls/supervisor.pem")), Key: "file:keys/tls-supervisor.key", Peers: config.Path(tour.at.CARoot),
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = tour.authority.Revoke(ctx, serial, ca.ChangeRequest{Owner: "centre", Reason: "cessationOfOperation"}, "")
		waits, ok := errors.AsType[*ca.PendingError](err)
		if !ok {
			t.Fatalf("got %v", err)
		}
		_, err = tour.authority.Confirm(ctx, waits.Pending.ID)
		if refused, ok := errors.AsType[*problem.Details](err); !ok || refused.Status != http.StatusForbidden || refused.Code != "same_person" {
			t.Errorf("got %v", err)
		}
		state(journal.Valid)
		if _, err := supervisor.Confirm(ctx, waits.Pending.ID); err != nil {
			t.Fatal(err)
		}
		state(journal.Gone)
	})
}
