package audit

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	// proofMark begins an inclusion proof (c2sp.org/tlog-proof).
	proofMark = "c2sp.org/tlog-proof@v1\n"
	// maxHashes bounds the hashes of a proof: more than the levels of any tree.
	maxHashes = 63
)

// Proof is what a proof file proves.
type Proof struct {
	// Checkpoint is the signed tree that the proof leads to.
	Checkpoint Checkpoint
	// Line is the entry that is in the log, with its newline; nil for a proof
	// of consistency.
	Line []byte
	// Old is how many entries the earlier checkpoint has that the tree goes on
	// from, for a proof of consistency.
	Old int64
}

// ProveEntry returns a file that proves that entry seq is in the log, to
// whoever has the log's public key (c2sp.org/tlog-proof; its extra data is the
// entry's line). The proof leads to at, or to the log's last checkpoint when
// at is nil. The log is verified on the way: none that is not whole gives
// proofs.
func ProveEntry(log io.ReadSeeker, key Verifier, seq int64, at *Checkpoint) ([]byte, error) {
	var line []byte
	c, err := provable(log, key, at, func(e Entry) error {
		if e.Seq == uint64(seq) {
			line = bytes.Clone(e.Line)
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("proving entry %d: %w", seq, err)
	case seq < 1 || seq > c.Size:
		return nil, fmt.Errorf("proving entry %d: the checkpoint covers entries 1 to %d", seq, c.Size)
	}
	hashes, err := prove(log, c.Size, func(r tlog.HashReader) ([]tlog.Hash, error) {
		p, err := tlog.ProveRecord(c.Size, seq-1, r)
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("proving entry %d: %w", seq, err)
	}
	b := new(bytes.Buffer)
	fmt.Fprintf(b, "%sextra %s\nindex %d\n", proofMark, base64.StdEncoding.EncodeToString(line), seq-1)
	return appendProof(b, hashes, c), nil
}

// ProveConsistency returns a file that proves that the log goes on from an
// earlier checkpoint of old entries: that none of them was altered or removed.
// It leads to at, or to the log's last checkpoint when at is nil. The file is what
// a witness asks for (c2sp.org/tlog-witness).
func ProveConsistency(log io.ReadSeeker, key Verifier, old int64, at *Checkpoint) ([]byte, error) {
	c, err := provable(log, key, at, nil)
	switch {
	case err != nil:
		return nil, fmt.Errorf("proving consistency: %w", err)
	case old < 0 || old > c.Size:
		return nil, fmt.Errorf("proving consistency: the checkpoint is of %d entries, which do not go on from %d", c.Size, old)
	}
	var hashes []tlog.Hash
	if old > 0 && old < c.Size {
		hashes, err = prove(log, c.Size, func(r tlog.HashReader) ([]tlog.Hash, error) {
			p, err := tlog.ProveTree(c.Size, old, r)
			return p, err
		})
		if err != nil {
			return nil, fmt.Errorf("proving consistency: %w", err)
		}
	}
	b := new(bytes.Buffer)
	fmt.Fprintf(b, "old %d\n", old)
	return appendProof(b, hashes, c), nil
}

func appendProof(b *bytes.Buffer, hashes []tlog.Hash, c Checkpoint) []byte {
	for _, h := range hashes {
		fmt.Fprintln(b, h)
	}
	b.WriteByte('\n')
	b.Write(c.Note)
	return b.Bytes()
}

// provable verifies the log and returns the checkpoint that a proof leads to.
func provable(log io.ReadSeeker, key Verifier, at *Checkpoint, entry func(Entry) error) (Checkpoint, error) {
	if _, err := log.Seek(0, io.SeekStart); err != nil {
		return Checkpoint{}, err
	}
	check := Check{Key: key, Entry: entry}
	if at != nil {
		check.Against = []Checkpoint{*at}
	}
	report, err := check.Verify(log)
	switch {
	case err != nil && !(Unfinished(err) && report.Checkpoints > 0):
		return Checkpoint{}, err
	case at != nil:
		return *at, nil
	case report.Checkpoints == 0:
		return Checkpoint{}, errors.New("the log has no checkpoint")
	}
	return report.Last, nil
}

// prove makes a proof in the tree of a log's first size entries. It learns
// first which nodes the proof needs and keeps only those on a walk over the log.
func prove(log io.ReadSeeker, size int64, proof func(tlog.HashReader) ([]tlog.Hash, error)) ([]tlog.Hash, error) {
	needed := make(map[int64]tlog.Hash)
	learn := errors.New("learning")
	_, err := proof(tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		for _, i := range indexes {
			needed[i] = tlog.Hash{}
		}
		return nil, learn
	}))
	if err != nil && !errors.Is(err, learn) {
		return nil, err
	}
	if err := nodes(log, size, needed); err != nil {
		return nil, err
	}
	return proof(tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for k, i := range indexes {
			hashes[k] = needed[i]
		}
		return hashes, nil
	}))
}

