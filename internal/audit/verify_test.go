package audit_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/altamga/altamga/internal/audit"
)

// checkpointOf returns the last checkpoint of a log.
func checkpointOf(t testing.TB, contents []byte) audit.Checkpoint {
	t.Helper()
	report, err := audit.Check{Key: signer()}.Verify(bytes.NewReader(contents))
	if err != nil {
		t.Fatal(err)
	}
	return report.Last
}

func TestVerify(t *testing.T) {
	_, contents := written(t, 5)
	// The checkpoint of no entries, five entries, and their checkpoint.
	lines := bytes.SplitAfter(contents, []byte("\n"))[:7]
	join := func(order ...int) []byte {
		var b []byte
		for _, i := range order {
			b = append(b, lines[i]...)
		}
		return b
	}
	report, err := audit.Check{Key: signer()}.Verify(bytes.NewReader(contents))
	if report.Entries != 5 || report.Checkpoints != 2 || report.Last.Size != 5 || report.Last.Origin != "log.example/audit" || err != nil {
		t.Errorf("%+v, %v", report, err)
	}
	for _, test := range []struct {
		name     string
		contents []byte
		line     int
	}{
		{"G5 a line is altered", bytes.Replace(contents, []byte(`"n":2`), []byte(`"n":3`), 1), 5},
		{"G5 a line is removed", join(0, 1, 2, 4, 5, 6), 4},
		{"G5 the first entry is removed", join(0, 2, 3, 4, 5, 6), 2},
		{"G5 the first checkpoint is removed", join(1, 2, 3, 4, 5, 6), 1},
		{"G5 the last entry is removed before its checkpoint", join(0, 1, 2, 3, 4, 6), 6},
		{"G5 lines are swapped", join(0, 1, 3, 2, 4, 5, 6), 3},
		{"G5 a line is there twice", join(0, 1, 2, 2, 3, 4, 5, 6), 4},
		{"G5 a checkpoint stands elsewhere", join(0, 1, 2, 3, 6), 5},
		{"G5 the end of the last line is cut off", contents[:len(contents)-1], 7},
		{"an empty line", append(join(0, 1), '\n'), 3},
		{"a line without an end that is too long", append(join(0), bytes.Repeat([]byte("a"), 100_000)...), 2},
		{"a member is missing", bytes.Replace(contents, []byte(`"action":"certificate.issue",`), nil, 1), 2},
		{"a member is there twice", bytes.Replace(contents, []byte(`"attrs"`), []byte(`"attrs":{},"attrs"`), 1), 2},
		{"something follows a line", bytes.Replace(contents, []byte("\"}\n"), []byte("\"} {}\n"), 1), 2},
		{"a checkpoint has one more member", bytes.Replace(contents, []byte(`,"edge"`), []byte(`,"x":1,"edge"`), 1), 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			n, err := verify(test.contents)
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("line %d,", test.line)) {
				t.Errorf("error %v, want one of line %d", err, test.line)
			}
			if n > test.line-1 {
				t.Errorf("%d good entries before line %d", n, test.line)
			}
		})
	}
	t.Run("an empty log is one without lines", func(t *testing.T) {
		if n, err := verify(nil); n != 0 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
	t.Run("G5 every changed octet is found", func(t *testing.T) {
		for i := range contents {
			for change := 1; change < 256; change <<= 1 {
				altered := bytes.Clone(contents)
				altered[i] ^= byte(change)
				if _, err := verify(altered); err == nil {
					t.Fatalf("octet %d (%q) xor %x was not found", i, contents[i], change)
				}
			}
		}
	})
	t.Run("G5 every removed or doubled octet is found", func(t *testing.T) {
		for i := range contents {
			for _, altered := range [][]byte{
				append(bytes.Clone(contents[:i]), contents[i+1:]...),
				append(bytes.Clone(contents[:i+1]), contents[i:]...),
			} {
				if _, err := verify(altered); err == nil {
					t.Fatalf("octet %d (%q) was not missed", i, contents[i])
				}
			}
		}
	})
	t.Run("G5 no key", func(t *testing.T) {
		if _, err := (audit.Check{}).Verify(bytes.NewReader(contents)); err == nil {
			t.Error("verified without a key")
		}
	})
}

// TestAgainst holds logs to checkpoints that were kept elsewhere.
func TestAgainst(t *testing.T) {
	path := name(t)
	var kept []audit.Checkpoint
	for range 4 {
		l := open(t, path)
		for range 2 {
			if err := l.Append(t.Context(), "act"); err != nil {
				t.Fatal(err)
			}
		}
		l.Close()
		kept = append(kept, checkpointOf(t, read(t, path)))
	}
	contents := read(t, path)
	against := func(contents []byte, kept ...audit.Checkpoint) error {
		_, err := audit.Check{Key: signer(), Against: kept}.Verify(bytes.NewReader(contents))
		return err
	}
	if err := against(contents, kept...); err != nil {
		t.Errorf("the log itself: %v", err)
	}
	t.Run("G5 a log that was cut back is found", func(t *testing.T) {
		lines := bytes.SplitAfter(contents, []byte("\n"))
		for n := range lines[:len(lines)-2] {
			if err := against(bytes.Join(lines[:n], nil), kept[3]); err == nil || !strings.Contains(err.Error(), "removed from its end") {
				t.Errorf("cut to %d lines: %v", n, err)
			}
		}
	})
	t.Run("G5 a log that was written anew with the stolen key is found", func(t *testing.T) {
		path := name(t)
		l := open(t, path)
		for range 10 {
			l.Append(t.Context(), "lie")
		}
		l.Close()
		if err := against(read(t, path), kept[0]); err == nil || !strings.Contains(err.Error(), "not those") {
			t.Errorf("error %v", err)
		}
		forged := checkpointOf(t, read(t, path))
		forged.Size = kept[0].Size
		if err := against(contents, kept[0], forged); err == nil || !strings.Contains(err.Error(), "forked") {
			t.Errorf("two checkpoints of a fork: %v", err)
		}
	})
}

// TestStored holds the program to a log that an earlier one wrote: what was
// signed once must verify for ever.
func TestStored(t *testing.T) {
	contents := read(t, "testdata/five.log")
	report, err := audit.Check{Key: signer()}.Verify(bytes.NewReader(contents))
	if report.Entries != 5 || report.Last.Size != 5 || report.Checkpoints != 4 || err != nil {
		t.Errorf("%+v, %v", report, err)
	}
	if got, want := report.Last.Root.String(), "u5dxhXaC3wJEAFHOuGoD+yOO6RJ//PGcaoHBZdujYPk="; got != want {
		t.Errorf("root %s, want %s", got, want)
	}
}

func FuzzVerify(f *testing.F) {
	contents := read(f, "testdata/five.log")
	f.Add(contents)
	f.Add(contents[:len(contents)-1])
	f.Add(contents[:bytes.LastIndexByte(contents[:len(contents)-1], '\n')+1])
	f.Add(bytes.SplitAfter(contents, []byte("\n"))[1])
	f.Add([]byte("{}\n"))
	f.Add([]byte(`{"seq":1,"time":"2026-11-22T10:00:00Z","action":"a","attrs":{},"prev":"` + strings.Repeat("0", 64) + `"}` + "\n"))
	f.Fuzz(func(t *testing.T, contents []byte) {
		n, err := verify(contents)
		if err == nil && n > bytes.Count(contents, []byte("\n")) {
			t.Errorf("%d entries in %q", n, contents)
		}
		// What verifies can be opened and continued.
		head, whole, oerr := audit.ReadTail(contents, signer())
		if err == nil && (oerr != nil || head != n || whole != len(contents)) {
			t.Errorf("verified are %d entries; opening finds %d in %d of %d octets, %v", n, head, whole, len(contents), oerr)
		}
	})
}
