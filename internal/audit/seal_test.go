package audit_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/internal/audit"
)

// frail is a key that can be taken away.
type frail struct {
	crypto.Signer
	gone atomic.Bool
}

var errGone = errors.New("the token is not there")

func (f *frail) Sign(random io.Reader, digest []byte, options crypto.SignerOpts) ([]byte, error) {
	if f.gone.Load() {
		return nil, errGone
	}
	return f.Signer.Sign(random, digest, options)
}

// frailConfig opens a log of 3 entries a checkpoint with such a key.
func frailConfig(t testing.TB) (*frail, audit.Config) {
	t.Helper()
	key := &frail{Signer: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
	s, err := audit.NewSigner("log.example/audit", key)
	if err != nil {
		t.Fatal(err)
	}
	return key, audit.Config{Path: name(t), Key: s, Entries: 3, Interval: 10 * time.Second}
}

// seals returns the order of entries (e) and checkpoints (c) in a log.
func seals(contents []byte) string {
	order := ""
	for line := range bytes.Lines(contents) {
		if order += "e"; bytes.HasPrefix(line, []byte(`{"checkpoint":`)) {
			order = order[:len(order)-1] + "c"
		}
	}
	return order
}

func TestSeal(t *testing.T) {
	act := func(t *testing.T, l *audit.Log, n int) {
		t.Helper()
		for range n {
			if err := l.Append(t.Context(), "act"); err != nil {
				t.Fatal(err)
			}
		}
	}
	// expect waits out what is under way and compares.
	expect := func(t *testing.T, c audit.Config, want string) {
		t.Helper()
		synctest.Wait()
		if got := seals(read(t, c.Path)); got != want {
			t.Errorf("the log is %s, want %s", got, want)
		}
		if _, err := verify(read(t, c.Path)); err != nil {
			t.Error(err)
		}
	}
	bubble := func(name string, f func(*testing.T, *frail, audit.Config, *audit.Log)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				key, c := frailConfig(t)
				l, err := audit.Open(c)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { l.Close() })
				f(t, key, c, l)
			})
		})
	}
	bubble("at open, every N entries and at close", func(t *testing.T, _ *frail, c audit.Config, l *audit.Log) {
		act(t, l, 7)
		expect(t, c, "ceeeceeece")
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		expect(t, c, "ceeeceeecec")
		l, err := audit.Open(c)
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		expect(t, c, "ceeeceeecec")
	})
	bubble("an interval after the first entry, and not again while nothing happens", func(t *testing.T, _ *frail, c audit.Config, l *audit.Log) {
		act(t, l, 1)
		time.Sleep(9 * time.Second)
		act(t, l, 1)
		expect(t, c, "cee")
		time.Sleep(time.Second)
		expect(t, c, "ceec")
		time.Sleep(time.Hour)
		expect(t, c, "ceec")
		act(t, l, 1)
		time.Sleep(10 * time.Second)
		expect(t, c, "ceecec")
	})
	bubble("on demand", func(t *testing.T, _ *frail, c audit.Config, l *audit.Log) {
		for range 2 {
			if err := l.Seal(); err != nil {
				t.Fatal(err)
			}
		}
		expect(t, c, "c")
		act(t, l, 1)
		if err := l.Seal(); err != nil {
			t.Fatal(err)
		}
		expect(t, c, "cec")
	})
	bubble("G5 without its key the log takes entries up to N and goes on when the key is back", func(t *testing.T, key *frail, c audit.Config, l *audit.Log) {
		key.gone.Store(true)
		act(t, l, 2)
		for range 3 {
			if err := l.Append(t.Context(), "refused"); !errors.Is(err, errGone) {
				t.Errorf("error %v", err)
			}
		}
		if err := l.Ready(t.Context()); !errors.Is(err, errGone) {
			t.Errorf("ready: %v", err)
		}
		if err := l.Seal(); !errors.Is(err, errGone) {
			t.Errorf("sealing: %v", err)
		}
		expect(t, c, "cee")
		key.gone.Store(false)
		act(t, l, 1)
		expect(t, c, "ceeec")
		if err := l.Ready(t.Context()); err != nil {
			t.Errorf("ready: %v", err)
		}
		if strings.Contains(string(read(t, c.Path)), "refused") {
			t.Error("a refused entry is in the log")
		}
	})
	bubble("G5 without its key the log takes entries for the interval, and seals them when the key is back", func(t *testing.T, key *frail, c audit.Config, l *audit.Log) {
		key.gone.Store(true)
		act(t, l, 1)
		time.Sleep(11 * time.Second)
		if err := l.Append(t.Context(), "refused"); !errors.Is(err, errGone) {
			t.Errorf("error %v", err)
		}
		key.gone.Store(false)
		time.Sleep(2 * time.Second)
		expect(t, c, "cec")
		if err := l.Ready(t.Context()); err != nil {
			t.Errorf("ready: %v", err)
		}
	})
	bubble("closing without the key says what stays open, and opening anew seals it", func(t *testing.T, key *frail, c audit.Config, l *audit.Log) {
		act(t, l, 1)
		key.gone.Store(true)
		if err := l.Close(); !errors.Is(err, errGone) {
			t.Errorf("error %v", err)
		}
		if _, err := audit.Open(c); !errors.Is(err, errGone) {
			t.Errorf("opening without the key: %v", err)
		}
		key.gone.Store(false)
		again, err := audit.Open(c)
		if err != nil {
			t.Fatal(err)
		}
		again.Close()
		expect(t, c, "cec")
	})
	bubble("many at once", func(t *testing.T, _ *frail, c audit.Config, l *audit.Log) {
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				if err := l.Append(t.Context(), "act"); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		l.Close()
		order := seals(read(t, c.Path))
		if strings.Count(order, "e") != 200 || !strings.HasSuffix(order, "c") {
			t.Errorf("the log is %s", order)
		}
		if n, err := verify(read(t, c.Path)); n != 200 || err != nil {
			t.Errorf("%d entries, %v", n, err)
		}
	})
}

