package ceremony_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/ca/ceremony"
	sqlite "github.com/altamga/altamga/internal/register"
)

// held carries the founding ceremony out once.
func held(t *testing.T, text string) *table {
	t.Helper()
	b := newTable(t, text)
	b.confirm("first", "second", "third")
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	return b
}

// Whatever is changed in the minutes or in what they name is found.
func TestVerify(t *testing.T) {
	b := held(t, founding)
	if faults := b.verify(); faults != "" {
		t.Fatal(faults)
	}
	path := b.path("minutes/test.jsonl")
	data := b.read("minutes/test.jsonl")
	t.Run("G5 any one changed octet", func(t *testing.T) {
		// Every octet of the first line and the last, and samples between.
		step := 1
		for i := 0; i < len(data); i += step {
			changed := bytes.Clone(data)
			changed[i] ^= 1
			if _, err := ceremony.ParseMinutes(changed); err == nil {
				t.Errorf("octet %d of %d was changed unseen", i, len(data))
			}
			if step = 37; i > len(data)-600 {
				step = 1
			}
		}
	})
	lines := bytes.SplitAfter(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	lines[len(lines)-1] = append(lines[len(lines)-1], '\n')
	join := func(parts ...[][]byte) []byte {
		var out []byte
		for _, p := range parts {
			out = append(out, bytes.Join(p, nil)...)
		}
		return out
	}
	for name, row := range map[string]struct {
		data []byte
		want string
	}{
		"a line removed":               {join(lines[:3], lines[4:]), "not linked"},
		"two lines swapped":            {join(lines[:3], lines[4:5], lines[3:4], lines[5:]), "not linked"},
		"a line twice":                 {join(lines[:4], lines[3:]), "not linked"},
		"the signature removed":        {join(lines[:len(lines)-1]), "are not signed"},
		"the end removed":              {join(lines[:len(lines)-4]), "is not complete"},
		"the last line cut":            {data[:len(data)-9], "cut off"},
		"the first line removed":       {join(lines[1:]), "not linked"},
		"nothing":                      {nil, "does not open a ceremony"},
		"white space":                  {bytes.Replace(data, []byte(`{"seq":1,`), []byte(`{"seq": 1,`), 1), "not as it was written"},
		"a field that is not one":      {bytes.Replace(data, []byte(`{"seq":1,`), []byte(`{"seq":1,"x":1,`), 1), "not as it was written"},
		"text that is no line at all":  {append(bytes.Clone(data), "goodbye\n"...), "is not a line of minutes"},
		"a line after the end, linked": {append(bytes.Clone(data), appended(t, data)...), "went on after its minutes were closed"},
	} {
		t.Run(name, func(t *testing.T) {
			b.write("minutes/test.jsonl", row.data)
			defer b.write("minutes/test.jsonl", data)
			if faults := b.verify(); !strings.Contains(faults, row.want) {
				t.Errorf("got %q, want %q", faults, row.want)
			}
		})
	}
	for _, name := range []string{"out/root.pem", "out/policy.csr", "out/root-2.crl", "plan.toml", "officers/third.pem", "confirmations/first.json", "minutes/test.txt"} {
		t.Run("changed "+name, func(t *testing.T) {
			kept := b.read(name)
			defer b.write(name, kept)
			b.write(name, append(bytes.Clone(kept), '#'))
			if faults := b.verify(func(v *ceremony.Verification) { v.Minutes = path }); faults == "" {
				t.Error("was not seen")
			}
		})
	}
	t.Run("a missing output", func(t *testing.T) {
		kept := b.read("out/root.crl")
		defer b.write("out/root.crl", kept)
		os.Remove(b.path("out/root.crl"))
		if faults := b.verify(); !strings.Contains(faults, "out/root.crl") {
			t.Errorf("got %q", faults)
		}
	})
	t.Run("the wrong plan", func(t *testing.T) {
		p, text, err := b.load()
		if err != nil {
			t.Fatal(err)
		}
		for want, change := range map[string][]byte{"": text, "are of another plan": append(bytes.Clone(text), '\n')} {
			expected, err := ceremony.Expect(p, b.dir, "plan.toml", change)
			if err != nil {
				t.Fatal(err)
			}
			if faults := b.verify(func(v *ceremony.Verification) { v.Expected = expected }); want == "" && faults != "" || !strings.Contains(faults, want) {
				t.Errorf("got %q, want %q", faults, want)
			}
		}
	})
	t.Run("carried to another folder", func(t *testing.T) {
		elsewhere := t.TempDir()
		if err := os.CopyFS(elsewhere, os.DirFS(b.dir)); err != nil {
			t.Fatal(err)
		}
		if faults := b.verify(func(v *ceremony.Verification) { v.Minutes = filepath.Join(elsewhere, "minutes", "test.jsonl") }); faults != "" {
			t.Error(faults)
		}
	})
}

// appended is a line that goes on behind the last one.
func appended(t *testing.T, data []byte) []byte {
	t.Helper()
	lines, err := ceremony.ParseMinutes(data)
	if err != nil {
		t.Fatal(err)
	}
	last := lines[len(lines)-1]
	l := ceremony.Line{Seq: last.Seq + 1, At: last.At, Event: "done", Step: "later", Text: "and one more", Previous: last.Hash}
	l.Hash = ceremony.Digest(l)
	encoded, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	return append(encoded, '\n')
}

// Without a key of the plan the officers sign, as many as it requires, each
// once.
func TestOfficersSign(t *testing.T) {
	b := held(t, strings.Replace(founding, `seal = "seal"`, "", 1))
	if faults := b.verify(); !strings.Contains(faults, "0 of 2 officers") {
		t.Errorf("unsigned minutes: %q", faults)
	}
	sign := func(name string) error {
		c, err := b.open()
		if err != nil {
			t.Fatal(err)
		}
		return c.Sign(b.officers[name])
	}
	for _, name := range []string{"first", "first"} {
		if err := sign(name); err != nil {
			t.Fatal(err)
		}
	}
	if faults := b.verify(); !strings.Contains(faults, "1 of 2 officers") {
		t.Errorf("signed by one, twice: %q", faults)
	}
	b.officers["stranger"] = newKey(t)
	if err := sign("stranger"); err == nil || !strings.Contains(err.Error(), "belongs to no officer") {
		t.Errorf("a stranger: %v", err)
	}
	if err := sign("third"); err != nil {
		t.Fatal(err)
	}
	if faults := b.verify(); faults != "" {
		t.Error(faults)
	}
	open := newTable(t, founding)
	c, err := open.open()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Sign(open.officers["first"]); err == nil || !strings.Contains(err.Error(), "there are no minutes") {
		t.Errorf("before the ceremony: %v", err)
	}
}

// A rehearsal shows every step, signs with no key of the plan and writes
// nothing.
func TestRehearse(t *testing.T) {
	b := newTable(t, founding)
	c, err := b.config()
	if err != nil {
		t.Fatal(err)
	}
	scratch := t.TempDir()
	c.Register = func(ctx context.Context) (ceremony.Register, error) {
		opened, err := sqlite.Open(ctx, filepath.Join(scratch, "register.db"))
		return stored{opened}, err
	}
	rehearsal, err := ceremony.New(c)
	if err != nil {
		t.Fatal(err)
	}
	before := tree(t, b.dir)
	if err := rehearsal.Rehearse(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := tree(t, b.dir); after != before {
		t.Errorf("the rehearsal wrote: before\n%s\nafter\n%s", before, after)
	}
	text := b.out.String()
	for _, want := range []string{
		"note: 0 of 2 required officers", "step root would sign:", "Subject: CN=Sınaq Kök", "Extension keyUsage (critical): keyCertSign, cRLSign",
		"Extension basicConstraints (critical): CA true, path length at most 1", "Extension cRLDistributionPoints: http://crl.example/root.crl",
		"step request would sign:", "step list-2 would sign:\nRevocation list", "cessationOfOperation", "sha256 ", "the issuer's key identifier: root is generated",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the rehearsal does not show %q:\n%s", want, text)
		}
	}
}

// tree lists the files of a folder.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	if err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		names = append(names, path)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, "\n")
}

