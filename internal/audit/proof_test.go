package audit_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/altamga/altamga/internal/audit"
)

// The library that the Go checksum database is checked with reads our
// checkpoints and public keys, and comes to the same tree.
func TestCheckpointFormat(t *testing.T) {
	_, contents := written(t, 6)
	c := checkpointOf(t, contents)
	theirs, err := note.NewVerifier(signer().Public())
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(c.Note, note.VerifierList(theirs))
	if err != nil {
		t.Fatal(err)
	}
	var hashes []tlog.Hash
	read := tlog.HashReaderFunc(func(indexes []int64) (found []tlog.Hash, _ error) {
		for _, i := range indexes {
			found = append(found, hashes[i])
		}
		return found, nil
	})
	size := int64(0)
	for line := range bytes.Lines(contents) {
		if bytes.HasPrefix(line, []byte(`{"seq":`)) {
			more, err := tlog.StoredHashes(size, line, read)
			if err != nil {
				t.Fatal(err)
			}
			hashes = append(hashes, more...)
			size++
		}
	}
	root, err := tlog.TreeHash(size, read)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("log.example/audit\n6\n%s\n", root); n.Text != want {
		t.Errorf("checkpoint %q, want %q", n.Text, want)
	}
}

func TestProveEntry(t *testing.T) {
	for size := 1; size <= 17; size++ {
		_, contents := written(t, size)
		lines := bytes.SplitAfter(contents, []byte("\n"))
		for seq := 1; seq <= size; seq++ {
			proof, err := audit.ProveEntry(bytes.NewReader(contents), signer(), int64(seq), nil)
			if err != nil {
				t.Fatalf("entry %d of %d: %v", seq, size, err)
			}
			got, err := audit.CheckProof(proof, signer(), nil)
			if err != nil {
				t.Fatalf("entry %d of %d: %v", seq, size, err)
			}
			if !bytes.Equal(got.Line, lines[seq]) || got.Checkpoint.Size != int64(size) {
				t.Errorf("entry %d of %d: %+v", seq, size, got)
			}
		}
	}
	_, contents := written(t, 5)
	t.Run("G5 every changed octet of a proof is found", func(t *testing.T) {
		proof, err := audit.ProveEntry(bytes.NewReader(contents), signer(), 3, nil)
		if err != nil {
			t.Fatal(err)
		}
		flipAll(t, proof, func(altered []byte) error {
			_, err := audit.CheckProof(altered, signer(), nil)
			return err
		})
	})
	t.Run("forged proofs", func(t *testing.T) {
		proof, err := audit.ProveEntry(bytes.NewReader(contents), signer(), 3, nil)
		if err != nil {
			t.Fatal(err)
		}
		other, _ := audit.ProveEntry(bytes.NewReader(contents), signer(), 4, nil)
		extra := func(p []byte) string { return strings.Split(string(p), "\n")[1] }
		lie := "extra " + base64.StdEncoding.EncodeToString([]byte(`{"seq":3,"time":"2026-11-22T10:00:00Z","action":"lie","attrs":{},"prev":"`+strings.Repeat("0", 64)+`"}`+"\n"))
		hash := tlog.Hash{1}.String()
		for name, forged := range map[string]string{
			"another entry":             strings.Replace(string(proof), extra(proof), extra(other), 1),
			"an invented entry":         strings.Replace(string(proof), extra(proof), lie, 1),
			"another number":            strings.Replace(string(proof), "index 2", "index 3", 1),
			"a number outside":          strings.Replace(string(proof), "index 2", "index 5", 1),
			"a negative number":         strings.Replace(string(proof), "index 2", "index -2", 1),
			"a number with a zero":      strings.Replace(string(proof), "index 2", "index 02", 1),
			"one hash more":             strings.Replace(string(proof), "index 2\n", "index 2\n"+hash+"\n", 1),
			"no hashes":                 string(proof[:bytes.Index(proof, []byte("index 2\n"))]) + "index 2\n\n" + string(proof[bytes.Index(proof, []byte("\n\n"))+2:]),
			"far too many hashes":       strings.Replace(string(proof), "index 2\n", "index 2\n"+strings.Repeat(hash+"\n", 100), 1),
			"a node in place of a leaf": "c2sp.org/tlog-proof@v1\nextra " + base64.StdEncoding.EncodeToString(make([]byte, 64)) + "\nindex 0\n\n" + string(checkpointOf(t, contents).Note),
			"no checkpoint":             string(proof[:bytes.Index(proof, []byte("\n\n"))+2]),
			"nothing":                   "",
		} {
			if got, err := audit.CheckProof([]byte(forged), signer(), nil); err == nil {
				t.Errorf("%s: taken for %+v", name, got)
			}
		}
	})
	t.Run("what cannot be proven", func(t *testing.T) {
		for _, seq := range []int64{-1, 0, 6} {
			if _, err := audit.ProveEntry(bytes.NewReader(contents), signer(), seq, nil); err == nil {
				t.Errorf("entry %d", seq)
			}
		}
		altered := bytes.Replace(contents, []byte(`"n":4`), []byte(`"n":5`), 1)
		if _, err := audit.ProveEntry(bytes.NewReader(altered), signer(), 1, nil); err == nil {
			t.Error("a broken log gave a proof")
		}
	})
}

