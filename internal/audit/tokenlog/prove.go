package tokenlog

import (
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/altamga/altamga/internal/audit"
)

// ErrUnsigned says that a token is in the journal and that no root covers it
// yet.
var ErrUnsigned = errors.New("no signed root covers the token yet")

// Prove returns a file that proves that a token is in the journal, to whoever
// has the journal's public key (c2sp.org/tlog-proof; its extra data is the
// record). It leads to the last signed root of the token's day. The error wraps
// [fs.ErrNotExist] when no token of this serial number, time and statement is
// there, and [ErrUnsigned] when it is too young.
func Prove(dir string, key audit.Verifier, want Record) ([]byte, error) {
	file, err := prove(dir, key, want)
	if err != nil {
		return nil, fmt.Errorf("proving token %x: %w", want.Serial, err)
	}
	return file, nil
}

func prove(dir string, key audit.Verifier, want Record) ([]byte, error) {
	all, err := days(dir)
	if err != nil {
		return nil, err
	}
	// The file's day is that of the write, which midnight may have come before; or
	// an earlier one, which goes on as long as the key does not sign its root.
	day := want.Time.UTC().Format(dayForm)
	candidates := []string{day, want.Time.UTC().Add(24 * time.Hour).Format(dayForm)}
	if at, _ := slices.BinarySearch(all, day); at > 0 {
		candidates = append(candidates, all[at-1])
	}
	for _, day := range candidates {
		index, octets, err := find(dir, day, want)
		if missing(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		root, _, err := readRoot(dir, day, key)
		if missing(err) || err == nil && index >= root.Size {
			return nil, ErrUnsigned
		}
		if err != nil {
			return nil, err
		}
		hashes, err := path(dir, day, index, root.Size)
		if err != nil {
			return nil, err
		}
		file := audit.LeafProof(octets, index, hashes, root)
		// A journal that was altered proves nothing.
		if _, err := CheckProof(file, key); err != nil {
			return nil, fmt.Errorf("the journal contradicts its root: %w", err)
		}
		return file, nil
	}
	return nil, fmt.Errorf("it is not in the journal: %w", fs.ErrNotExist)
}

// find looks for a record in a day's file.
func find(dir, day string, want Record) (index int64, octets []byte, err error) {
	_, _, _, err = scan(dir, day, visit{record: func(r Record, raw []byte, before *audit.Tree) error {
		if r.Serial != want.Serial || r.Statement != want.Statement {
			return nil
		}
		index, octets = before.Size(), append(octets, raw...)
		return errEnough
	}})
	if err == nil && octets == nil {
		err = fs.ErrNotExist
	}
	return index, octets, err
}

// path returns the hashes that lead from a record to the root of a tree. It
// learns first which nodes are needed: those that lie before the day are its
// header's edge, as every node beside the way to a record of this day is.
func path(dir, day string, index, size int64) ([]tlog.Hash, error) {
	needed := make(map[int64]tlog.Hash)
	learn := errors.New("learning")
	_, err := tlog.ProveRecord(size, index, tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		for _, i := range indexes {
			needed[i] = tlog.Hash{}
		}
		return nil, learn
	}))
	if err != nil && !errors.Is(err, learn) {
		return nil, err
	}
	keep := func(index int64, node tlog.Hash) {
		if _, ok := needed[index]; ok {
			needed[index] = node
		}
	}
	_, _, _, err = scan(dir, day, visit{
		header: func(h header) error {
			at := int64(0)
			for _, node := range h.Edge {
				level := bits.Len64(uint64(h.Size-at)) - 1
				keep(tlog.StoredHashIndex(level, at>>level), node)
				at += 1 << level
			}
			return nil
		},
		record: func(_ Record, _ []byte, before *audit.Tree) error {
			if before.Size() == size {
				return errEnough
			}
			return nil
		},
		node: keep,
	})
	if err != nil {
		return nil, err
	}
	return tlog.ProveRecord(size, index, tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for k, i := range indexes {
			hashes[k] = needed[i]
		}
		return hashes, nil
	}))
}

// Proof is what a proof file proves.
type Proof struct {
	Record Record
	// Index is the record's place in the journal, from 0.
	Index int64
	// Root is the signed tree that it is in.
	Root audit.Checkpoint
}

// CheckProof checks a proof file against the public key of the journal, and the
// cosignatures of the witnesses, all of which must be there.
func CheckProof(file []byte, key audit.Verifier, witnesses ...audit.Verifier) (p Proof, err error) {
	octets, index, root, err := audit.CheckLeaf(file, key, witnesses...)
	if err != nil {
		return p, err
	}
	p.Index, p.Root = index, root
	if p.Record, err = ParseRecord(octets); err != nil {
		return Proof{}, fmt.Errorf("checking proof: %w", err)
	}
	return p, nil
}
