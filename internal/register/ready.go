package register

import (
	"context"
	"fmt"
)

// Ready returns nil when the register can be read and written. A commit that
// failed makes it fail at once, and until the register takes a write again:
// whoever asks has one tried, so that a register that nobody writes to, because
// it was said not to be ready, finds its way back.
func (r *Register) Ready(ctx context.Context) error {
	if _, err := r.Head(ctx); err != nil {
		return fmt.Errorf("reading register: %w", err)
	}
	if !r.failed.Load() {
		return nil
	}
	// It says nothing new, and takes room on the disk like any other.
	const trial = "INSERT INTO follower (name, position) VALUES ('readiness', 0) ON CONFLICT (name) DO UPDATE SET position = 0"
	return r.write(ctx, &write{run: func(b *batch) error {
		b.change(trial)
		return nil
	}})
}
