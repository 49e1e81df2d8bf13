package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/register"
)

// TestKilledWhileIssuing kills the whole centre while 200 certificates are
// being requested, at a different moment each time, starts it on the same
// folder again and holds it to design rule G1: what a client received is in the
// register and answers good, and no serial was used twice.
func TestKilledWhileIssuing(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills and restarts a centre ten times")
	}
	const requests = 200
	moments := []int32{1, 2, 5, 20, 50, 80, 110, 140, 170, 195}
	dir := filepath.Join(t.TempDir(), "centre")
	serials := map[journal.Serial]string{}
	for round, moment := range moments {
		c := startCentre(t, dir)
		batch := newBatch(t, round, requests)
		received := batch.request(within(t, time.Minute), c, func(n int32) {
			if n == moment {
				c.process.Process.Kill()
			}
		})
		c.kill()
		if len(received) < int(moment) {
			t.Fatalf("round %d: %d certificates received, the kill was to come after %d", round, len(received), moment)
		}

		c = startCentre(t, dir)
		ctx := within(t, time.Minute)
		party, authority := c.clients()
		for key, answer := range received {
			if earlier, ok := serials[answer.Serial]; ok {
				t.Fatalf("round %d: serial %s was used for %s and for %s", round, answer.Serial, earlier, key)
			}
			serials[answer.Serial] = key
			c.holdTo(ctx, party, authority, answer)
		}
		// Clients that got no answer ask again, with the same keys: whoever has
		// a certificate by now gets that one, and everybody gets exactly one.
		again := batch.request(ctx, c, func(int32) {})
		if len(again) != requests {
			t.Fatalf("round %d: %d of %d repeated requests were answered", round, len(again), requests)
		}
		for key, answer := range again {
			if before, ok := received[key]; ok && before.Certificate != answer.Certificate {
				t.Errorf("round %d: request %s got two certificates: %s and %s", round, key, before.Serial, answer.Serial)
			}
			if earlier, ok := serials[answer.Serial]; ok && earlier != key {
				t.Fatalf("round %d: serial %s was used for %s and for %s", round, answer.Serial, earlier, key)
			}
			serials[answer.Serial] = key
		}
		c.kill()
	}

	ctx := within(t, time.Minute)
	// Design rule G5: ten kills later, log and journal still prove one another,
	// once a start has signed what the last kill left.
	startCentre(t, dir).stop()
	findings, err := auditVerify{
		Log: filepath.Join(dir, "audit.log"), publicKeys: publicKeys{Key: filepath.Join(dir, "log.pub")},
		Journal: filepath.Join(dir, "register.db"), Closed: true,
	}.verify(ctx)
	if err != nil {
		t.Errorf("verifying after the kills: %v", err)
	}
	t.Log(strings.Join(findings, "\n"))
	opened, err := register.Open(ctx, filepath.Join(dir, "register.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	if err := opened.Check(ctx); err != nil {
		t.Error(err)
	}
	unfinished, err := opened.Unfinished(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, intent := range unfinished {
		if key, ok := serials[intent.Serial]; ok {
			t.Errorf("serial %s is unfinished, and yet %s received it", intent.Serial, key)
		}
	}
	t.Logf("%d kills, %d certificates received, %d serials reserved and never signed", len(moments), len(serials), len(unfinished))
}

// batch is a number of certification requests, each with its own key pair and
// idempotency key.
type batch struct {
	csrs map[string]string
	fins map[string]string
}

func newBatch(t *testing.T, round, n int) *batch {
	t.Helper()
	b := &batch{csrs: map[string]string{}, fins: map[string]string{}}
	for i := range n {
		_, csr, err := request()
		if err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprintf("round %d request %d", round, i)
		b.csrs[key], b.fins[key] = csr, fmt.Sprintf("%02d%05d", round, i)
	}
	return b
}

// request asks for every certificate of the batch, 16 at a time, and returns
// what was received, by idempotency key. after is told how many there are.
func (b *batch) request(ctx context.Context, c *centre, after func(received int32)) map[string]*ca.IssueAnswer {
	var (
		mu       sync.Mutex
		received = map[string]*ca.IssueAnswer{}
		count    atomic.Int32
		wg       sync.WaitGroup
		keys     = make(chan string)
	)
	_, authority := c.clients()
	for range 16 {
		wg.Go(func() {
			for key := range keys {
				answer, err := authority.Issue(ctx, ca.IssueRequest{
					Issuer: "ehm", Profile: "citizen-signature", CSR: b.csrs[key],
					Subject: map[string]string{"givenName": "Sınaq", "surname": "Nümunəyev", "fin": b.fins[key]},
				}, key)
				if err != nil {
					continue
				}
				mu.Lock()
				received[key] = answer
				mu.Unlock()
				after(count.Add(1))
			}
		})
	}
	for key := range b.csrs {
		keys <- key
	}
	close(keys)
	wg.Wait()
	return received
}

// clients connects to a running centre as a relying party and as a client of
// the authority.
func (c *centre) clients() (*party, *ca.Client) {
	c.t.Helper()
	p := &process{dir: c.dir}
	authority, err := p.caClient(c.at.CAAPI, tlsConfig{
		Certificate: config.Path(c.at.CAClient), Key: "file:keys/tls-operator.key", Peers: config.Path(c.at.CARoot),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	issuer, err := readCertificate(config.Path(c.at.Issuer))
	if err != nil {
		c.t.Fatal(err)
	}
	root, err := readCertificate(config.Path(c.at.Root))
	if err != nil {
		c.t.Fatal(err)
	}
	return &party{http: &http.Client{Timeout: 10 * time.Second}, root: root, issuers: []*x509.Certificate{issuer}}, authority
}

// holdTo checks that a received certificate is in the register as it was
// received, and good.
func (c *centre) holdTo(ctx context.Context, party *party, authority *ca.Client, answer *ca.IssueAnswer) {
	c.t.Helper()
	kept, err := authority.Certificate(ctx, answer.Serial)
	if err != nil {
		c.t.Fatalf("certificate %s was received and is not in the register: %v", answer.Serial, err)
	}
	if strings.TrimSpace(kept.Certificate) != strings.TrimSpace(answer.Certificate) || kept.Status.State != journal.Valid {
		c.t.Fatalf("certificate %s: the register has another one, or as %q", answer.Serial, kept.Status.State)
	}
	block, _ := pem.Decode([]byte(answer.Certificate))
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		c.t.Fatal(err)
	}
	status, err := party.status(ctx, certificate)
	if err != nil {
		c.t.Fatalf("asking for the status of %s: %v", answer.Serial, err)
	}
	if status != "good" {
		c.t.Fatalf("certificate %s was received and is %s", answer.Serial, status)
	}
}
