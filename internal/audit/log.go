package audit

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// ErrClosed is returned by Append after Close.
var ErrClosed = errors.New("the audit log is closed")

// Log is an open audit log. Its methods may be called by many goroutines.
type Log struct {
	path string
	file *os.File
	// write puts lines on the disk; it is [Log.flush] but in tests.
	write func(lines []byte) error

	mu sync.Mutex
	// at is the place in the chain after the last line that was handed to a
	// batch, size the file's length after it was written.
	at link
	// acknowledged is the place after the last line that is on the disk.
	acknowledged link
	size         int64
	// waiting gathers the lines that come while the disk is busy.
	waiting *batch
	// busy is set while a goroutine is in flushAll; idle is closed when it ends.
	busy bool
	idle chan struct{}
	// failed, once set, is what every further Append returns.
	failed error
}

// batch is the lines of one write.
type batch struct {
	lines []byte
	at    link // after the last line
	done  chan struct{}
	err   error // set before done is closed
}

// Open opens the log at path, making the file (mode 0600, in an existing
// directory) if there is none. It checks the end of the log, cuts off a last
// line without its newline and notes in a line of its own, "audit.truncated",
// that it did. A log whose end does not chain, that is open in another
// process, or that others than its owner may write is refused.
func Open(path string) (*Log, error) {
	l, cut, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("opening audit log %s: %w", path, err)
	}
	if cut > 0 {
		if err := l.Append(context.Background(), "audit.truncated", slog.Int64("octets", cut)); err != nil {
			l.Close()
			return nil, err
		}
	}
	return l, nil
}

// open returns the log and how many octets it cut off.
func open(path string) (*Log, int64, error) {
	_, err := os.Lstat(path)
	fresh := errors.Is(err, fs.ErrNotExist)
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, 0, errors.New("it is not a regular file")
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, 0, err
	}
	l := &Log{path: path, file: f}
	l.write = l.flush
	cut, err := l.start(fresh)
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return l, cut, nil
}

func (l *Log) start(fresh bool) (cut int64, err error) {
	if err := lock(l.file); err != nil {
		return 0, err
	}
	info, err := l.file.Stat()
	if err != nil {
		return 0, err
	}
	if info.Mode().Perm()&0o022 != 0 && runtime.GOOS != "windows" {
		return 0, fmt.Errorf("others than its owner may write it (mode %04o); chmod 600 it and verify it", info.Mode().Perm())
	}
	at, whole, err := readTail(l.file, info.Size())
	if err != nil {
		return 0, fmt.Errorf("%w; verify it, keep it, and begin a new one", err)
	}
	if cut = info.Size() - whole; cut > 0 {
		if err := l.file.Truncate(whole); err != nil {
			return 0, err
		}
		if err := l.file.Sync(); err != nil {
			return 0, err
		}
	}
	if fresh {
		if err := syncDir(filepath.Dir(l.path)); err != nil {
			return 0, err
		}
	}
	l.at, l.acknowledged, l.size = at, at, whole
	return cut, nil
}

// Append writes a line and returns when it is on the disk. An error means that
// the action must not happen. When ctx ends first, its error is returned,
// and the line may or may not be in the log.
//
// Attributes must hold nothing that identifies a person (names, FİN, e-mail):
// the log cannot forget.
func (l *Log) Append(ctx context.Context, action string, attrs ...slog.Attr) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("writing audit log: %w", err)
	}
	b, err := l.enqueue(action, attrs)
	if err != nil {
		return fmt.Errorf("writing audit log: %w", err)
	}
	select {
	case <-b.done:
		if b.err != nil {
			return fmt.Errorf("writing audit log: %w", b.err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("writing audit log: %w", ctx.Err())
	}
}

// enqueue links the line to the chain and puts it into the batch that is
// written next.
func (l *Log) enqueue(action string, attrs []slog.Attr) (*batch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return nil, l.failed
	}
	line, err := l.at.encode(time.Now(), action, attrs)
	if err != nil {
		return nil, err
	}
	l.at = l.at.next(line)
	if l.waiting == nil {
		l.waiting = &batch{done: make(chan struct{})}
	}
	b := l.waiting
	b.lines = append(b.lines, line...)
	b.at = l.at
	if !l.busy {
		l.busy, l.idle = true, make(chan struct{})
		go l.flushAll()
	}
	return b, nil
}

// flushAll writes batches until none waits. It runs only while there is
// something to write, so that a log needs no goroutine of its own.
func (l *Log) flushAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.waiting != nil {
		b := l.waiting
		l.waiting = nil
		// Lines that were gathered behind a failed write build on one that may
		// not be there.
		if b.err = l.failed; b.err == nil {
			l.mu.Unlock()
			err := l.write(b.lines)
			l.mu.Lock()
			if err != nil {
				l.failed = fmt.Errorf("the log failed and stays so until it is opened anew: %w", err)
				b.err = l.failed
			} else {
				l.acknowledged = b.at
			}
		}
		close(b.done)
	}
	l.busy = false
	close(l.idle)
}

// flush writes lines at the end of the file and waits for the disk. It first
// makes sure that the file is still the one under its name and as long as
// this process left it: lines in a deleted file prove nothing.
func (l *Log) flush(lines []byte) error {
	named, err := os.Stat(l.path)
	if err != nil {
		return err
	}
	opened, err := l.file.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(named, opened) || opened.Size() != l.size {
		return errors.New("the file was replaced or changed by somebody else")
	}
	if _, err := l.file.Write(lines); err != nil {
		return err
	}
	if err := datasync(l.file); err != nil {
		return err
	}
	l.size += int64(len(lines))
	return nil
}

// Head returns the number of lines that are on the disk and the hash of the
// last: what [Verify] gives for the same log.
func (l *Log) Head() (entries int, last [sha256.Size]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int(l.acknowledged.seq), l.acknowledged.hash
}

// Ready returns why Append would fail, or nil.
func (l *Log) Ready(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// Close waits for the lines that were accepted and closes the file.
func (l *Log) Close() error {
	l.mu.Lock()
	if errors.Is(l.failed, ErrClosed) {
		l.mu.Unlock()
		return nil
	}
	for l.busy {
		idle := l.idle
		l.mu.Unlock()
		<-idle
		l.mu.Lock()
	}
	l.failed = ErrClosed
	l.mu.Unlock()
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("closing audit log: %w", err)
	}
	return nil
}

// syncDir makes the name of a new file durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
