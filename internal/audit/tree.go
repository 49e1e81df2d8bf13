package audit

import (
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// tree is the right edge of the Merkle tree over a log's entries (RFC 6962,
// Section 2.1): all that is needed to append to it and to tell its root. Its
// zero value is the empty tree.
type tree struct {
	size int64
	// edge holds the roots of the complete subtrees that the size is the sum
	// of, the largest first.
	edge []tlog.Hash
}

// add appends a leaf. completed, unless nil, is given every node that the leaf
// completes and its index in tlog's order, the leaf itself first.
func (t *tree) add(leaf tlog.Hash, completed func(index int64, node tlog.Hash)) {
	node := leaf
	for level := 0; ; level++ {
		if completed != nil {
			completed(tlog.StoredHashIndex(level, t.size>>level), node)
		}
		if t.size>>level&1 == 0 {
			break
		}
		last := len(t.edge) - 1
		node = tlog.NodeHash(t.edge[last], node)
		t.edge = t.edge[:last]
	}
	t.edge = append(t.edge, node)
	t.size++
}

// root returns the hash of the whole tree.
func (t *tree) root() tlog.Hash {
	if t.size == 0 {
		empty, _ := tlog.TreeHash(0, nil)
		return empty
	}
	last := len(t.edge) - 1
	root := t.edge[last]
	for _, left := range slices.Backward(t.edge[:last]) {
		root = tlog.NodeHash(left, root)
	}
	return root
}

// clone returns a tree that can grow without t.
func (t *tree) clone() *tree { return &tree{size: t.size, edge: slices.Clone(t.edge)} }

// fits reports whether an edge can be that of a tree of its size.
func (t *tree) fits() bool { return t.size >= 0 && len(t.edge) == bits.OnesCount64(uint64(t.size)) }