func TestKeys(t *testing.T) {
	ec := func(c elliptic.Curve) crypto.Signer {
		key, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	_, ed, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"ed25519": ed, "p256": ec(elliptic.P256()), "p384": ec(elliptic.P384()), "p521": ec(elliptic.P521())} {
		t.Run(name, func(t *testing.T) {
			s, err := audit.NewSigner("pki.example/audit", key)
			if err != nil {
				t.Fatal(err)
			}
			public, err := audit.ParseKey(s.Public() + "\n")
			if err != nil {
				t.Fatal(err)
			}
			signature, err := s.Sign([]byte("text\n"))
			if err != nil || !public.Verify([]byte("text\n"), signature) || public.Verify([]byte("texT\n"), signature) ||
				public.Name() != s.Name() || public.KeyHash() != s.KeyHash() {
				t.Errorf("the public key of %s does not verify: %v", s.Public(), err)
			}
			line := s.Public()
			for i := range line {
				for _, flip := range []byte{1, 2, 4, 8, 16, 32, 64, 128} {
					altered := []byte(line)
					altered[i] ^= flip
					if v, err := audit.ParseKey(string(altered)); err == nil && v.Verify([]byte("text\n"), signature) && v.Name() == s.Name() && v.KeyHash() == s.KeyHash() {
						// The identifier may be spelled in capitals.
						if !strings.EqualFold(string(altered), line) {
							t.Fatalf("%q is taken for %q", altered, line)
						}
					}
				}
			}
		})
	}
	t.Run("what is no key of a log", func(t *testing.T) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := audit.NewSigner("pki.example/audit", key); err == nil {
			t.Error("an RSA key")
		}
		if _, err := audit.NewCosigner("partner.example", ec(elliptic.P256())); err == nil {
			t.Error("an ECDSA key of a witness")
		}
		for _, origin := range []string{"", "two words", "a+b", "a\nb", "\xff"} {
			if _, err := audit.NewSigner(origin, ed); err == nil {
				t.Errorf("origin %q", origin)
			}
		}
		for _, line := range []string{"", "name", "name+00000000", "name+00000000+", "name+00000000+AQ==", "name+zz+AQ==", "-----BEGIN PUBLIC KEY-----"} {
			if _, err := audit.ParseKey(line); err == nil {
				t.Errorf("public key %q", line)
			}
		}
	})
}
