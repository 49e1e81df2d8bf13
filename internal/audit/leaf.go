package audit

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/tlog"
)

// What a log of something else than lines builds on: the same tree, the same
// checkpoints and the same proof files, over leaves of its own.

// Tree is the right edge of a Merkle tree (RFC 6962, Section 2.1): all that is
// needed to append to it and to sign its root. Its zero value is the empty tree.
type Tree struct{ tree }

// NewTree returns a tree of that size with that edge, which [Tree.Edge] gave.
func NewTree(size int64, edge []tlog.Hash) (*Tree, error) {
	t := &Tree{tree{size: size, edge: append([]tlog.Hash(nil), edge...)}}
	if !t.fits() {
		return nil, fmt.Errorf("a tree of %d leaves has another edge", size)
	}
	return t, nil
}

// Add appends a leaf. Completed, unless nil, is given every node that it
// completes and its index in tlog's order.
func (t *Tree) Add(leaf []byte, completed func(index int64, node tlog.Hash)) {
	t.add(tlog.RecordHash(leaf), completed)
}

// Size returns the number of leaves.
func (t *Tree) Size() int64 { return t.size }

// Edge returns the roots of the complete subtrees, the largest first.
func (t *Tree) Edge() []tlog.Hash { return append([]tlog.Hash{}, t.edge...) }

// Equal reports whether both are the same tree.
func (t *Tree) Equal(other *Tree) bool { return t.size == other.size && t.root() == other.root() }

// Sign returns the signed checkpoint as a line of JSON, which also holds the
// edge. [ParseSigned] reads it.
func (t *Tree) Sign(key *Signer) (Checkpoint, []byte, error) {
	c, err := t.sign(key)
	if err != nil {
		return c, nil, err
	}
	line, err := t.line(c)
	return c, line, err
}

// ParseSigned reads what [Tree.Sign] writes: the checkpoint and the tree.
func ParseSigned(line []byte, key Verifier) (Checkpoint, *Tree, error) {
	c, t, err := parseCheckpointLine(line, key)
	if err != nil {
		return c, nil, fmt.Errorf("reading signed root: %w", err)
	}
	return c, &Tree{*t}, nil
}

// LeafProof writes a file that proves that a leaf is in the tree of a
// checkpoint (c2sp.org/tlog-proof; its extra data is the leaf).
func LeafProof(leaf []byte, index int64, hashes []tlog.Hash, c Checkpoint) []byte {
	b := new(bytes.Buffer)
	fmt.Fprintf(b, "%sextra %s\nindex %d\n", proofMark, base64.StdEncoding.EncodeToString(leaf), index)
	return appendProof(b, hashes, c)
}

// CheckLeaf checks a file of [LeafProof] against the log's public key, and the
// cosignatures of the witnesses, all of which must be there. It returns the leaf,
// its index and the checkpoint.
func CheckLeaf(file []byte, key Verifier, witnesses ...Verifier) (leaf []byte, index int64, c Checkpoint, err error) {
	f, err := parseProof(file)
	if err == nil && f.line == nil {
		err = errors.New("it proves no leaf")
	}
	if err == nil {
		c, err = parseCheckpoint(f.note, key, witnesses)
	}
	if err != nil {
		return nil, 0, c, fmt.Errorf("checking proof: %w", err)
	}
	if f.number >= c.Size || tlog.CheckRecord(f.hashes, c.Size, c.Root, f.number, tlog.RecordHash(f.line)) != nil {
		return nil, 0, c, fmt.Errorf("checking proof: it is not number %d of the %d that the checkpoint was signed for", f.number+1, c.Size)
	}
	return f.line, f.number, c, nil
}

// LockFile keeps other processes out of a file until it is closed.
func LockFile(f *os.File) error { return lock(f) }

// SyncFile makes what was written to a file durable.
func SyncFile(f *os.File) error { return datasync(f) }

// Root returns the hash of the whole tree.
func (t *Tree) Root() tlog.Hash { return t.root() }
