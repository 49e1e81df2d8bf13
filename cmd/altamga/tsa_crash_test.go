package main

import (
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/audit/tokenlog"
	"github.com/altamga/altamga/tsa"
)

// TestKilledUnderTokens kills the authority again and again while clients ask for
// tokens: no serial number comes twice, no time goes back, and every token that
// anybody got is in the journal.
func TestKilledUnderTokens(t *testing.T) {
	t.Parallel()
	s := foundStamps(t, func(text string) string { return text })
	var mu sync.Mutex
	var tokens []*tsa.Token
	serials := map[string]bool{}
	var latest time.Time
	rounds := 5
	if os.Getenv("ALTAMGA_LONG") != "" {
		rounds = 50
	}
	for round := range rounds {
		s.start()
		s.await("after a kill", true)
		before := latest
		end := time.Now().Add(time.Duration(100+round%5*60) * time.Millisecond)
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				for time.Now().Before(end.Add(50 * time.Millisecond)) {
					token, err := s.ask()
					if err != nil {
						continue // killed in the middle
					}
					mu.Lock()
					if serials[string(token.Info.Serial)] {
						t.Errorf("serial number %x twice", token.Info.Serial)
					}
					if token.Info.GenTime.Before(before) {
						t.Errorf("%v after %v", token.Info.GenTime, before)
					}
					serials[string(token.Info.Serial)] = true
					tokens = append(tokens, token)
					if token.Info.GenTime.After(latest) {
						latest = token.Info.GenTime
					}
					mu.Unlock()
				}
			})
		}
		time.Sleep(time.Until(end))
		s.kill()
		clients.Wait()
	}
	// The last time it ends in order, and signs the root of all.
	s.start()
	s.await("at the end", true)
	s.process.Process.Signal(syscall.SIGTERM)
	if err := s.process.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, s.log.String())
	}
	dir, key, err := journalOf(filepath.Join(s.dir, configFile))
	if err != nil {
		t.Fatal(err)
	}
	report, err := tokenlog.Verify(dir, key)
	if err != nil {
		t.Fatal(err)
	}
	if len(tokens) < rounds*8 || report.Records < int64(len(tokens)) || report.Open != 0 {
		t.Errorf("%d tokens, and %d records, of which %d are not signed", len(tokens), report.Records, report.Open)
	}
	for i := 0; i < len(tokens); i += 1 + len(tokens)/40 {
		record, err := recordOf(tokens[i])
		if err != nil {
			t.Fatal(err)
		}
		proof, err := tokenlog.Prove(dir, key, record)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tokenlog.CheckProof(proof, key); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d tokens over %d kills, %d records", len(tokens), rounds, report.Records)
}