// nodes fills in the needed nodes of the tree of a log's first size entries.
func nodes(log io.ReadSeeker, size int64, needed map[int64]tlog.Hash) error {
	if _, err := log.Seek(0, io.SeekStart); err != nil {
		return err
	}
	t := new(tree)
	enough := errors.New("enough")
	err := eachLine(log, func(line []byte) error {
		if t.size == size {
			return enough
		}
		if !bytes.HasPrefix(line, []byte(checkpointMark)) {
			t.add(tlog.RecordHash(line), func(index int64, node tlog.Hash) {
				if _, ok := needed[index]; ok {
					needed[index] = node
				}
			})
		}
		return nil
	})
	if t.size == size {
		return nil
	}
	return err
}

// CheckProof checks a proof file against the public key of the log, and the
// cosignatures of the witnesses, all of which must be there. A proof of
// consistency is held against the earlier checkpoint, old; one of inclusion
// does not need it.
func CheckProof(file []byte, key Verifier, old *Checkpoint, witnesses ...Verifier) (Proof, error) {
	p, err := checkProof(file, key, old, witnesses)
	if err != nil {
		return Proof{}, fmt.Errorf("checking proof: %w", err)
	}
	return p, nil
}

func checkProof(file []byte, key Verifier, old *Checkpoint, witnesses []Verifier) (p Proof, err error) {
	f, err := parseProof(file)
	if err != nil {
		return p, err
	}
	c, err := parseCheckpoint(f.note, key, witnesses)
	if err != nil {
		return p, fmt.Errorf("its checkpoint: %w", err)
	}
	p = Proof{Checkpoint: c, Line: f.line, Old: f.number}
	if f.line == nil {
		if old == nil {
			return p, errors.New("it is one of consistency, and the earlier checkpoint is not given")
		}
		return p, consistent(*old, c, f)
	}
	p.Old = 0
	entry, err := parseLine(bytes.TrimSuffix(f.line, []byte("\n")))
	if err != nil || !bytes.HasSuffix(f.line, []byte("\n")) {
		return p, errors.New("its extra data is not an entry of an audit log")
	}
	if f.number >= c.Size || entry.Seq != uint64(f.number)+1 ||
		tlog.CheckRecord(f.hashes, c.Size, c.Root, f.number, tlog.RecordHash(f.line)) != nil {
		return p, fmt.Errorf("the entry is not number %d of the %d that the checkpoint was signed for", f.number+1, c.Size)
	}
	return p, nil
}

// consistent checks that a tree goes on from an earlier one.
func consistent(old, c Checkpoint, f proofFile) error {
	forked := fmt.Errorf("the log was forked: its %d entries do not go on from the %d of the earlier checkpoint", c.Size, old.Size)
	switch {
	case old.Size > c.Size:
		return fmt.Errorf("its checkpoint is of %d entries, fewer than the %d of the earlier one", c.Size, old.Size)
	case old.Size != f.number:
		return fmt.Errorf("it goes on from %d entries, and the earlier checkpoint is of %d", f.number, old.Size)
	case old.Origin != c.Origin:
		return errors.New("the checkpoints are of two logs")
	case old.Size == 0 || old.Size == c.Size:
		empty, _ := tlog.TreeHash(0, nil)
		if len(f.hashes) > 0 || old.Size == c.Size && old.Root != c.Root || old.Size == 0 && old.Root != empty {
			return forked
		}
		return nil
	}
	if tlog.CheckTree(f.hashes, c.Size, c.Root, old.Size, old.Root) != nil {
		return forked
	}
	return nil
}

// proofFile is a proof file in its parts.
type proofFile struct {
	line   []byte // nil for one of consistency
	number int64  // the entry's index, or the earlier size
	hashes []tlog.Hash
	note   []byte
}

// parseProof reads both kinds of proof. Every octet counts: no two files are
// the same proof.
func parseProof(file []byte) (f proofFile, err error) {
	malformed := errors.New("it is not a proof file")
	head, checkpoint, ok := strings.Cut(string(file), "\n\n")
	if !ok || len(file) > 4*maxLine {
		return f, malformed
	}
	f.note = []byte(checkpoint)
	number := "old "
	if rest, ok := strings.CutPrefix(head, proofMark+"extra "); ok {
		var extra string
		extra, head, _ = strings.Cut(rest, "\n")
		if f.line, err = base64.StdEncoding.Strict().DecodeString(extra); err != nil || strings.Contains(extra, "\r") || len(f.line) == 0 {
			return f, malformed
		}
		number = "index "
	}
	first, rest, more := strings.Cut(head, "\n")
	digits, ok := strings.CutPrefix(first, number)
	f.number, err = strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || f.number < 0 || strconv.FormatInt(f.number, 10) != digits {
		return f, malformed
	}
	if !more {
		return f, nil
	}
	for _, line := range strings.Split(rest, "\n") {
		h, err := parseHash(line, nil)
		if err != nil || len(f.hashes) == maxHashes {
			return f, malformed
		}
		f.hashes = append(f.hashes, h)
	}
	return f, nil
}
