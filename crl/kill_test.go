package crl_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/altamga/altamga/crl"
	"github.com/altamga/altamga/internal/lint"
)

// TestKill kills a process that publishes without pause, over and over, and
// looks at what it left.
func TestKill(t *testing.T) {
	if dir := os.Getenv("CRL_TEST_PUBLISH"); dir != "" {
		publishForever(t, dir)
		return
	}
	t.Run("CRL-12 after a kill the folder holds the last acknowledged list or a newer one, whole", func(t *testing.T) {
		key := p256(t).(*ecdsa.PrivateKey)
		c := newCentre(t, key)
		encoded, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		os.WriteFile(filepath.Join(c.Dir, "key"), []byte(hex.EncodeToString(encoded)), 0o600)
		os.WriteFile(filepath.Join(c.Dir, "ca"), c.ca.Raw, 0o600)
		last := uint64(0)
		for range 10 {
			cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
			cmd.Env = append(os.Environ(), "CRL_TEST_PUBLISH="+c.Dir)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			lives := 1 + rand.IntN(20)
			for published := 0; lines.Scan(); {
				if n, _ := fmt.Sscanf(lines.Text(), "published %d", &last); n == 1 {
					if published++; published == lives {
						time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, func() { cmd.Process.Kill() })
					}
				}
			}
			cmd.Wait()
			if got := c.published(t).Number.Uint64(); got < last {
				t.Fatalf("the folder holds %d after %d was acknowledged", got, last)
			}
			last = c.published(t).Number.Uint64()
			if got := numberOf(t, c.publisher(t)); got != last {
				t.Fatalf("a new publisher serves %d, want %d", got, last)
			}
		}
		if last == 0 {
			t.Error("nothing was published")
		}
	})
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
	p, err := crl.New(crl.Config{
		Issuers: []crl.Issuer{{ID: "ehm", Certificate: ca, Key: key, Place: crl.Place{Path: "ehm.crl"}}},
		Source:  clockwork{}, Dir: dir,
		Lint:  lint.CRL,
		Audit: func(context.Context, string, ...slog.Attr) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	for {
		if err := p.Publish(t.Context(), "ehm"); err != nil {
			t.Fatal(err)
		}
		list, _ := p.Current("ehm")
		fmt.Printf("published %d\n", list.Number)
	}
}

// clockwork is a source whose numbers outlive the process.
type clockwork struct{}

func (clockwork) Number(context.Context, string) (crl.Numbered, error) {
	now := time.Now()
	return crl.Numbered{Number: uint64(now.UnixNano()), At: now}, nil
}

func (clockwork) Each(context.Context, string, crl.Point, func(crl.Entry) error) error { return nil }

func (clockwork) Changes(context.Context, string, crl.Point, crl.Point, int) ([]crl.Entry, error) {
	return nil, nil
}

func (clockwork) Published(context.Context, string, uint64) error { return nil }