// After the end nothing is signed again; files that were lost come back from
// the minutes, and one that was changed is not overwritten.
func TestAgain(t *testing.T) {
	b := held(t, founding)
	lines := len(b.lines())
	kept := b.read("out/policy.pem")
	os.Remove(b.path("out/policy.pem"))
	b.signed = b.path("signed")
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.read("out/policy.pem"), kept) || len(b.lines()) != lines {
		t.Error("the certificate did not come back as it was")
	}
	if _, err := os.Stat(b.signed); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a key has signed again")
	}
	b.write("out/policy.pem", []byte("other"))
	if err := b.run(); err == nil || !strings.Contains(err.Error(), "another file of that name exists") {
		t.Errorf("got %v", err)
	}
	b.write("out/policy.pem", kept)
	b.write("plan.toml", append(b.read("plan.toml"), '\n'))
	if err := b.run(); err == nil || !strings.Contains(err.Error(), "is not what it was when the ceremony began") {
		t.Errorf("another plan: %v", err)
	}
}

// stamper answers for a time-stamping authority.
type stamper struct{ at time.Time }

func (s stamper) Request(hash [32]byte) ([]byte, error) {
	return append([]byte("please "), hash[:]...), nil
}

func (s stamper) Check(hash [32]byte, request, response []byte, roots []*x509.Certificate) (time.Time, error) {
	if want := append([]byte("please "), hash[:]...); !bytes.Equal(request, want) || !bytes.Equal(response, append([]byte("stamped "), want...)) || len(roots) != 1 {
		return time.Time{}, errors.New("it is no stamp of this request")
	}
	return s.at, nil
}

