package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/durable"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/lint"
	"github.com/altamga/altamga/internal/register/postgrestest"
	"github.com/altamga/altamga/ocsp"
)

// faultPoints are the steps of issuing at which a process may die, in order.
var faultPoints = []string{
	"before reserve", "after reserve", "before audit", "after audit", "before sign", "after sign",
	"before complete", "after complete", "before answer",
}

// TestFaultsWhileIssuing kills a process that issues at every step between
// reserving a serial and answering, and once between any two: after each death
// reconcile accounts for every serial, whoever has a certificate has a good
// one, and no other serial is good (design rule G1).
func TestFaultsWhileIssuing(t *testing.T) {
	t.Parallel()
	onEachStore(t, testFaultsWhileIssuing)
}

func testFaultsWhileIssuing(t *testing.T, dir string) {
	answered := map[journal.Serial]bool{}
	for round, point := range faultPoints {
		t.Run(point, func(t *testing.T) {
			shown := t.TempDir()
			lines := runToDeath(t, dir, shown, point, 3+5*round)
			for _, line := range lines {
				answered[journal.Serial(line)] = true
			}
			args := []string{"ca", "reconcile", "-c", filepath.Join(dir, configFile), "--grace", "0s"}
			if point == "before complete" {
				// Somebody has them and shows them.
				found, err := filepath.Glob(filepath.Join(shown, "*.der"))
				if err != nil {
					t.Fatal(err)
				}
				for _, file := range found {
					args = append(args, "--certificate", file)
				}
			}
			output := reconcileAll(t, args)
			if recovered := strings.Count(output, string(ca.Recovered)+"\n"); (point == "before complete") != (recovered > 0) {
				t.Errorf("%d certificates recovered\n%s", recovered, output)
			}
			if point == "after reserve" && !strings.Contains(output, string(ca.NeverSigned)+"\n") {
				t.Errorf("no serial that was never signed\n%s", output)
			}
			if point == "after sign" && !strings.Contains(output, string(ca.PerhapsSigned)+"\n") {
				t.Errorf("no serial that was perhaps signed\n%s", output)
			}
			holdAllSerials(t, dir, answered)
		})
	}
	if len(answered) < len(faultPoints) {
		t.Errorf("only %d certificates were answered", len(answered))
	}
}

// onEachStore runs a test in a new centre on SQLite, and in one on PostgreSQL.
func onEachStore(t *testing.T, do func(t *testing.T, dir string)) {
	t.Run("SQLite", func(t *testing.T) { do(t, foundCentre(t)) })
	t.Run("PostgreSQL", func(t *testing.T) {
		server := postgrestest.Start(t)
		dir := foundCentre(t)
		moveToPostgres(t, t.Context(), dir, server.Address(t))
		do(t, dir)
	})
}

// runToDeath issues in a process of its own that dies when it comes to a point
// for the nth time, and returns the serials that it answered with.
func runToDeath(t *testing.T, dir, shown, point string, n int) []string {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(executable, "-test.run=^TestFaultChild$", "-test.v")
	child.Env = append(os.Environ(), "ALTAMGA_TEST_FAULT="+point, "ALTAMGA_TEST_FAULT_AT="+strconv.Itoa(n), "ALTAMGA_TEST_DIR="+dir, "ALTAMGA_TEST_SHOWN="+shown)
	var output bytes.Buffer
	child.Stdout, child.Stderr = &output, &output
	err = child.Run()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the process was to be killed %s, and ended with %v\n%s", point, err, &output)
	}
	var serials []string
	for lines := bufio.NewScanner(&output); lines.Scan(); {
		if serial, ok := strings.CutPrefix(lines.Text(), "answered "); ok {
			serials = append(serials, serial)
		}
	}
	return serials
}

// reconcileAll runs the command and expects it to explain everything.
func reconcileAll(t *testing.T, args []string) string {
	t.Helper()
	var out, fault bytes.Buffer
	if code := run(t.Context(), args, streams{out: &out, err: &fault}); code != 0 || !strings.Contains(out.String(), "Unexplained: 0\n") {
		t.Fatalf("reconcile ended with %d\n%s%s", code, &out, &fault)
	}
	return out.String()
}

