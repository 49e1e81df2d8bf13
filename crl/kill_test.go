package crl_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/crl"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/lint"
	store "github.com/altamga/altamga/internal/register"
)

// kills is how often the publishing process is killed; fifty times with
// ALTAMGA_LONG.
func kills() int {
	if os.Getenv("ALTAMGA_LONG") != "" {
		return 50
	}
	return 8
}

// TestKill kills a process that publishes without pause, over and over, and
// looks at what it left.
func TestKill(t *testing.T) {
	if dir := os.Getenv("CRL_TEST_PUBLISH"); dir != "" {
		publishForever(t, dir)
		return
	}
	key := p256(t).(*ecdsa.PrivateKey)
	c := newCentre(t, key)
	encoded, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(c.Dir, "key"), []byte(hex.EncodeToString(encoded)), 0o600)
	os.WriteFile(filepath.Join(c.Dir, "ca"), c.ca.Raw, 0o600)
	db, err := store.Open(t.Context(), filepath.Join(c.Dir, "register.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for i := range int64(8) {
		c.issueInto(t, db, 0x7000+i, time.Now().Add(time.Hour))
	}
	t.Run("CRL-12 after a kill the folder holds whole lists, none older than the acknowledged, and numbers only grow", func(t *testing.T) {
		last, seen := uint64(0), make(map[string]string)
		for range kills() {
			last = max(last, killOnce(t, c.Dir))
			number := uint64(0)
			for _, path := range []string{"ehm.crl", "ehm-delta.crl", "part-0.crl", "part-1.crl"} {
				data := readFile(t, filepath.Join(c.Dir, path))
				entries, r := c.content(t, path)
				n := r.CRLNumber.Uint64()
				name := fmt.Sprintf("%s %d", path, n)
				if before, ok := seen[name]; ok && before != string(data) {
					t.Fatalf("two lists %s", name)
				}
				seen[name] = string(data)
				if n < last {
					t.Fatalf("%s has number %d after %d was acknowledged", path, n, last)
				}
				number = max(number, n)
				if strings.Contains(path, "delta") {
					continue
				}
				shard, shards := 0, 1
				if k, _ := fmt.Sscanf(path, "part-%d", &shard); k == 1 {
					shards = 2
				}
				journaled, err := db.Entries(t.Context(), 0, 0)
				if err != nil {
					t.Fatal(err)
				}
				if want := journalAt(t, journaled, n, shard, shards); !maps.Equal(reasons(entries), want) {
					t.Fatalf("%s: got %v, want %v", name, reasons(entries), want)
				}
			}
			last = number
			if err := db.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.Issuers = killIssuers(c)
			if got := numberOf(t, c.publisher(t)); got == 0 || got > last {
				t.Fatalf("a new publisher serves %d, want at most %d", got, last)
			}
			c.Issuers = c.Issuers[:1]
		}
	})
}

// killOnce lets a process publish, kills it in the middle, and returns the last
// number that it acknowledged.
func killOnce(t *testing.T, dir string) (last uint64) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), "CRL_TEST_PUBLISH="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lives := 1 + rand.IntN(6)
	for published := 0; lines.Scan(); {
		if n, _ := fmt.Sscanf(lines.Text(), "published %d", &last); n == 1 {
			if published++; published == lives {
				time.AfterFunc(time.Duration(rand.IntN(30_000))*time.Microsecond, func() { cmd.Process.Kill() })
			}
		}
	}
	cmd.Wait()
	if last == 0 {
		t.Error("nothing was published")
	}
	return last
}

func killIssuers(c *centre) []crl.Issuer {
	return []crl.Issuer{{ID: "ehm", Certificate: c.ca, Key: c.key, Place: crl.Place{Path: "ehm.crl", DeltaPath: "ehm-delta.crl", DeltaURL: "http://127.0.0.1:1/d.crl"},
		Partitions: []crl.Partition{{Shards: 2, Place: crl.Place{Path: "part-{shard}.crl", URL: "http://127.0.0.1:1/part-{shard}.crl"}}}}}
}

// publishForever is the process that is killed.
func publishForever(t *testing.T, dir string) {
	encoded, err := os.ReadFile(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	encoded, _ = hex.DecodeString(string(encoded))
	key, err := x509.ParseECPrivateKey(encoded)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "ca"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), filepath.Join(dir, "register.db"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := crl.New(crl.Config{
		Issuers: killIssuers(&centre{ca: ca, key: key}),
		Source:  stored{Register: db}, Dir: dir,
		Lint:  lint.CRL,
		Audit: func(context.Context, string, ...slog.Attr) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		e := journal.Entry{Kind: journal.Held, Owner: journal.Court, Serial: journal.Serial(fmt.Sprintf("%x", 0x7000+rand.IntN(8)))}
		if i%2 == 1 {
			e.Kind = journal.Released
		}
		_, _, _ = db.Change(t.Context(), e, nil) // some are not legal
		if err := p.Publish(t.Context(), "ehm"); err != nil {
			t.Fatal(err)
		}
		list, _ := p.Current("ehm")
		fmt.Printf("published %d\n", list.Number)
	}
}