// flipAll flips every bit of a file and wants check to see it.
func flipAll(t *testing.T, file []byte, check func([]byte) error) {
	t.Helper()
	if err := check(file); err != nil {
		t.Fatal(err)
	}
	for i := range file {
		for bit := range 8 {
			altered := bytes.Clone(file)
			altered[i] ^= 1 << bit
			if check(altered) == nil {
				t.Fatalf("octet %d (%q), bit %d was not found", i, file[i], bit)
			}
		}
	}
}

// grown returns a log that was closed after every one of n entries, and the
// checkpoints of 0 to n.
func grown(t testing.TB, n int) (contents []byte, kept []audit.Checkpoint) {
	t.Helper()
	path := name(t)
	for i := range n + 1 {
		l := open(t, path)
		if i > 0 {
			if err := l.Append(t.Context(), "act"); err != nil {
				t.Fatal(err)
			}
		}
		l.Close()
		contents = read(t, path)
		kept = append(kept, checkpointOf(t, contents))
	}
	return contents, kept
}

func TestProveConsistency(t *testing.T) {
	contents, kept := grown(t, 9)
	for old := range kept {
		for now := old; now < len(kept); now++ {
			proof, err := audit.ProveConsistency(bytes.NewReader(contents), signer(), int64(old), &kept[now])
			if err != nil {
				t.Fatalf("%d to %d: %v", old, now, err)
			}
			got, err := audit.CheckProof(proof, signer(), &kept[old])
			if err != nil || got.Checkpoint.Size != int64(now) || got.Old != int64(old) {
				t.Errorf("%d to %d: %+v, %v", old, now, got, err)
			}
			for wrong := range kept {
				if wrong != old {
					if _, err := audit.CheckProof(proof, signer(), &kept[wrong]); err == nil {
						t.Errorf("%d to %d was taken for %d to %[2]d", old, now, wrong)
					}
				}
			}
		}
	}
	t.Run("G5 every changed octet of a proof is found", func(t *testing.T) {
		proof, err := audit.ProveConsistency(bytes.NewReader(contents), signer(), 3, nil)
		if err != nil {
			t.Fatal(err)
		}
		flipAll(t, proof, func(altered []byte) error {
			_, err := audit.CheckProof(altered, signer(), &kept[3])
			return err
		})
	})
	t.Run("G5 a forked log has no proof", func(t *testing.T) {
		fork, forked := grown(t, 9)
		proof, err := audit.ProveConsistency(bytes.NewReader(fork), signer(), 3, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := audit.CheckProof(proof, signer(), &kept[3]); err == nil || !strings.Contains(err.Error(), "forked") {
			t.Errorf("error %v", err)
		}
		if _, err := audit.ProveConsistency(bytes.NewReader(fork), signer(), 3, &kept[5]); err == nil {
			t.Error("a proof to the other log's checkpoint")
		}
		same, _ := audit.ProveConsistency(bytes.NewReader(fork), signer(), 9, nil)
		if _, err := audit.CheckProof(same, signer(), &kept[9]); err == nil {
			t.Error("two trees of one size were taken for one")
		}
		if forked[9].Root == kept[9].Root {
			t.Error("the fork is none")
		}
	})
	t.Run("the earlier checkpoint is needed", func(t *testing.T) {
		proof, _ := audit.ProveConsistency(bytes.NewReader(contents), signer(), 3, nil)
		if _, err := audit.CheckProof(proof, signer(), nil); err == nil {
			t.Error("checked against nothing")
		}
		for _, old := range []int64{-1, 10} {
			if _, err := audit.ProveConsistency(bytes.NewReader(contents), signer(), old, nil); err == nil {
				t.Errorf("a proof from %d", old)
			}
		}
	})
}

func FuzzProof(f *testing.F) {
	contents := read(f, "testdata/five.log")
	lines := bytes.SplitAfter(contents, []byte("\n"))
	entry, err := audit.ProveEntry(bytes.NewReader(contents), signer(), 3, nil)
	if err != nil {
		f.Fatal(err)
	}
	// The log up to its checkpoint of four entries.
	earlier := checkpointOf(f, bytes.Join(lines[:7], nil))
	consistency, err := audit.ProveConsistency(bytes.NewReader(contents), signer(), 4, nil)
	if err != nil {
		f.Fatal(err)
	}
	last := checkpointOf(f, contents)
	f.Add(entry)
	f.Add(consistency)
	f.Add(earlier.Note)
	f.Add(last.Note)
	f.Fuzz(func(t *testing.T, file []byte) {
		if p, err := audit.CheckProof(file, signer(), &earlier); err == nil {
			switch {
			case p.Line != nil && !bytes.Contains(contents, p.Line):
				t.Errorf("%q was proven", p.Line)
			case p.Line == nil && p.Old != 4:
				t.Errorf("it was proven that the log goes on from %d entries", p.Old)
			}
		}
		if c, err := audit.ParseCheckpoint(file, signer()); err == nil && c.Root != earlier.Root && c.Root != last.Root {
			t.Errorf("checkpoint %+v", c)
		}
	})
}
