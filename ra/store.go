package ra

import "context"

// Store keeps the case files. Documents, events and index strings hold
// personal data: the store keeps none of them in clear.
type Store interface {
	// Put stores document as the next version of case id, with the event that
	// led to it, durably and in one transaction. version is the one that the
	// document replaces, 0 for a new case. The strings of index and sole
	// replace those of the version before; one of sole may belong to no other
	// case. An empty event is one that Events does not return. The error is fs.ErrExist when the case has another version or a
	// string of sole is taken, fs.ErrNotExist when there is no such case.
	Put(ctx context.Context, id string, version uint64, document, event []byte, index, sole []string) error
	// Read returns the present version of case id, or fs.ErrNotExist.
	Read(ctx context.Context, id string) (document []byte, version uint64, err error)
	// Find returns the ids of the cases that have the string index, oldest
	// first; none is not an error.
	Find(ctx context.Context, index string) ([]string, error)
	// Events returns the events of case id, oldest first, or fs.ErrNotExist.
	Events(ctx context.Context, id string) ([][]byte, error)
}
