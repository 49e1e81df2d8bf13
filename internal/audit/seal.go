package audit

import (
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// seal is what a log knows of its checkpoints. An entry is sealed when a
// checkpoint covers it.
//
// A checkpoint is written together with the entry that makes the number of
// open ones reach Entries, and at the latest Interval after the first of them.
// When the key does not sign, entries are still taken as long as neither bound
// is reached; from then on each write tries to seal first and is refused while
// that fails. So at no time are there more entries without a checkpoint than
// the bounds allow, and the log goes on by itself when the key is back.
type seal struct {
	// tree of all entries on the disk; size of the last checkpoint.
	tree *tree
	size int64
	// began is when the oldest open entry was written.
	began time.Time
	// wanted asks the writer for a checkpoint.
	wanted bool
	// timer asks for one when the interval is over.
	timer *time.Timer
	// fault is why the last try to seal, or to write at all, failed.
	fault error
}

// sealRetry is how long after a failure the log tries to seal again.
const sealRetry = time.Second

// open returns how many entries no checkpoint covers.
func (s *seal) open() int64 { return s.tree.size - s.size }

// after returns the seal as it is when n more entries are written, and decides
// whether a checkpoint goes with them.
func (s *seal) after(n int, c Config) *seal {
	next := &seal{tree: s.tree.clone(), size: s.size, began: s.began, wanted: s.wanted}
	if s.open() == 0 {
		next.began = time.Now()
	}
	if open := s.open() + int64(n); open >= int64(c.Entries) || open > 0 && time.Since(next.began) >= c.Interval {
		next.wanted = true
	}
	return next
}

// add counts an entry's line in.
func (s *seal) add(line []byte) { s.tree.add(tlog.RecordHash(line), nil) }

// close returns the checkpoint as a line of the log, or nothing when none is due.
func (s *seal) close(key *Signer) ([]byte, error) {
	if !s.wanted {
		return nil, nil
	}
	c, err := s.tree.sign(key)
	if err != nil {
		return nil, err
	}
	s.size = s.tree.size
	return s.tree.line(c)
}

// commit takes over what is on the disk now.
func (s *seal) commit(next *seal, l *Log) {
	s.tree, s.began = next.tree, next.began
	if next.wanted {
		s.size, s.wanted, s.fault = next.size, false, nil
		s.disarm()
	}
	if s.open() > 0 && s.timer == nil {
		s.arm(l, time.Until(s.began.Add(l.config.Interval)))
	}
}

// failed remembers that the key did not sign or that the disk took nothing, and
// tries again in a while.
func (s *seal) failed(fault error, l *Log) {
	s.wanted, s.fault = false, fault
	s.disarm()
	s.arm(l, sealRetry)
}

func (s *seal) arm(l *Log, in time.Duration) {
	var timer *time.Timer
	timer = time.AfterFunc(in, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		// One that was disarmed too late to be stopped does nothing.
		if s.timer == timer && !l.closing {
			s.wanted, s.timer = true, nil
			l.wake()
		}
	})
	s.timer = timer
}

func (s *seal) disarm() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// sealNow writes a checkpoint and waits for it.
func (l *Log) sealNow() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.await()
	if l.failed != nil {
		return l.failed
	}
	l.busy, l.idle = true, make(chan struct{})
	l.seal.wanted = true
	err := l.put(nil)
	l.busy = false
	close(l.idle)
	if l.waiting != nil {
		l.wake()
	}
	return err
}

// Seal writes a checkpoint of all entries that are on the disk, unless there is
// one.
func (l *Log) Seal() error {
	l.mu.Lock()
	open := l.seal.open()
	l.mu.Unlock()
	if open == 0 {
		return nil
	}
	if err := l.sealNow(); err != nil {
		return fmt.Errorf("sealing audit log: %w", err)
	}
	return nil
}
