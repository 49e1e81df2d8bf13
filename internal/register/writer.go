package register

import (
	"context"
	"fmt"
	"io/fs"
	"runtime"

	"github.com/altamga/altamga/internal/journal"
)

// maxBatch bounds how many writes share a commit, and with it how long other
// processes are kept out.
const maxBatch = 256

// write is one caller's change, on its way through the writer.
type write struct {
	// serials, keys and ticket are what the change must know of the register: the
	// rows of certificates, by their serials as octets; the records of certified
	// keys, by their hashes; and whether a ticket was used. nil for none.
	serials [][]byte
	keys    [][32]byte
	ticket  *journal.Ticket
	// run makes the change or refuses it. It may run more than once.
	run func(*batch) error

	ctx  context.Context
	done chan error // buffered: the writer never waits for a caller
}

// write runs the change in the next transaction and returns when that is
// durable, or the error with which the change was refused. The change is not
// made when ctx ends before its turn; once it is its turn, its outcome is
// awaited, so that a caller never leaves without knowing.
func (r *Register) write(ctx context.Context, w *write) error {
	w.ctx, w.done = ctx, make(chan error, 1)
	select {
	case <-r.closing:
		return fs.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	case r.queue <- w:
		return <-w.done
	}
}

// run is the writer.
func (r *Register) run() {
	defer close(r.closed)
	batch := make([]*write, 0, maxBatch)
	for {
		select {
		case <-r.closing:
			return
		case w := <-r.queue:
			batch = r.gather(append(batch[:0], w))
		}
		errs, advanced := r.commit(batch)
		if advanced {
			r.wake.all()
		}
		for i, w := range batch {
			w.done <- errs[i]
		}
		clear(batch)
	}
}

// gather adds what waits now. Nobody is kept waiting for a fuller batch: while
// one commit is being flushed, the next batch gathers by itself. Only the
// processor is given up once, so that those who were answered a moment ago and
// write again come along; without it, writers fall into two groups that take
// turns, and there are twice the commits.
func (r *Register) gather(batch []*write) []*write {
	for yielded := false; len(batch) < maxBatch; {
		select {
		case w := <-r.queue:
			batch = append(batch, w)
		default:
			if yielded {
				return batch
			}
			runtime.Gosched()
			yielded = true
		}
	}
	return batch
}

// commit carries out the writes in one transaction. It returns each one's
// outcome and whether the journal grew.
func (r *Register) commit(writes []*write) (errs []error, advanced bool) {
	errs = make([]error, len(writes))
	b := newBatch(r.engine)
	err := b.begin(writes)
	start := b.head
	for i := 0; i < len(writes) && err == nil; i++ {
		if errs[i] = writes[i].ctx.Err(); errs[i] == nil {
			errs[i], err = b.try(writes[i].run)
		}
	}
	if err == nil {
		err = r.engine.commit(b.pending, b.head > start)
		r.commits.Add(1)
	}
	r.failed.Store(err != nil)
	if err != nil {
		r.engine.rollback()
		// A refusal may rest on an earlier write of the batch, which is gone now.
		for i := range errs {
			errs[i] = fmt.Errorf("writing register: %w", err)
		}
		return errs, false
	}
	return errs, b.head > start
}
