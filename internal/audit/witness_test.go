package audit_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/altamga/altamga/internal/audit"
)

// witness returns a partner with an empty memory.
func witness(t testing.TB, name string) audit.Witness {
	t.Helper()
	seed := bytes.Repeat([]byte(name[:1]), ed25519.SeedSize)
	key, err := audit.NewCosigner(name, ed25519.NewKeyFromSeed(seed))
	if err != nil {
		t.Fatal(err)
	}
	public, err := audit.ParseKey(signer().Public())
	if err != nil {
		t.Fatal(err)
	}
	return audit.Witness{Log: public, Key: key, Memory: t.TempDir() + "/memory"}
}

// request is what the log sends to a witness.
func request(t testing.TB, contents []byte, old int64, at *audit.Checkpoint) []byte {
	t.Helper()
	file, err := audit.ProveConsistency(bytes.NewReader(contents), signer(), old, at)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestWitness(t *testing.T) {
	contents, kept := grown(t, 8)
	t.Run("signs a log that goes on, and again what it signed", func(t *testing.T) {
		w := witness(t, "partner.example/w")
		public, err := audit.ParseKey(w.Key.Public())
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range [][2]int64{{0, 0}, {0, 3}, {3, 3}, {3, 4}, {4, 8}} {
			signed, err := w.Cosign(request(t, contents, step[0], &kept[step[1]]))
			if err != nil {
				t.Fatalf("%d: %v", step, err)
			}
			c, err := audit.ParseCheckpoint(signed, signer(), public)
			if err != nil || c.Size != step[1] || c.Root != kept[step[1]].Root {
				t.Errorf("%d: %+v, %v", step, c, err)
			}
		}
	})
	t.Run("G5 refuses a forked log, and remembers over restarts", func(t *testing.T) {
		w := witness(t, "partner.example/w")
		if _, err := w.Cosign(request(t, contents, 0, &kept[4])); err != nil {
			t.Fatal(err)
		}
		remembered := read(t, w.Memory)
		fork, forked := grown(t, 8)
		for name, file := range map[string][]byte{
			"a fork that goes on":       request(t, fork, 4, nil),
			"a fork of the same size":   request(t, fork, 4, &forked[4]),
			"a fork from the beginning": request(t, fork, 0, nil),
			"an earlier checkpoint":     request(t, contents, 2, &kept[3]),
			"a log from the beginning":  request(t, contents, 0, nil),
			"a proof of an entry":       func() []byte { p, _ := audit.ProveEntry(bytes.NewReader(contents), signer(), 3, nil); return p }(),
			"a checkpoint alone":        kept[5].Note,
			"nothing":                   nil,
			"a proof to another checkpoint": append(bytes.Clone(request(t, contents, 4, &kept[8])[:bytes.Index(request(t, contents, 4, &kept[8]), []byte("\n\n"))+2]),
				kept[7].Note...),
		} {
			if signed, err := w.Cosign(file); err == nil {
				t.Errorf("%s was signed: %s", name, signed)
			}
		}
		if _, err := w.Cosign(request(t, fork, 4, nil)); !strings.Contains(err.Error(), "forked") {
			t.Errorf("a fork is refused with %v", err)
		}
		behind, ok := errors.AsType[*audit.Behind](func() error { _, err := w.Cosign(request(t, contents, 0, nil)); return err }())
		if !ok || behind.Size != 4 || !strings.Contains(behind.Hint(), "--since 4") {
			t.Errorf("a request that begins too early is refused with %v", behind)
		}
		if !bytes.Equal(read(t, w.Memory), remembered) {
			t.Error("a refusal changed the memory")
		}
		if _, err := w.Cosign(request(t, contents, 4, nil)); err != nil {
			t.Errorf("the log itself is refused: %v", err)
		}
	})
	t.Run("a crash while remembering, a memory that was altered", func(t *testing.T) {
		w := witness(t, "partner.example/w")
		if _, err := w.Cosign(request(t, contents, 0, &kept[4])); err != nil {
			t.Fatal(err)
		}
		whole := read(t, w.Memory)
		if err := os.WriteFile(w.Memory, append(bytes.Clone(whole), whole[:20]...), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Cosign(request(t, contents, 4, nil)); err != nil {
			t.Errorf("after a crash: %v", err)
		}
		if err := os.WriteFile(w.Memory, bytes.Replace(whole, []byte(`\n4\n`), []byte(`\n0\n`), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Cosign(request(t, contents, 0, nil)); err == nil {
			t.Error("an altered memory was believed")
		}
	})
	t.Run("of two requests at once one is refused or both are in order", func(t *testing.T) {
		w := witness(t, "partner.example/w")
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() { w.Cosign(request(t, contents, 0, &kept[i+1])) })
		}
		all.Wait()
		if n := bytes.Count(read(t, w.Memory), []byte("\n")); n != 1 {
			t.Errorf("%d checkpoints were signed as the first", n)
		}
	})
}

func TestCosignatures(t *testing.T) {
	contents, _ := grown(t, 5)
	var files [][]byte
	var publics []note.Verifier
	for _, name := range []string{"az.example/w", "tr.example/w"} {
		w := witness(t, name)
		signed, err := w.Cosign(request(t, contents, 0, nil))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, signed)
		publics = append(publics, w.Key)
	}
	merged, err := audit.MergeCheckpoints(files...)
	if err != nil {
		t.Fatal(err)
	}
	c, err := audit.ParseCheckpoint(merged, signer(), publics...)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("all witnesses that are asked for must have signed", func(t *testing.T) {
		if _, err := audit.ParseCheckpoint(files[0], signer(), publics...); err == nil || !strings.Contains(err.Error(), "tr.example") {
			t.Errorf("error %v", err)
		}
		unknown, err := audit.ParseCheckpoint(merged, signer(), publics[0])
		if err != nil || len(unknown.Unknown) != 1 || unknown.Unknown[0] != "tr.example/w" {
			t.Errorf("%+v, %v", unknown, err)
		}
	})
	t.Run("a proof carries the cosignatures", func(t *testing.T) {
		proof, err := audit.ProveEntry(bytes.NewReader(contents), signer(), 2, &c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := audit.CheckProof(proof, signer(), nil, publics...); err != nil {
			t.Error(err)
		}
		bare, _ := audit.ProveEntry(bytes.NewReader(contents), signer(), 2, nil)
		if _, err := audit.CheckProof(bare, signer(), nil, publics...); err == nil {
			t.Error("a proof without cosignatures was accepted")
		}
	})
	t.Run("G5 every changed octet of a checkpoint and its cosignatures is found", func(t *testing.T) {
		flipAll(t, merged, func(altered []byte) error {
			_, err := audit.ParseCheckpoint(altered, signer(), publics...)
			return err
		})
	})
	t.Run("another log's checkpoints do not merge", func(t *testing.T) {
		_, kept := grown(t, 5)
		if _, err := audit.MergeCheckpoints(merged, kept[5].Note); err == nil {
			t.Error("they do")
		}
	})
}
