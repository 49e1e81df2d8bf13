package register_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/register/postgrestest"
	"github.com/altamga/altamga/internal/register/registertest"
)

// testPostgresProcesses has two processes of their own and two registers of
// this one issue thousands of certificates at once.
func testPostgresProcesses(t *testing.T, server *postgrestest.Server) {
	address := server.Address(t)
	const each, processes, pools = 800, 2, 2
	answers := make(chan answer, each*(processes+pools))
	issuer := registertest.NewIssuer(t, "ehm")
	var group sync.WaitGroup
	for range processes {
		jobs := make([]string, each)
		for i := range jobs {
			_, certificate := issuer.Certificate(t, time.Now().AddDate(1, 0, 0), nil)
			jobs[i] = fmt.Sprintf("%x\n", certificate)
		}
		command := exec.CommandContext(t.Context(), os.Args[0])
		command.Env = append(os.Environ(), victim+"="+address)
		command.Stdin = strings.NewReader(strings.Join(jobs, ""))
		var faults strings.Builder
		command.Stderr = &faults
		out, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			for lines := bufio.NewScanner(out); lines.Scan(); {
				var a answer
				if n, _ := fmt.Sscanf(lines.Text(), "issued %s %d", &a.serial, &a.position); n == 2 {
					answers <- a
				}
			}
			command.Wait()
			// What it says when it has done everything.
			if got := strings.TrimSpace(faults.String()); got != "nobody killed me" {
				t.Errorf("a process says %s", got)
			}
		})
	}
	for range pools {
		store := openAt(t, address)
		var left atomic.Int64
		left.Store(each)
		for range 8 {
			group.Go(func() {
				for left.Add(-1) >= 0 {
					intent, certificate := issuer.Certificate(t, time.Now().AddDate(1, 0, 0), nil)
					if err := store.Reserve(t.Context(), intent); err != nil {
						t.Error(err)
					}
					entry, err := store.Complete(t.Context(), intent.Serial, certificate, nil)
					if err != nil {
						t.Error(err)
					}
					answers <- answer{intent.Serial, entry.Position}
				}
			})
		}
	}
	group.Wait()
	close(answers)
	store := openAt(t, address)
	if err := store.Check(t.Context()); err != nil {
		t.Error(err)
	}
	head, err := store.Head(t.Context())
	if want := uint64(each * (processes + pools)); err != nil || head != want || uint64(len(answers)) != want {
		t.Errorf("got head %d and %d answers, error %v, want %d", head, len(answers), err, want)
	}
	var entries []journal.Entry
	for uint64(len(entries)) < head {
		page, err := store.Entries(t.Context(), uint64(len(entries)), 0)
		if err != nil || len(page) == 0 {
			t.Fatalf("after position %d: %d entries, error %v", len(entries), len(page), err)
		}
		entries = append(entries, page...)
	}
	for a := range answers {
		if got := entries[a.position-1]; got.Position != a.position || got.Serial != a.serial {
			t.Fatalf("position %d was answered for serial %s and holds %+v", a.position, a.serial, got)
		}
	}
}

type answer struct {
	serial   journal.Serial
	position uint64
}

// testPostgresKilled kills a writing process at different moments, while this
// one writes on.
func testPostgresKilled(t *testing.T, server *postgrestest.Server) {
	address := server.Address(t)
	store := openAt(t, address)
	issuer := registertest.NewIssuer(t, "ehm")
	reserved, issued := make(map[journal.Serial]bool), make(map[journal.Serial]uint64)
	for round := range 4 {
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 20 {
				issueOne(t, store)
			}
		}()
		killed(t, address, issuer, 1+round*31, reserved, issued)
		<-done
		issueOne(t, store) // the dead process's lock is gone with it
		if err := store.Check(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for serial := range reserved {
		record, err := store.Record(t.Context(), serial)
		if err != nil {
			t.Errorf("an answered reservation is gone: %v", err)
		}
		if position, ok := issued[serial]; ok && (record.Status.State != journal.Valid || record.Status.Version != position) {
			t.Errorf("serial %s was answered with position %d, its status is %+v", serial, position, record.Status)
		}
	}
}
