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
	"slices"
	"sync"
	"time"

	"github.com/altamga/altamga/internal/durable"
)

// ErrClosed is returned by Append after Close.
var ErrClosed = errors.New("the audit log is closed")

// Config says what log to open.
type Config struct {
	// Path of the file. Its folder must exist.
	Path string
	// Key signs the checkpoints, and its name is the log's origin.
	Key *Signer
	// Entries is how many entries a checkpoint may follow upon at most: with
	// that many, it is written together with the last. Default 1000.
	Entries int
	// Interval is how long after an entry a checkpoint must follow. Default 5 s.
	Interval time.Duration
	// Request returns what to say of the request that a context belongs to, in
	// the attributes "via.NAME". Nil for nothing.
	Request func(context.Context) []slog.Attr

	// disk, when a test sets it, comes between the log and the real write.
	disk func(lines []byte, real func([]byte) error) error
}

// Log is an open audit log. Its methods may be called by many goroutines.
type Log struct {
	config Config
	file   *os.File
	// write puts lines on the disk; it is [Log.flush] but in tests.
	write func(lines []byte) error
	size  int64 // of the file after the last write

	mu sync.Mutex
	// at is the place in the chain after the last line that is on the disk.
	at link
	// state of the seal: see seal.go.
	seal seal
	// waiting gathers the entries that come while the disk is busy.
	waiting *batch
	// busy is set while a goroutine is in flushAll; idle is closed when it ends.
	busy bool
	idle chan struct{}
	// failed, once set, is what every further Append returns; closing makes it
	// return ErrClosed.
	failed  error
	closing bool
}

// batch is the entries of one write.
type batch struct {
	bodies [][]byte
	done   chan struct{}
	err    error // set before done is closed
}

// Open opens the log, making the file (mode 0600) if there is none. It checks
// the end of the log, cuts off a last line without its newline and notes in an
// entry of its own, "audit.truncated", that it did. Unless the log ends with a
// checkpoint, it writes one. A log whose end does not chain or is signed with
// another key, that is open in another process, or that others than its owner
// may write is refused.
func Open(c Config) (*Log, error) {
	l, err := open(c)
	if err != nil {
		return nil, fmt.Errorf("opening audit log %s: %w", c.Path, err)
	}
	return l, nil
}

func open(c Config) (*Log, error) {
	if c.Key == nil {
		return nil, errors.New("it needs a key for its checkpoints")
	}
	if c.Entries <= 0 {
		c.Entries = 1000
	}
	if c.Interval <= 0 {
		c.Interval = 5 * time.Second
	}
	_, err := os.Lstat(c.Path)
	fresh := errors.Is(err, fs.ErrNotExist)
	if info, err := os.Stat(c.Path); err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.OpenFile(c.Path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	l := &Log{config: c, file: f}
	l.write = l.flush
	if c.disk != nil {
		l.write = func(lines []byte) error { return c.disk(lines, l.flush) }
	}
	if err := l.start(fresh); err != nil {
		return nil, errors.Join(err, l.end())
	}
	return l, nil
}

func (l *Log) start(fresh bool) error {
	if err := lock(l.file); err != nil {
		return fmt.Errorf("%w; each server needs a log of its own", err)
	}
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 && runtime.GOOS != "windows" {
		return fmt.Errorf("others than its owner may write it (mode %04o); chmod 600 it and verify it", info.Mode().Perm())
	}
	found, whole, err := readTail(l.file, info.Size(), &l.config.Key.verifier)
	if err != nil {
		return fmt.Errorf("%w; verify it, keep it, and begin a new one", err)
	}
	cut := info.Size() - whole
	if cut > 0 {
		if err := l.file.Truncate(whole); err != nil {
			return err
		}
		if err := l.file.Sync(); err != nil {
			return err
		}
	}
	if fresh {
		if err := durable.SyncDir(filepath.Dir(l.config.Path)); err != nil {
			return err
		}
	}
	l.at, l.size = found.at, whole
	l.seal = seal{tree: found.tree, size: found.last.Size, began: time.Now()}
	if cut > 0 {
		if err := l.Append(context.Background(), "audit.truncated", slog.Int64("octets", cut)); err != nil {
			return err
		}
	}
	if found.checkpoints == 0 || l.seal.open() > 0 {
		return l.sealNow()
	}
	return nil
}

// Append writes an entry and returns when it is on the disk. An error means
// that the action must not happen. When ctx ends first, its error is returned,
// and the entry may or may not be in the log.
//
// Attributes must hold nothing that identifies a person (names, FİN, e-mail):
// the log cannot forget.
func (l *Log) Append(ctx context.Context, action string, attrs ...slog.Attr) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("writing audit log: %w", err)
	}
	if l.config.Request != nil {
		if via := l.config.Request(ctx); len(via) > 0 {
			attrs = append(slices.Clip(attrs), slog.Attr{Key: "via", Value: slog.GroupValue(via...)})
		}
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

// enqueue puts the entry into the batch that is written next.
func (l *Log) enqueue(action string, attrs []slog.Attr) (*batch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return nil, ErrClosed
	}
	if l.failed != nil {
		return nil, l.failed
	}
	body, err := encodeBody(time.Now(), action, attrs)
	if err != nil {
		return nil, err
	}
	if l.waiting == nil {
		l.waiting = &batch{done: make(chan struct{})}
	}
	b := l.waiting
	b.bodies = append(b.bodies, body)
	l.wake()
	return b, nil
}

