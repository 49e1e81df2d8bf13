package audit_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/altamga/altamga/internal/audit"
)

// lastSize returns how many entries the last line of a log, a checkpoint, covers.
func lastSize(t testing.TB, contents []byte) int {
	t.Helper()
	report, err := audit.Check{Key: signer()}.Verify(bytes.NewReader(contents))
	if err != nil || !bytes.HasPrefix(contents[bytes.LastIndexByte(contents[:len(contents)-1], '\n')+1:], []byte(`{"checkpoint":`)) {
		t.Fatalf("the log does not end with a checkpoint, or %v", err)
	}
	return int(report.Last.Size)
}

func TestOpen(t *testing.T) {
	t.Run("the chain goes on", func(t *testing.T) {
		path, _ := written(t, 3)
		l := open(t, path)
		if err := l.Append(t.Context(), "more"); err != nil {
			t.Fatal(err)
		}
		if n, err := verify(read(t, path)); n != 4 || err != nil {
			t.Errorf("%d lines, %v", n, err)
		}
	})
	t.Run("G5 a crash at any octet loses the line it was in alone", func(t *testing.T) {
		path, contents := written(t, 3)
		for size := 0; size <= len(contents); size++ {
			// Every octet around the end of a line, and some within.
			if near := contents[max(0, size-3):min(size+3, len(contents))]; !bytes.Contains(near, []byte("\n")) && size%8 != 0 {
				continue
			}
			if err := os.WriteFile(path, contents[:size], 0o600); err != nil {
				t.Fatal(err)
			}
			l, err := audit.Open(config(path))
			if err != nil {
				t.Fatalf("%d octets: %v", size, err)
			}
			l.Close()
			want := bytes.Count(contents[:size], []byte(`"}`+"\n"))
			if size > 0 && contents[size-1] != '\n' {
				want++ // the note
			}
			after := read(t, path)
			if n, err := verify(after); n != want || err != nil {
				t.Fatalf("%d octets: %d entries, want %d, %v", size, n, want, err)
			}
			whole := bytes.LastIndexByte(contents[:size], '\n') + 1
			if !bytes.HasPrefix(after, contents[:whole]) || lastSize(t, after) != want {
				t.Fatalf("%d octets: the log became\n%s", size, after)
			}
		}
	})
	t.Run("a broken chain is refused and left as it is", func(t *testing.T) {
		path, contents := written(t, 3)
		altered := bytes.Replace(contents, []byte(`"n":1`), []byte(`"n":7`), 1)
		for _, broken := range [][]byte{altered, append(altered, "half"...), []byte("no log\n"), append(make([]byte, 10), contents...)} {
			os.WriteFile(path, broken, 0o600)
			if l, err := audit.Open(config(path)); err == nil {
				l.Close()
				t.Errorf("a log of %.40q was opened", broken)
			}
			if !bytes.Equal(read(t, path), broken) {
				t.Error("it was changed")
			}
		}
	})
	t.Run("only the end of a long log is read, and it is checked", func(t *testing.T) {
		path := name(t)
		l := open(t, path)
		var all sync.WaitGroup
		for range 60 {
			all.Go(func() { l.Append(context.Background(), "long", slog.String("s", strings.Repeat("a", 60_000))) })
		}
		all.Wait()
		l.Close()
		contents := read(t, path)
		if len(contents) < 2*audit.TailWindow {
			t.Fatal("the log is too short for this test")
		}
		l = open(t, path)
		if err := l.Append(t.Context(), "more"); err != nil {
			t.Fatal(err)
		}
		l.Close()
		if n, err := verify(read(t, path)); n != 61 || err != nil {
			t.Errorf("%d lines, %v", n, err)
		}
		contents = read(t, path)
		contents[len(contents)-100_000] ^= 1
		os.WriteFile(path, contents, 0o600)
		if _, err := audit.Open(config(path)); err == nil {
			t.Error("an altered end was not found")
		}
	})
	t.Run("another key is refused, and so is none", func(t *testing.T) {
		path, contents := written(t, 2)
		other, err := audit.NewSigner("log.example/audit", ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32)))
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []*audit.Signer{other, nil} {
			if l, err := audit.Open(audit.Config{Path: path, Key: key}); err == nil {
				l.Close()
				t.Error("the log was opened")
			}
		}
		if !bytes.Equal(read(t, path), contents) {
			t.Error("it was changed")
		}
	})
	t.Run("a log from before there were checkpoints goes on", func(t *testing.T) {
		path := name(t)
		hash := make([]byte, 32)
		var old []byte
		for i := range 3 {
			line := fmt.Appendf(nil, `{"seq":%d,"time":"2026-11-22T10:00:00.000001Z","action":"act","attrs":{},"prev":"%x"}`+"\n", i+1, hash)
			sum := sha256.Sum256(line)
			hash, old = sum[:], append(old, line...)
		}
		os.WriteFile(path, old, 0o600)
		l := open(t, path)
		if err := l.Append(t.Context(), "more"); err != nil {
			t.Fatal(err)
		}
		l.Close()
		if n, err := verify(read(t, path)); n != 4 || err != nil {
			t.Errorf("%d entries, %v", n, err)
		}
	})
	t.Run("a second opener is refused", func(t *testing.T) {
		path := name(t)
		l := open(t, path)
		if _, err := audit.Open(config(path)); err == nil || !strings.Contains(err.Error(), "another process") {
			t.Errorf("error %v", err)
		}
		l.Close()
		open(t, path)
	})
	t.Run("a log that others may write is refused", func(t *testing.T) {
		path, _ := written(t, 1)
		os.Chmod(path, 0o620)
		if _, err := audit.Open(config(path)); err == nil {
			t.Error("it was opened")
		}
	})
	t.Run("a new log belongs to its owner alone", func(t *testing.T) {
		path, _ := written(t, 0)
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	})
	t.Run("no folder, a folder, a device", func(t *testing.T) {
		for _, path := range []string{filepath.Join(t.TempDir(), "none", "audit.log"), t.TempDir(), os.DevNull} {
			if _, err := audit.Open(config(path)); err == nil {
				t.Errorf("%s was opened", path)
			}
		}
	})
}
