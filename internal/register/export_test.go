package register

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// Commits returns how many transactions the writer has committed.
func (s *SQLite) Commits() uint64 { return s.commits.Load() }

// Queries returns the text of all statements that were prepared so far.
func (s *SQLite) Queries() []string {
	var queries []string
	for _, on := range []*statements{s.reader, s.writer} {
		on.mu.Lock()
		queries = slices.AppendSeq(queries, maps.Keys(on.prepared))
		on.mu.Unlock()
	}
	return queries
}

// ToBeSigned is the parser of certificates that Complete uses.
func ToBeSigned(certificate []byte) ([]byte, error) { return toBeSigned(certificate) }

// LimitPages makes the disk full, as far as SQLite can tell, when the file has
// that many pages; fewer than there are count as what there are.
func (s *SQLite) LimitPages(n int) error {
	return s.write(context.Background(), func(b *batch) error {
		var got int
		return b.row(fmt.Sprintf("PRAGMA max_page_count = %d", n), nil, &got)
	})
}
