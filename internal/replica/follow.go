package replica

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// Feed is an authority's journal, as it shows it to those who may read it.
type Feed interface {
	// Journal returns at most limit entries after a position, oldest first. When
	// there is none it waits for one, at most for wait; the answer may be empty.
	Journal(ctx context.Context, after uint64, limit int, wait time.Duration) ([]journal.Entry, error)
}

const (
	// page is how many entries are asked for at a time.
	page = 1000
	// pollFor is how long a question waits for news, and with that how long ago
	// the journal was last read to its end while nothing happens.
	pollFor = 10 * time.Second
	// answerWithin is what a question may take beyond that.
	answerWithin = 20 * time.Second
	// leastPause and mostPause bound the pauses between tries when the authority
	// does not answer; alarmPause is the one while the journal contradicts.
	leastPause = 100 * time.Millisecond
	mostPause  = 5 * time.Second
	alarmPause = 15 * time.Second
)

// Follow folds the journal until ctx ends; then it returns nil. What goes wrong
// is logged, shown by [Replica.Ready], and tried again.
func (r *Replica) Follow(ctx context.Context, feed Feed) error {
	pause := leastPause
	for ctx.Err() == nil {
		folded, err := r.followOn(ctx, feed)
		if ctx.Err() != nil {
			break
		}
		r.note(ctx, err)
		if folded {
			pause = leastPause
		}
		wait := pause
		if errors.Is(err, ErrContradiction) {
			wait = alarmPause
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		pause = min(2*pause, mostPause)
	}
	return nil
}

// followOn reads the journal to its end, waits for news, and reads on, until
// something is in the way. folded says that some of it was read before.
func (r *Replica) followOn(ctx context.Context, feed Feed) (folded bool, err error) {
	for {
		s, err := r.state(ctx, r.db)
		if err != nil {
			return folded, err
		}
		// From before the position: the page has to repeat the entry there.
		before := s.position - min(1, s.position)
		asked := time.Now()
		entries, err := ask(ctx, feed, before, page, 0)
		if err != nil {
			return folded, err
		}
		end := len(entries) < page
		asOf := time.Time{}
		if end {
			asOf = asked
		}
		news, err := r.fold(ctx, s.position, entries, asOf)
		if err != nil {
			return folded, err
		}
		folded = true
		r.note(ctx, nil)
		if news {
			r.wake()
		}
		if !end {
			continue
		}
		position := before + uint64(len(entries))
		// What comes is read again with the entry before it: this is a bell only.
		rung, err := ask(ctx, feed, position, 1, pollFor)
		if err != nil {
			return folded, err
		}
		if len(rung) == 0 && time.Since(asked) < leastPause {
			// An authority that is about to stop waits for nobody.
			select {
			case <-time.After(leastPause):
			case <-ctx.Done():
			}
		}
	}
}

// ask asks with a bound: a connection that went silent is given up.
func ask(ctx context.Context, feed Feed, after uint64, limit int, wait time.Duration) ([]journal.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+answerWithin)
	defer cancel()
	return feed.Journal(ctx, after, limit, wait)
}

// note remembers how the last try ended, and logs when that is another way than
// before, and every contradiction.
func (r *Replica) note(ctx context.Context, err error) {
	r.mu.Lock()
	before, since := r.failing, r.since
	if err != nil && before == nil {
		r.since = time.Now()
	}
	r.failing = err
	r.mu.Unlock()
	switch {
	case err == nil && before != nil:
		r.log.InfoContext(ctx, "following the authority's journal again", slog.Time("lost", since))
	case errors.Is(err, ErrContradiction):
		r.log.ErrorContext(ctx, "NOT following the authority's journal", slog.Any("error", err))
	case err != nil && before == nil:
		r.log.WarnContext(ctx, "lost the authority's journal", slog.Any("error", err))
	}
}
