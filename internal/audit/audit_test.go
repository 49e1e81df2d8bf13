package audit_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/internal/audit"
)

// signer signs the logs of the tests.
var signer = sync.OnceValue(func() *audit.Signer {
	s, err := audit.NewSigner("log.example/audit", ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		panic(err)
	}
	return s
})

// verify returns how many entries of a log are right, and what is wrong with
// the next one.
func verify(contents []byte) (int, error) {
	report, err := audit.Check{Key: signer()}.Verify(bytes.NewReader(contents))
	return int(report.Entries), err
}

func config(path string) audit.Config { return audit.Config{Path: path, Key: signer()} }

// open opens a log that the end of the test closes.
func open(t testing.TB, path string) *audit.Log {
	t.Helper()
	l, err := audit.Open(config(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func name(t testing.TB) string { return filepath.Join(t.TempDir(), "audit.log") }

// written returns a closed log of n lines and its contents.
func written(t testing.TB, n int) (path string, contents []byte) {
	t.Helper()
	path = name(t)
	l := open(t, path)
	for i := range n {
		if err := l.Append(t.Context(), "certificate.issue", slog.Int("n", i)); err != nil {
			t.Fatal(err)
		}
	}
	l.Close()
	return path, read(t, path)
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	contents, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return contents
}

type secret string

func (secret) LogValue() slog.Value { return slog.StringValue("hidden") }

func TestLine(t *testing.T) {
	t.Run("values of every kind", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			path := name(t)
			l := open(t, path)
			first := read(t, path)
			at := time.Date(2026, 11, 22, 14, 0, 0, 5e8, time.FixedZone("Asia/Baku", 4*3600))
			err := l.Append(t.Context(), "certificate.revoke",
				slog.String("issuer", "ehm"), slog.String("name", "Əli \"<&>\"\n\u2028"), slog.Int64("i", math.MinInt64), slog.Uint64("u", math.MaxUint64),
				slog.Float64("f", 1.5), slog.Float64("inf", math.Inf(-1)), slog.Bool("b", true), slog.Duration("d", 90*time.Second), slog.Time("at", at),
				slog.Any("err", errors.New("it broke")), slog.Any("list", []string{"a", "b"}), slog.Any("secret", secret("pin")), slog.Any("nil", nil),
				slog.Group("person", slog.String("role", "officer"), slog.Group("desk", slog.Int("floor", 2))), slog.Group("", slog.Int("inline", 1)))
			if err != nil {
				t.Fatal(err)
			}
			want := `{"seq":1,"time":"2000-01-01T00:00:00.000000Z","action":"certificate.revoke","attrs":{` +
				`"issuer":"ehm","name":"Əli \"<&>\"\n\u2028","i":-9223372036854775808,"u":18446744073709551615,` +
				`"f":1.5,"inf":"-Inf","b":true,"d":"1m30s","at":"2026-11-22T10:00:00.5Z",` +
				`"err":"it broke","list":["a","b"],"secret":"hidden","nil":null,` +
				`"person.role":"officer","person.desk.floor":2,"inline":1},"prev":"` + fmt.Sprintf("%x", sha256.Sum256(first)) + `"}` + "\n"
			if got := string(read(t, path)[len(first):]); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if err := l.Append(t.Context(), "empty"); err != nil {
				t.Fatal(err)
			}
			var line struct{ Prev string }
			if err := json.Unmarshal(bytes.SplitAfter(read(t, path), []byte("\n"))[2], &line); err != nil {
				t.Fatal(err)
			}
			if got, want := line.Prev, fmt.Sprintf("%x", sha256.Sum256([]byte(want))); got != want {
				t.Errorf("prev %s, want %s", got, want)
			}
		})
	})
	t.Run("anybody can check a link with sha256sum", func(t *testing.T) {
		if _, err := exec.LookPath("sha256sum"); err != nil {
			t.Skip("sha256sum is not installed")
		}
		path, contents := written(t, 3)
		out, err := exec.Command("sh", "-c", "sed -n 2p '"+path+"' | sha256sum").Output()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(strings.Split(string(contents), "\n")[2], `"prev":"`+string(out[:64])+`"`) {
			t.Errorf("line 3 does not hold %s", out)
		}
	})
	t.Run("what cannot be a line is refused and harms nothing", func(t *testing.T) {
		path := name(t)
		l := open(t, path)
		for _, test := range []struct {
			action string
			attrs  []slog.Attr
		}{
			{"", nil},
			{strings.Repeat("a", 200), nil},
			{"\xff", nil},
			{"twice", []slog.Attr{slog.Int("a", 1), slog.Int("a", 2)}},
			{"twice by a group", []slog.Attr{slog.Int("a.b", 1), slog.Group("a", slog.Int("b", 2))}},
			{"no key", []slog.Attr{slog.Int("", 1)}},
			{"no JSON", []slog.Attr{slog.Any("c", make(chan int))}},
			{"too long", []slog.Attr{slog.String("s", strings.Repeat("a", 70_000))}},
		} {
			if err := l.Append(t.Context(), test.action, test.attrs...); err == nil {
				t.Errorf("%.20q was written", test.action)
			}
		}
		if err := l.Append(t.Context(), "good"); err != nil {
			t.Error(err)
		}
		if n, err := verify(read(t, path)); n != 1 || err != nil {
			t.Errorf("%d lines, %v", n, err)
		}
	})
}

