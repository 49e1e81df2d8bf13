package audit_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/altamga/altamga/internal/audit"
)

func TestVerify(t *testing.T) {
	_, contents := written(t, 5)
	lines := bytes.SplitAfter(contents, []byte("\n"))[:5]
	join := func(order ...int) []byte {
		var b []byte
		for _, i := range order {
			b = append(b, lines[i]...)
		}
		return b
	}
	if n, last, err := audit.Verify(bytes.NewReader(contents)); n != 5 || last != sha256.Sum256(lines[4]) || err != nil {
		t.Errorf("%d lines, %v", n, err)
	}
	for _, test := range []struct {
		name     string
		contents []byte
		line     int
	}{
		{"G5 a line is altered", bytes.Replace(contents, []byte(`"n":2`), []byte(`"n":3`), 1), 4},
		{"G5 a line is removed", join(0, 1, 3, 4), 3},
		{"G5 the first line is removed", join(1, 2, 3, 4), 1},
		{"G5 lines are swapped", join(0, 2, 1, 3, 4), 2},
		{"G5 a line is there twice", join(0, 1, 1, 2, 3, 4), 3},
		{"G5 the end of the last line is cut off", contents[:len(contents)-1], 5},
		{"an empty line", append(join(0, 1), '\n'), 3},
		{"a line without an end that is too long", append(join(0), bytes.Repeat([]byte("a"), 100_000)...), 2},
		{"a member is missing", bytes.Replace(contents, []byte(`"action":"certificate.issue",`), nil, 1), 1},
		{"a member is there twice", bytes.Replace(contents, []byte(`"attrs"`), []byte(`"attrs":{},"attrs"`), 1), 1},
		{"something follows a line", bytes.Replace(contents, []byte("}\n"), []byte("} {}\n"), 1), 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			n, _, err := audit.Verify(bytes.NewReader(test.contents))
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("line %d:", test.line)) {
				t.Errorf("error %v, want one of line %d", err, test.line)
			}
			if n != test.line-1 {
				t.Errorf("%d good lines, want %d", n, test.line-1)
			}
		})
	}
	t.Run("an empty log is one without lines", func(t *testing.T) {
		if n, last, err := audit.Verify(strings.NewReader("")); n != 0 || last != [32]byte{} || err != nil {
			t.Errorf("%d, %x, %v", n, last, err)
		}
	})
	t.Run("G5 every changed octet is found, but in the last line", func(t *testing.T) {
		body := len(contents) - len(lines[4])
		for i := range body {
			for _, change := range []byte{1, 0x20, 0x80} {
				altered := bytes.Clone(contents)
				altered[i] ^= change
				if _, _, err := audit.Verify(bytes.NewReader(altered)); err == nil {
					t.Fatalf("octet %d xor %x was not found", i, change)
				}
			}
		}
	})
}

func FuzzVerify(f *testing.F) {
	_, contents := written(f, 3)
	f.Add(contents)
	f.Add(contents[:len(contents)-1])
	f.Add([]byte("{}\n"))
	f.Add([]byte(`{"seq":1,"time":"2026-11-22T10:00:00Z","action":"a","attrs":{},"prev":"` + strings.Repeat("0", 64) + `"}` + "\n"))
	f.Fuzz(func(t *testing.T, contents []byte) {
		n, last, err := audit.Verify(bytes.NewReader(contents))
		if err == nil && n != bytes.Count(contents, []byte("\n")) {
			t.Errorf("%d lines in %q", n, contents)
		}
		// What verifies can be opened and continued, and verifies still.
		path := filepath.Join(t.TempDir(), "audit.log")
		if werr := os.WriteFile(path, contents, 0o600); werr != nil {
			t.Fatal(werr)
		}
		l, oerr := audit.Open(path)
		if err == nil && oerr != nil {
			t.Fatalf("a log that verifies does not open: %v", oerr)
		}
		if oerr != nil {
			return
		}
		defer l.Close()
		if gotN, gotLast := l.Head(); err == nil && (gotN != n || gotLast != last) {
			t.Errorf("head at %d, want %d", gotN, n)
		}
		if err := l.Append(t.Context(), "fuzz"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := audit.Verify(bytes.NewReader(read(t, path))); err != nil {
			t.Error(err)
		}
	})
}
