package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/register"
	"github.com/altamga/altamga/internal/register/postgrestest"
)

// TestTwoAuthoritiesIssue has two processes of the ca issue on one PostgreSQL:
// no serial and no position is given out twice, and no position is left out.
//
// It issues 400 certificates; ALTAMGA_TEST_CERTIFICATES=20000 says how many
// else, with `go test -run TestTwoAuthoritiesIssue -timeout 30m ./cmd/altamga`.
func TestTwoAuthoritiesIssue(t *testing.T) {
	t.Parallel()
	total := 400
	if text := os.Getenv("ALTAMGA_TEST_CERTIFICATES"); text != "" {
		var err error
		if total, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	server := postgrestest.Start(t)
	dir := foundCentre(t)
	address := server.Address(t)
	moveToPostgres(t, t.Context(), dir, address)
	ctx := within(t, time.Minute+time.Duration(total)*20*time.Millisecond)
	var authorities []*direct
	var files []string
	for i := range 2 {
		file, listen := splitAuthority(t, dir, i)
		process := startServer(t, "ca", file)
		defer func() {
			if err := process.Process.Signal(syscall.SIGTERM); err != nil {
				t.Error(err)
			}
			if err := process.Wait(); err != nil {
				t.Errorf("altamga ca serve: %v", err)
			}
			reconcileAll(t, []string{"ca", "reconcile", "-c", file, "--grace", "0s"})
		}()
		authorities, files = append(authorities, newDirect(t, dir, "https://"+string(listen))), append(files, file)
	}
	for _, file := range files {
		c := new(suiteConfig)
		if err := config.Load(file, c); err != nil {
			t.Fatal(err)
		}
		waitReady(t, ctx, "http://"+string(c.Admin.Listen)+"/readyz")
	}
	opened, err := register.OpenExisting(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	before, err := opened.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	answers := issueFromBoth(t, ctx, authorities, total)
	took := time.Since(began)
	t.Logf("%d certificates by two authorities on one PostgreSQL in %v: %.0f a second", len(answers), took.Round(time.Millisecond), float64(len(answers))/took.Seconds())

	serials, positions := map[journal.Serial]bool{}, map[uint64]journal.Serial{}
	for _, a := range answers {
		if serials[a.Serial] || positions[a.Position] != "" {
			t.Fatalf("serial %s, position %d: given out twice", a.Serial, a.Position)
		}
		serials[a.Serial], positions[a.Position] = true, a.Serial
	}
	for position := before + 1; position <= before+uint64(total); position++ {
		if positions[position] == "" {
			t.Fatalf("position %d was left out", position)
		}
	}
	for after := before; after < before+uint64(total); {
		entries, err := opened.Entries(ctx, after, 0)
		if err != nil || len(entries) == 0 {
			t.Fatalf("after position %d: %d entries, %v", after, len(entries), err)
		}
		for _, e := range entries {
			if e.Position != after+1 || e.Kind != journal.Issued || positions[e.Position] != e.Serial {
				t.Fatalf("position %d was answered for serial %s and holds %+v", after+1, positions[after+1], e)
			}
			after++
		}
	}
	if err := opened.Check(ctx); err != nil {
		t.Error(err)
	}
}

// splitAuthority writes the configuration of one of several authorities on one
// register, each with addresses and an audit log of its own.
func splitAuthority(t *testing.T, dir string, i int) (file string, listen config.Address) {
	t.Helper()
	whole, err := loadConfigFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(splitConfig(t, dir, "ca", freeAddress(t)))
	if err != nil {
		t.Fatal(err)
	}
	listen = freeAddress(t)
	changed := strings.NewReplacer(
		`path = "register.db"`, registerKeys(t, dir),
		fmt.Sprintf("listen = %q\ntls", whole.CA.Listen), fmt.Sprintf("listen = %q\ntls", listen),
		"audit.log", fmt.Sprintf("audit-%d.log", i), `/audit"`, fmt.Sprintf(`/audit-%d"`, i),
		// Nobody is slowed down here.
		`name = "operator"`, "name = \"operator\"\nrate = 100000.0\nburst = 100000",
	).Replace(string(text))
	file = filepath.Join(dir, fmt.Sprintf("ca-%d.toml", i))
	if err := os.WriteFile(file, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
	return file, listen
}

// issueFromBoth asks the authorities in turn, sixteen clients at a time.
func issueFromBoth(t *testing.T, ctx context.Context, authorities []*direct, total int) []ca.IssueAnswer {
	t.Helper()
	var next atomic.Int64
	var mu sync.Mutex
	var answers []ca.IssueAnswer
	var clients sync.WaitGroup
	for i := range 16 {
		authority := authorities[i%len(authorities)]
		authority.http.Transport.(*http.Transport).MaxIdleConnsPerHost = 16
		clients.Go(func() {
			for next.Add(1) <= int64(total) && ctx.Err() == nil {
				_, csr, err := request()
				if err != nil {
					t.Error(err)
					return
				}
				answer, err := authority.client.Issue(ctx, ca.IssueRequest{
					Issuer: "ehm", Profile: "citizen-signature", CSR: csr,
					Subject: map[string]string{"givenName": "Sınaq", "surname": "Nümunəyev", "fin": "D000001"},
				}, "")
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				answers = append(answers, *answer)
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	if len(answers) != total {
		t.Fatalf("%d of %d were answered", len(answers), total)
	}
	return answers
}