// holdAllSerials checks every serial of the register.
func holdAllSerials(t *testing.T, dir string, answered map[journal.Serial]bool) {
	t.Helper()
	ctx := t.Context()
	p, err := newProcess(ctx, filepath.Join(dir, configFile), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if err := p.register.Check(ctx); err != nil {
		t.Error(err)
	}
	if unfinished, err := p.register.Unfinished(ctx); err != nil || len(unfinished) > 0 {
		t.Errorf("%d serials are unfinished, %v", len(unfinished), err)
	}
	entries, err := p.register.Entries(ctx, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	issued := map[journal.Serial]bool{}
	for _, e := range entries {
		status, err := statusSource{p.register}.Status(ctx, e.Issuer, e.Serial.Int())
		if err != nil {
			t.Fatal(err)
		}
		switch e.Kind {
		case journal.Issued:
			if issued[e.Serial] = true; status.State != ocsp.Good {
				t.Errorf("serial %s is issued and answers %v", e.Serial, status.State)
			}
		case journal.Abandoned:
			if answered[e.Serial] || status.State != ocsp.Revoked {
				t.Errorf("serial %s is abandoned, answered: %v, and answers %v", e.Serial, answered[e.Serial], status.State)
			}
		}
	}
	for serial := range answered {
		if !issued[serial] {
			t.Errorf("serial %s was answered and is not in the register", serial)
		}
	}
}

// TestFaultChild is the process that dies.
func TestFaultChild(t *testing.T) {
	point := os.Getenv("ALTAMGA_TEST_FAULT")
	if point == "" {
		t.Skip("runs as a child of TestFaultsWhileIssuing")
	}
	n, err := strconv.Atoi(os.Getenv("ALTAMGA_TEST_FAULT_AT"))
	if err != nil {
		t.Fatal(err)
	}
	var count atomic.Int64
	reach := func(p string) error {
		if p == point && count.Add(1) == int64(n) {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	}
	f := newFaulty(t, os.Getenv("ALTAMGA_TEST_DIR"), reach)
	f.shown = os.Getenv("ALTAMGA_TEST_SHOWN")
	f.issueMany(t, 200, func(serial journal.Serial) { fmt.Println("answered " + string(serial)) })
	t.Fatalf("came %d times %s, and never died", count.Load(), point)
}

// faulty is a centre's authority whose register, audit log and keys report to
// reach before and after each thing that they do, and stop with its error.
type faulty struct {
	ca.Register
	process   *process
	authority *ca.Authority
	reach     func(point string) error
	// shown is a folder for certificates that left the key; empty for none.
	shown string
}

func newFaulty(t *testing.T, dir string, reach func(string) error, change ...func(*ca.Config)) *faulty {
	t.Helper()
	p, err := newProcess(t.Context(), filepath.Join(dir, configFile), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.close() })
	f := &faulty{Register: p.register, process: p, reach: reach}
	issuers, err := p.caIssuers(p.config.CA.Issuers)
	if err != nil {
		t.Fatal(err)
	}
	for i := range issuers {
		issuers[i].Key = faultyKey{issuers[i].Key, reach}
	}
	profiles, err := ca.BuiltinProfiles()
	if err != nil {
		t.Fatal(err)
	}
	made := ca.Config{Issuers: issuers, Profiles: profiles, Register: f, Lint: lint.Certificate, Audit: f.audit}
	for _, change := range change {
		change(&made)
	}
	f.authority, err = ca.New(made)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// issueMany issues n certificates, eight at a time, and tells of each.
func (f *faulty) issueMany(t *testing.T, n int, answer func(journal.Serial)) (failures int) {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	left := make(chan int)
	for range 8 {
		wg.Go(func() {
			for i := range left {
				serial, err := f.issueOne(t.Context(), i)
				mu.Lock()
				if err != nil {
					failures++
				} else {
					answer(serial)
				}
				mu.Unlock()
			}
		})
	}
	for i := range n {
		left <- i
	}
	close(left)
	wg.Wait()
	return failures
}

func (f *faulty) issueOne(ctx context.Context, i int) (journal.Serial, error) {
	_, csr, err := request()
	if err != nil {
		return "", err
	}
	der, err := ca.DecodeCSR([]byte(csr))
	if err != nil {
		return "", err
	}
	prepared, err := f.authority.Prepare(ctx, ca.Request{
		Issuer: "ehm", Profile: "citizen-signature", CSR: der, Actor: "fault",
		Subject: map[string]string{"givenName": "Sınaq", "surname": "Nümunəyev", "fin": fmt.Sprintf("%07d", i)},
	})
	if err != nil {
		return "", err
	}
	issued, err := f.authority.Issue(ctx, prepared)
	if err == nil {
		err = f.reach("before answer")
	}
	if err != nil {
		return "", err
	}
	return issued.Serial, nil
}

func (f *faulty) ReserveSet(ctx context.Context, set []journal.Intent, admit func(int, []journal.Record) error) error {
	if err := f.reach("before reserve"); err != nil {
		return err
	}
	if err := f.Register.ReserveSet(ctx, set, admit); err != nil {
		return err
	}
	return f.reach("after reserve")
}

func (f *faulty) audit(ctx context.Context, action string, attrs ...slog.Attr) error {
	if action != "ca.issue" {
		return f.process.audit.Append(ctx, action, attrs...)
	}
	if err := f.reach("before audit"); err != nil {
		return err
	}
	if err := f.process.audit.Append(ctx, action, attrs...); err != nil {
		return err
	}
	return f.reach("after audit")
}

func (f *faulty) Complete(ctx context.Context, serial journal.Serial, certificate []byte, ticket *journal.Ticket) (journal.Entry, error) {
	if f.shown != "" {
		// Somebody wrote the certificate down elsewhere.
		if err := durable.Write(filepath.Join(f.shown, string(serial)+".der"), certificate, 0o644); err != nil {
			return journal.Entry{}, err
		}
	}
	if err := f.reach("before complete"); err != nil {
		return journal.Entry{}, err
	}
	entry, err := f.Register.Complete(ctx, serial, certificate, ticket)
	if err == nil {
		err = f.reach("after complete")
	}
	return entry, err
}

// faultyKey reports before and after it signs.
type faultyKey struct {
	crypto.Signer
	reach func(string) error
}

func (k faultyKey) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if err := k.reach("before sign"); err != nil {
		return nil, err
	}
	signature, err := k.Signer.Sign(random, digest, opts)
	if err == nil {
		err = k.reach("after sign")
	}
	return signature, err
}

// TestErrorsWhileIssuing lets each step fail with a full disk, before it did
// anything and after it had: the clients hear of a failure, and reconcile
// accounts for everything.
func TestErrorsWhileIssuing(t *testing.T) {
	t.Parallel()
	onEachStore(t, testErrorsWhileIssuing)
}

func testErrorsWhileIssuing(t *testing.T, dir string) {
	answered := map[journal.Serial]bool{}
	var count atomic.Int64
	every := func(point string) error {
		// Seven and nine points have no common divisor: each gets its turn.
		if point != "" && count.Add(1)%7 == 0 {
			return fmt.Errorf("%s: %w", point, syscall.ENOSPC)
		}
		return nil
	}
	t.Run("issue", func(t *testing.T) {
		f := newFaulty(t, dir, every)
		failures := f.issueMany(t, 120, func(s journal.Serial) { answered[s] = true })
		if failures < 40 || len(answered) == 0 {
			t.Errorf("%d failures and %d certificates", failures, len(answered))
		}
	})
	output := reconcileAll(t, []string{"ca", "reconcile", "-c", filepath.Join(dir, configFile), "--grace", "0s"})
	for _, outcome := range []ca.Outcome{ca.NeverSigned, ca.PerhapsSigned} {
		if !strings.Contains(output, string(outcome)+"\n") {
			t.Errorf("no serial was %s\n%s", outcome, output)
		}
	}
	holdAllSerials(t, dir, answered)
}