func TestTimestamp(t *testing.T) {
	text := strings.Replace(founding, `seal = "seal"`, "seal = \"seal\"\ntimestamp = { request = \"time/q\", response = \"time/r\", roots = \"out/root.pem\" }", 1)
	b := newTable(t, text)
	b.stamps = stamper{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	b.confirm("first", "second")
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	request := b.read("time/q")
	if faults := b.verify(); faults != "" {
		t.Error(faults)
	}
	b.write("time/r", append([]byte("stamped "), 'x'))
	if err := b.run(); err == nil || !strings.Contains(err.Error(), "no stamp of this request") {
		t.Errorf("a wrong answer: %v", err)
	}
	b.write("time/r", append([]byte("stamped "), request...))
	for range 2 {
		if err := b.run(); err != nil {
			t.Fatal(err)
		}
	}
	lines := b.lines()
	if last := lines[len(lines)-1]; last.Event != "stamp" || !strings.Contains(last.Text, "2026-01-02 03:04:05 UTC") {
		t.Errorf("the last line is %q: %s", last.Event, last.Text)
	}
	if faults := b.verify(); faults != "" {
		t.Error(faults)
	}
	b.stamps = stamper{time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)}
	if faults := b.verify(); !strings.Contains(faults, "the time-stamp is of") {
		t.Errorf("another time: %q", faults)
	}
}

// One process at a time carries out a ceremony.
func TestTwoAtOnce(t *testing.T) {
	b := newTable(t, founding)
	b.confirm("first", "second")
	var second error
	b.reached = func(point string) {
		if point == "begun " {
			other := &table{t: t, dir: b.dir, officers: b.officers}
			second = other.run()
		}
	}
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	if second == nil || !strings.Contains(second.Error(), "another process has them open") {
		t.Errorf("got %v", second)
	}
	if faults := b.verify(); faults != "" {
		t.Error(faults)
	}
}

// FuzzMinutes: what parses is written as the same octets.
func FuzzMinutes(f *testing.F) {
	l := ceremony.Line{Seq: 1, At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Event: "opened", Text: "ə", Data: []byte{1}}
	l.Hash = ceremony.Digest(l)
	encoded, err := json.Marshal(l)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(encoded, '\n'))
	f.Add([]byte("{}\n"))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, in []byte) {
		lines, err := ceremony.ParseMinutes(in)
		if err != nil {
			return
		}
		var out []byte
		for _, l := range lines {
			encoded, err := json.Marshal(l)
			if err != nil {
				t.Fatal(err)
			}
			out = append(append(out, encoded...), '\n')
		}
		if !bytes.Equal(in, out) {
			t.Errorf("%q was read but became %q", in, out)
		}
		_ = ceremony.Text(lines)
	})
}

// FuzzConfirmation: no text makes the parser panic, and no name hides a line's
// end, which would let one statement pass for another.
func FuzzConfirmation(f *testing.F) {
	f.Add([]byte(`{"ceremony":"a","plan":"b","officer":"c","at":"2026-01-02T03:04:05Z","signature":"AA=="}`))
	f.Add([]byte(`{"ceremony":"a\nb"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		c, err := ceremony.DecodeConfirm(in)
		if err == nil && strings.ContainsAny(c.Ceremony+c.Plan+c.Officer, "\r\n") {
			t.Errorf("%q has a line's end in a name", in)
		}
	})
}
