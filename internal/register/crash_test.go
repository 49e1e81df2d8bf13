package register_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/register"
	"github.com/altamga/altamga/internal/register/registertest"
)

// victim names the environment variable that turns the test binary into a
// process that writes into the register at its value until it is killed.
const victim = "ALTAMGA_TEST_REGISTER_VICTIM"

func TestMain(m *testing.M) {
	if path := os.Getenv(victim); path != "" {
		fmt.Fprintln(os.Stderr, write(path, os.Stdin))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// write reads certificates, reserves and completes them with
// several writers, and tells on standard output what was answered.
func write(path string, in *os.File) error {
	ctx := context.Background()
	store, err := register.Open(ctx, path)
	if err != nil {
		return err
	}
	fmt.Println("open")
	jobs := make(chan *x509.Certificate)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for job := range jobs {
				serial := journal.SerialOf(job.SerialNumber)
				if err := store.Reserve(ctx, journal.Intent{
					Serial: serial, Issuer: "ehm", Profile: "citizen-signature", NotAfter: job.NotAfter,
					KeyHash: sha256.Sum256(job.RawSubjectPublicKeyInfo), ToBeSigned: job.RawTBSCertificate,
				}); err != nil {
					fmt.Fprintln(os.Stderr, err)
					continue
				}
				fmt.Printf("reserved %s\n", serial)
				if entry, err := store.Complete(ctx, serial, job.Raw, nil); err == nil {
					fmt.Printf("issued %s %d\n", serial, entry.Position)
				} else {
					fmt.Fprintln(os.Stderr, err)
				}
			}
		})
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		octets, err := hex.DecodeString(lines.Text())
		if err != nil {
			return err
		}
		certificate, err := x509.ParseCertificate(octets)
		if err != nil {
			return err
		}
		jobs <- certificate
	}
	close(jobs)
	group.Wait()
	return errors.New("nobody killed me")
}

// TestKilled kills a writing process at different moments. Whatever it had
// answered must be there afterwards, and the register must be whole.
func TestKilled(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	issuer := registertest.NewIssuer(t, "ehm")
	reserved, issued := make(map[journal.Serial]bool), make(map[journal.Serial]uint64)
	for round := range 10 {
		killed(t, path, issuer, 1+round*7, reserved, issued)
		store, err := register.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Check(t.Context()); err != nil {
			t.Error(err)
		}
		for serial := range reserved {
			record, err := store.Record(t.Context(), serial)
			if err != nil {
				t.Errorf("an answered reservation is gone: %v", err)
			}
			position, ok := issued[serial]
			if ok && (record.Status.State != journal.Valid || record.Status.Version != position) {
				t.Errorf("serial %s was answered with position %d, its status is %+v", serial, position, record.Status)
			}
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d reservations and %d certificates were answered", len(reserved), len(issued))
	positions := make(map[uint64]journal.Serial)
	for serial, position := range issued {
		if other, ok := positions[position]; ok {
			t.Errorf("position %d was answered for %s and %s", position, serial, other)
		}
		positions[position] = serial
	}
}

// TestTwoProcesses writes while another process does, which is killed in the
// middle: its lock must not outlive it, and positions must stay gapless.
func TestTwoProcesses(t *testing.T) {
	path := newPath(t)
	store := openAt(t, path)
	ctx := t.Context()
	issuer := registertest.NewIssuer(t, "ehm")
	gone := make(chan struct{})
	var group sync.WaitGroup
	own := 0
	group.Go(func() {
		for dead := false; !dead; own++ {
			select {
			case <-gone:
				dead = true // once more after its death
			default:
			}
			intent, certificate := issuer.Certificate(t, time.Now().AddDate(1, 0, 0), nil)
			if err := store.Reserve(ctx, intent); err != nil {
				t.Error(err)
			}
			if _, err := store.Complete(ctx, intent.Serial, certificate, nil); err != nil {
				t.Error(err)
			}
		}
	})
	reserved, issued := make(map[journal.Serial]bool), make(map[journal.Serial]uint64)
	killed(t, path, issuer, 120, reserved, issued)
	close(gone)
	group.Wait()
	for serial, position := range issued {
		entries, err := store.Entries(ctx, position-1, 1)
		if err != nil || len(entries) != 1 || entries[0].Serial != serial {
			t.Errorf("got entry %+v, error %v, want serial %s at %d", entries, err, serial, position)
		}
	}
	if err := store.Check(ctx); err != nil {
		t.Error(err)
	}
	t.Logf("this process issued %d certificates and the other %d", own, len(issued))
}

// killed runs a victim, kills it after so many answers, and adds all answers
// to reserved and issued.
func killed(t *testing.T, path string, issuer *registertest.Issuer, after int, reserved map[journal.Serial]bool, issued map[journal.Serial]uint64) {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), victim+"="+path)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	// More than it will be let to do.
	var jobs strings.Builder
	year := time.Now().AddDate(1, 0, 0)
	for range after + 40 {
		_, certificate := issuer.Certificate(t, year, nil)
		fmt.Fprintf(&jobs, "%x\n", certificate)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer in.Close()
		in.Write([]byte(jobs.String())) // breaks off when the victim dies
	}()
	answers := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var serial journal.Serial
		var position uint64
		if n, _ := fmt.Sscanf(lines.Text(), "issued %s %d", &serial, &position); n == 2 {
			issued[serial] = position
		} else if n, _ := fmt.Sscanf(lines.Text(), "reserved %s", &serial); n == 1 {
			reserved[serial] = true
		}
		if answers++; answers == after {
			if err := command.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := command.Wait(); err == nil || answers < after {
		t.Fatalf("the victim ended by itself (%v) after %d answers", err, answers)
	}
}
