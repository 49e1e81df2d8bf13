package audit

import (
	"fmt"
	"io"
)

// Replay reads the entries that are on the disk, the oldest first, and holds
// the whole log to its key on the way. What do is given is valid during the
// call; its error ends the reading.
func (l *Log) Replay(do func(Entry) error) error {
	l.mu.Lock()
	l.await()
	size := l.size
	l.mu.Unlock()
	check := Check{Key: &l.config.Key.verifier, Entry: do}
	if _, err := check.Verify(io.NewSectionReader(l.file, 0, size)); err != nil {
		return fmt.Errorf("%s: %w", l.config.Path, err)
	}
	return nil
}
