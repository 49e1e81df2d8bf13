package replica

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/journal/column"
)

// ErrOld says that a snapshot is older than may be taken over.
var ErrOld = errors.New("the snapshot is too old")

// ahead is how much the clock that made a snapshot may be ahead of this one.
const ahead = time.Minute

// Load takes over a snapshot that the key's owner signed: the statuses become
// those of the snapshot in one commit, or stay as they were. A replica that has
// begun takes over none of a lower position than its own, since it would go back
// in time; nor does any one that was made longer than maxAge ago. progress is
// told now and then how many statuses were read; nil tells nobody.
func (r *Replica) Load(ctx context.Context, in io.Reader, key Verifier, maxAge time.Duration, progress func(read, of int64)) (Head, error) {
	var head Head
	err := r.inTransaction(ctx, func(tx *sql.Tx) error {
		l := loader{folder: folder{ctx: ctx, tx: tx, issuers: map[string]int64{}}, progress: progress}
		begin := func(h Head) error {
			head, l.of = h, h.Statuses
			return r.begin(ctx, tx, h, maxAge)
		}
		return ReadSnapshot(in, key, begin, l.add)
	})
	if err != nil {
		return Head{}, fmt.Errorf("loading snapshot: %w", err)
	}
	r.wake()
	return head, nil
}

// begin empties the store for what a snapshot says.
func (r *Replica) begin(ctx context.Context, tx *sql.Tx, h Head, maxAge time.Duration) error {
	now := time.Now()
	if h.At.After(now.Add(ahead)) {
		return untrusted("it was made at %s, which is to come by this host's clock", h.At.Format(time.RFC3339))
	}
	if age := now.Sub(h.At); age > maxAge {
		return fmt.Errorf("%w: it was made at %s, more than %v ago", ErrOld, h.At.Format(time.RFC3339), maxAge)
	}
	s, err := r.state(ctx, tx)
	if err != nil && !errors.Is(err, ErrNotBegun) {
		return err
	}
	if h.Position < s.position {
		return fmt.Errorf("%w: it ends at position %d, and the replica knows more, up to %d", ErrOld, h.Position, s.position)
	}
	for _, statement := range []string{"DELETE FROM status", "DELETE FROM issuer"} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	anchor, err := hex.DecodeString(h.Anchor)
	if err != nil {
		return err
	}
	if h.At.After(now) {
		h.At = now
	}
	return state{position: h.Position, anchor: anchor, asOf: h.At}.write(ctx, tx)
}

type loader struct {
	folder
	read, of int64
	progress func(read, of int64)
}

func (l *loader) add(s journal.Standing) error {
	key, err := column.Serial(s.Serial)
	if err != nil {
		return err
	}
	err = l.put(key, s)
	// SQLITE_CONSTRAINT_UNIQUE
	if code, ok := errors.AsType[interface {
		error
		Code() int
	}](err); ok && code.Code() == 2067 {
		return untrusted("serial %s stands twice", s.Serial)
	}
	if err != nil {
		return fmt.Errorf("serial %s: %w", s.Serial, err)
	}
	if l.read++; l.progress != nil && l.read%1000 == 0 {
		l.progress(l.read, l.of)
	}
	return nil
}