// wake starts a goroutine that writes, unless one is at it. It runs only while
// there is something to write, so that a log needs none of its own. The caller
// holds mu.
func (l *Log) wake() {
	if !l.busy {
		l.busy, l.idle = true, make(chan struct{})
		go l.flushAll()
	}
}

// await waits until nobody writes. The caller holds mu.
func (l *Log) await() {
	for l.busy {
		idle := l.idle
		l.mu.Unlock()
		<-idle
		l.mu.Lock()
	}
}

// flushAll writes until no batch waits and no checkpoint is asked for. Before
// each write it gives up the processor once, so that those who are about to
// append come along: nobody is kept waiting for a fuller batch, but where there
// is one processor, each would otherwise have a flush of his own.
func (l *Log) flushAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.waiting != nil || l.seal.wanted {
		l.mu.Unlock()
		runtime.Gosched()
		l.mu.Lock()
		b := l.waiting
		if b == nil {
			b = &batch{done: make(chan struct{})}
		}
		l.waiting = nil
		if b.err = l.failed; b.err == nil {
			b.err = l.put(b.bodies)
		} else {
			l.seal.wanted = false
		}
		close(b.done)
	}
	l.busy = false
	close(l.idle)
}

// put writes entries, and behind them a checkpoint when one is due. The caller
// holds mu, and is the only one in put; mu is free while the key signs and the
// disk is busy.
func (l *Log) put(bodies [][]byte) error {
	at, next := l.at, l.seal.after(len(bodies), l.config)
	l.mu.Unlock()
	var lines []byte
	for _, body := range bodies {
		line := at.encode(body)
		at = at.next(line)
		next.add(line)
		lines = append(lines, line...)
	}
	checkpoint, fault := next.close(l.config.Key)
	if fault == nil && len(checkpoint) > 0 {
		at = at.sealed(checkpoint)
		lines = append(lines, checkpoint...)
	}
	var err error
	if fault == nil && len(lines) > 0 {
		err = l.write(lines)
	}
	l.mu.Lock()
	if fault != nil {
		fault = fmt.Errorf("the log cannot be signed: %w", fault)
	} else if unwritten, ok := errors.AsType[*unwrittenError](err); ok {
		fault = unwritten
	}
	switch {
	case fault != nil:
		// Nothing was written, so the log is as good as before: it goes on when
		// the key signs again, or the disk has room.
		l.seal.failed(fault, l)
		return fault
	case err != nil:
		l.failed = fmt.Errorf("the log failed and stays so until it is opened anew: %w", err)
		l.seal.disarm()
		return l.failed
	}
	l.at = at
	l.seal.commit(next, l)
	return nil
}

// flush writes lines at the end of the file and waits for the disk. It first
// makes sure that the file is still the one under its name and as long as
// this process left it: lines in a deleted file prove nothing.
func (l *Log) flush(lines []byte) error {
	named, err := os.Stat(l.config.Path)
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
		return l.takeBack(err)
	}
	// After a failed flush nobody knows what is on the disk: the log stays
	// failed.
	if err := datasync(l.file); err != nil {
		return err
	}
	l.size += int64(len(lines))
	return nil
}

// unwrittenError says that nothing of a write is in the file, as when the disk
// is full.
type unwrittenError struct{ err error }

func (e *unwrittenError) Error() string { return "the log cannot be written: " + e.err.Error() }
func (e *unwrittenError) Unwrap() error { return e.err }

// takeBack cuts off what a failed write has left, so that the log can go on
// when the disk has room again.
func (l *Log) takeBack(err error) error {
	if fault := errors.Join(l.file.Truncate(l.size), datasync(l.file)); fault != nil {
		return errors.Join(err, fault)
	}
	return &unwrittenError{err}
}

// Head returns the number of entries that are on the disk and the hash of the
// last line.
func (l *Log) Head() (entries int, last [sha256.Size]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int(l.at.seq), l.at.hash
}

// Origin returns the log's name in its checkpoints.
func (l *Log) Origin() string { return l.config.Key.Name() }

// PublicKey returns the line with which anybody verifies the log.
func (l *Log) PublicKey() string { return l.config.Key.Public() }

// Ready returns why Append would fail or the log cannot be signed, or nil.
func (l *Log) Ready(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return l.failed
	}
	return l.seal.fault
}

// Close waits for the entries that were accepted, writes the last checkpoint
// and closes the file. The error says when entries stay without a checkpoint.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		return nil
	}
	l.closing = true
	l.await()
	last := l.failed == nil && l.seal.open() > 0
	l.mu.Unlock()
	var err error
	if last {
		err = l.sealNow()
	}
	if err := errors.Join(err, l.end()); err != nil {
		return fmt.Errorf("closing audit log: %w", err)
	}
	return nil
}

// end lets nothing be written any more and closes the file.
func (l *Log) end() error {
	l.mu.Lock()
	l.closing = true
	l.seal.disarm()
	l.mu.Unlock()
	return l.file.Close()
}