func TestAppend(t *testing.T) {
	t.Run("many appenders share flushes, and each line is there", func(t *testing.T) {
		path := name(t)
		l := open(t, path)
		var flushes atomic.Int64
		l.BreakDisk(func(lines []byte, real func([]byte) error) error {
			flushes.Add(1)
			time.Sleep(time.Millisecond)
			return real(lines)
		})
		var all sync.WaitGroup
		for i := range 500 {
			all.Go(func() {
				if err := l.Append(context.Background(), "act", slog.Int("i", i)); err != nil {
					t.Error(err)
				}
				// Acknowledged means on the disk.
				if !bytes.Contains(read(t, path), fmt.Appendf(nil, `{"i":%d}`, i)) {
					t.Errorf("line %d was acknowledged and is not there", i)
				}
			})
		}
		all.Wait()
		entries, last := l.Head()
		contents := read(t, path)
		n, err := verify(contents)
		hash := sha256.Sum256(contents[bytes.LastIndexByte(contents[:len(contents)-1], '\n')+1:])
		if n != 500 || entries != 500 || hash != last || err != nil {
			t.Errorf("%d lines, head at %d, same hash %v, %v", n, entries, hash == last, err)
		}
		if f := flushes.Load(); f > 100 {
			t.Errorf("%d flushes for 500 lines", f)
		}
	})
	t.Run("G5 a failed write fails the log until it is opened anew", func(t *testing.T) {
		path := name(t)
		l := open(t, path)
		if err := l.Append(t.Context(), "first"); err != nil {
			t.Fatal(err)
		}
		full := errors.New("no space left on device")
		l.BreakDisk(func(lines []byte, real func([]byte) error) error {
			real(lines[:len(lines)/2])
			return full
		})
		for range 2 {
			if err := l.Append(t.Context(), "second"); !errors.Is(err, full) {
				t.Errorf("error %v", err)
			}
			l.BreakDisk(func(lines []byte, real func([]byte) error) error { return real(lines) })
		}
		if l.Ready(t.Context()) == nil {
			t.Error("the log says that it is ready")
		}
		if n, _ := l.Head(); n != 1 {
			t.Errorf("head at %d, want 1", n)
		}
		l.Close()
		l = open(t, path)
		if err := l.Append(t.Context(), "third"); err != nil {
			t.Fatal(err)
		}
		contents := string(read(t, path))
		if n, err := verify([]byte(contents)); n != 3 || err != nil {
			t.Errorf("%d lines, %v", n, err)
		}
		if strings.Contains(contents, "second") || !strings.Contains(contents, "audit.truncated") {
			t.Errorf("the log is\n%s", contents)
		}
	})
	t.Run("G5 a log that somebody replaced, shortened or removed is noticed at once", func(t *testing.T) {
		for _, change := range []func(path string) error{
			os.Remove,
			func(path string) error { return os.Rename(path, path+".1") },
			func(path string) error { return os.Truncate(path, 10) },
			func(path string) error {
				contents, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				os.Remove(path)
				return os.WriteFile(path, contents, 0o600)
			},
		} {
			path := name(t)
			l := open(t, path)
			if err := l.Append(t.Context(), "first"); err != nil {
				t.Fatal(err)
			}
			if err := change(path); err != nil {
				t.Fatal(err)
			}
			if err := l.Append(t.Context(), "second"); err == nil {
				t.Error("the line was acknowledged")
			}
		}
	})
	t.Run("an ended context writes nothing", func(t *testing.T) {
		l := open(t, name(t))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := l.Append(ctx, "act"); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if n, _ := l.Head(); n != 0 {
			t.Errorf("%d lines", n)
		}
	})
	t.Run("an appender does not wait for a hanging disk longer than its context", func(t *testing.T) {
		l := open(t, name(t))
		release := make(chan struct{})
		l.BreakDisk(func(lines []byte, real func([]byte) error) error { <-release; return real(lines) })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := l.Append(ctx, "act"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		close(release)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if n, _ := l.Head(); n != 1 {
			t.Errorf("close did not wait for the accepted line: %d lines", n)
		}
	})
	t.Run("after Close", func(t *testing.T) {
		l := open(t, name(t))
		l.Close()
		if err := l.Append(t.Context(), "act"); !errors.Is(err, audit.ErrClosed) {
			t.Errorf("error %v", err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("closing twice: %v", err)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	l := open(b, name(b))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := l.Append(context.Background(), "certificate.issue", slog.String("serial", "0123456789abcdef0123456789abcdef")); err != nil {
				b.Fatal(err)
			}
		}
	})
}
