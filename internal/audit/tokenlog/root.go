package tokenlog

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/altamga/altamga/internal/durable"
)

const rootEnding = ".root"

// Run signs roots until ctx ends: Interval after the last one when there are new
// records, and when the day is over.
func (l *Log) Run(ctx context.Context) error {
	for {
		now := time.Now()
		midnight := now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
		timer := time.NewTimer(min(l.config.Interval, midnight.Sub(now)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		l.Sign()
	}
}

// Sign signs a root of all records that are on the disk, unless there is one.
// While that fails, records are still taken, and [Log.Ready] says so.
func (l *Log) Sign() error {
	l.own()
	defer l.disown()
	err := l.failed
	if err == nil && l.file != nil {
		err = l.sign()
	}
	l.mu.Lock()
	l.fault = err
	l.mu.Unlock()
	if err != nil {
		return fmt.Errorf("signing root of token journal: %w", err)
	}
	return nil
}

// sign writes the root of all records as that of the file's day. The caller
// owns the journal.
func (l *Log) sign() error {
	if l.file == nil {
		return nil
	}
	if l.tree.Size() > l.root.Size {
		c, line, err := l.tree.Sign(l.config.Key)
		if err != nil {
			return err
		}
		if err := durable.Write(filepath.Join(l.config.Dir, l.day+rootEnding), line, 0o644); err != nil {
			return err
		}
		l.root, l.told = c, ""
	}
	l.mu.Lock()
	over := l.closing || time.Now().UTC().Format(dayForm) > l.day
	l.mu.Unlock()
	if over && l.told != l.day && l.root.Size > 0 && l.config.Sealed != nil {
		l.told = l.day
		l.config.Sealed(l.day, l.root)
	}
	return nil
}
