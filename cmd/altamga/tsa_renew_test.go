package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/keys"
	"github.com/altamga/altamga/tsa"
)

// TestUnitsRenewThemselves lets more than two years pass over a time-stamping
// unit whose key may be used for one: over the authority's API and in its
// process, with a restart, and with an authority that is away when it is asked.
func TestUnitsRenewThemselves(t *testing.T) {
	t.Run("TSA-42 years with keys of one year, with overlap and without a gap", func(t *testing.T) { synctest.Test(t, yearsOfUnits) })
}

func yearsOfUnits(t *testing.T) {
	dir := foundCentre(t)
	edit(t, dir, `journal_interval = "20ms"`, `journal_interval = "24h"`)
	// Without a chain nobody is asked for the units' standing: no network is here.
	edit(t, dir, "key = \"file:keys/tsa.key\"\nchain = \"certificates/policy.pem\"\n", "key = \"file:keys/tsa.key\"\n")
	p, stop := withUnits(t, dir)
	client, hangUp := clientOverPipes(t, p, "tsa")
	overHTTP := issueSignerOverHTTP(client)
	away := 3
	p.units[0].issue = func(ctx context.Context, r signerRequest) (*x509.Certificate, error) {
		if away--; away >= 0 {
			return nil, errors.New("the authority is away")
		}
		return overHTTP(ctx, r)
	}
	made, overlaps := map[string]int{}, 0
	weeks := func(n int) {
		for range n {
			time.Sleep(7 * 24 * time.Hour)
			lookAfterUnits(t, p)
			first, second := tokenBy(t, p, dir), tokenBy(t, p, dir)
			if !bytes.Equal(first.RawSubjectPublicKeyInfo, second.RawSubjectPublicKeyInfo) {
				overlaps++
			}
			made[string(first.RawSubjectPublicKeyInfo)]++
			made[string(second.RawSubjectPublicKeyInfo)]++
			if err := p.units[0].ready(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	weeks(51) // The connection's own certificate lives for a year.
	hangUp()
	stop()
	if p.units[0].number != 2 || away >= 0 {
		t.Errorf("after a year there are %d units, and the authority was away %d times less than it should be", p.units[0].number, away)
	}
	p, stop = withUnits(t, dir)
	weeks(14) // The first unit's period is over.
	stop()
	if err := os.Remove(filepath.Join(dir, "keys/tsa.key")); err != nil {
		t.Fatal(err)
	}
	p, stop = withUnits(t, dir)
	weeks(55)
	// The fourth begins after 95 to 99 weeks, and each is beside its successor for
	// 19 to 21.
	if n := p.units[0].number; n != 4 || len(made) != 4 || overlaps < 3*18 || overlaps > 3*21+3 {
		t.Errorf("after 120 weeks: %d units, tokens by %d keys, by two in %d weeks", n, len(made), overlaps)
	}
	if files, err := filepath.Glob(filepath.Join(dir, "keys/tsa*.key")); err != nil || len(files) != 3 {
		t.Errorf("keys %v, %v: want three, the first was removed", files, err)
	}
	if err := p.register.Check(t.Context()); err != nil {
		t.Error(err)
	}
	stop()
}

// withUnits is a process with ca and time-stamping authority, whose units are
// renewed until stop.
func withUnits(t *testing.T, dir string) (p *process, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p, err := newProcess(ctx, filepath.Join(dir, configFile), slog.New(slog.DiscardHandler))
	if err == nil {
		err = errors.Join(p.addCA(ctx), p.addTSA(ctx))
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(p.units) != 1 {
		t.Fatalf("%d units are renewed", len(p.units))
	}
	go keepRenewed(ctx, p.units[0])
	for _, loop := range p.loops {
		if loop.Name == "tsa journal" {
			go loop.Run(ctx)
		}
	}
	return p, func() {
		cancel()
		synctest.Wait()
		if err := p.close(); err != nil {
			t.Error(err)
		}
	}
}

// lookAfterUnits does so for a moment: it looks every second, which in years are
// too many.
func lookAfterUnits(t *testing.T, p *process) {
	ctx, cancel := context.WithCancel(t.Context())
	for _, loop := range p.loops {
		if loop.Name == "tsa units" {
			go loop.Run(ctx)
		}
	}
	synctest.Wait()
	cancel()
	synctest.Wait()
}

// tokenBy has a token made and returns the certificate of the unit that made it,
// as it stands in its file.
func tokenBy(t *testing.T, p *process, dir string) *x509.Certificate {
	t.Helper()
	sum := sha256.Sum256([]byte("altamga"))
	query, err := (&tsa.Request{Imprint: tsa.Imprint{HashAlgorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, HashedMessage: sum[:]}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(query))
	request.Header.Set("Content-Type", "application/timestamp-query")
	w := httptest.NewRecorder()
	p.servers[1].Handler.ServeHTTP(w, request)
	token, err := tsa.ParseResponse(w.Body.Bytes())
	if err != nil {
		t.Fatalf("at %v: %v", time.Now(), err)
	}
	for n := 1; ; n++ {
		certificate, err := readCertificate(config.Path(numbered(filepath.Join(dir, "certificates/tsa.pem"), n)))
		if errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("at %v: no unit in a file has made the token", time.Now())
		}
		if err != nil {
			t.Fatal(err)
		}
		if token.Verify(certificate) != nil {
			continue
		}
		if from, to, err := tsa.Usable(certificate); err != nil || time.Now().Before(from) || time.Now().After(to) {
			t.Errorf("at %v: unit %d made a token, its key may be used from %v to %v, %v", time.Now(), n, from, to, err)
		}
		return certificate
	}
}

// renewsOnToken gives the unit of a centre whose keys are on a token its
// successor.
func renewsOnToken(t *testing.T, dir string) {
	open := func() *process {
		p, err := newProcess(t.Context(), filepath.Join(dir, configFile), slog.New(slog.DiscardHandler))
		if err == nil {
			err = errors.Join(p.addCA(t.Context()), p.addTSA(t.Context()))
		}
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := open()
	if err := p.units[0].renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.close(); err != nil {
		t.Fatal(err)
	}
	p = open()
	if next := p.units[0].latest.Load(); p.units[0].number != 2 || !keys.OnToken(next.Key) {
		t.Errorf("after a restart there are %d units, and the key of the last is a %T", p.units[0].number, next.Key)
	}
	if err := p.close(); err != nil {
		t.Error(err)
	}
}
