package tokenlog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/altamga/altamga/internal/audit"
)

// ErrClosed is returned by Append after Close.
var ErrClosed = errors.New("the token journal is closed")

// Config says what journal to open.
type Config struct {
	// Dir is the journal's folder, which must exist.
	Dir string
	// Key signs the roots, and its name is the journal's origin.
	Key *audit.Signer
	// Interval is how long after a token a root must cover it. Default 1m.
	Interval time.Duration
	// Sealed is told of each day's last root when the day is over, or the
	// journal is closed. Nil tells nobody.
	Sealed func(day string, root audit.Checkpoint)

	// disk, when a test sets it, comes between the journal and the real write.
	disk func(octets []byte, real func([]byte) error) error
}

// Log is an open journal. Its methods may be called by many goroutines.
type Log struct {
	config Config
	lock   *os.File
	write  func(octets []byte) error

	mu sync.Mutex
	// waiting gathers the records that come while the disk is busy.
	waiting *batch
	spare   []byte // a buffer that is free
	busy    bool
	idle    chan struct{} // closed when busy ends
	failed  error
	closing bool
	latest  time.Time // of all tokens
	fault   error     // why the last root was not signed, or nothing was written
	company int       // octets of the last write

	// What follows belongs to whoever has set busy.
	file *os.File
	day  string
	end  int64 // of the records after the last write
	room int64 // length of the file: behind the records are zeros
	tree *audit.Tree
	// root is the last that was signed; told is the day whose last root Sealed
	// knows.
	root audit.Checkpoint
	told string
	// began is the tree, and cut how much was cut off, when the journal was opened.
	began audit.Checkpoint
	cut   int64
}

// batch is the records of one write.
type batch struct {
	octets []byte
	latest time.Time
	done   chan struct{}
	err    error // set before done is closed
}

// Open opens a journal, or begins one in an empty folder. It goes on from the
// last signed root: what was flushed after it counts, and what was not is cut
// off. A journal that contradicts its root, that another key signed or that is
// open in another process is refused.
func Open(c Config) (*Log, error) {
	if c.Interval <= 0 {
		c.Interval = time.Minute
	}
	l, err := open(c)
	if err != nil {
		return nil, fmt.Errorf("opening token journal %s: %w", c.Dir, err)
	}
	return l, nil
}

func open(c Config) (*Log, error) {
	if c.Key == nil {
		return nil, errors.New("it needs a key for its roots")
	}
	lock, err := os.OpenFile(filepath.Join(c.Dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	l := &Log{config: c, lock: lock}
	l.write = l.flush
	if c.disk != nil {
		l.write = func(octets []byte) error { return c.disk(octets, l.flush) }
	}
	if err := audit.LockFile(lock); err != nil {
		return nil, errors.Join(fmt.Errorf("%w; each process needs a journal of its own", err), lock.Close())
	}
	if err := l.resume(); err != nil {
		return nil, errors.Join(err, l.closeFiles())
	}
	l.began = audit.Checkpoint{Origin: c.Key.Name(), Size: l.tree.Size(), Root: l.tree.Root()}
	return l, nil
}

func (l *Log) closeFiles() error {
	var err error
	if l.file != nil {
		err = l.shut()
	}
	return errors.Join(err, l.lock.Close())
}

// Latest returns the time of the latest token in the journal, zero for none. A
// clock that is behind it is wrong, or was when the token was made.
func (l *Log) Latest() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.latest
}

// Began returns the records that the journal had when it was opened, as a tree of
// which no root need be signed.
func (l *Log) Began() audit.Checkpoint { return l.began }

// Cut returns how many octets of an unfinished write were cut off when the
// journal was opened.
func (l *Log) Cut() int64 { return l.cut }

// Append writes a record and returns when it is on the disk. An error means
// that the token must not be signed. When ctx ends first, its error is
// returned, and the record may or may not be in the journal.
func (l *Log) Append(ctx context.Context, r Record) error {
	b, err := l.enqueue(&r)
	if err != nil {
		return fmt.Errorf("writing token journal: %w", err)
	}
	select {
	case <-b.done:
		if b.err != nil {
			return fmt.Errorf("writing token journal: %w", b.err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("writing token journal: %w", ctx.Err())
	}
}

func (l *Log) enqueue(r *Record) (*batch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return nil, ErrClosed
	}
	if l.failed != nil {
		return nil, l.failed
	}
	if l.waiting == nil {
		l.waiting = &batch{done: make(chan struct{}), octets: l.spare[:0]}
		l.spare = nil
	}
	b := l.waiting
	b.octets = r.append(b.octets)
	if r.Time.After(b.latest) {
		b.latest = r.Time
	}
	if !l.busy {
		l.busy, l.idle = true, make(chan struct{})
		go l.flushAll()
	}
	return b, nil
}

// flushAll writes until no batch waits.
func (l *Log) flushAll() {
	l.mu.Lock()
	for l.waiting != nil {
		l.gather()
		b := l.waiting
		l.company = len(b.octets)
		l.waiting = nil
		if b.err = l.failed; b.err == nil {
			l.mu.Unlock()
			b.err = l.put(b.octets)
			l.mu.Lock()
			l.settle(b)
		}
		close(b.done)
		l.spare = b.octets
	}
	l.busy = false
	close(l.idle)
	l.mu.Unlock()
}

// comeBack is how long a write waits for those who came with the one before.
const comeBack = 200 * time.Microsecond

// gather waits for company. A flush costs the processor as much as several
// signatures, however many records it carries, and without this the first of
// those whom the last flush has let go would be written alone.
//
// Who is ready to run goes first, as long as that brings records: the tokens
// before are signed meanwhile, which has to be done in any case. Then those who
// have their answers may be about to come back with their next queries; who
// comes alone is not kept waiting. The caller holds mu.
func (l *Log) gather() {
	for had := 0; len(l.waiting.octets) > had; {
		had = len(l.waiting.octets)
		l.mu.Unlock()
		runtime.Gosched()
		l.mu.Lock()
	}
	if len(l.waiting.octets) < l.company {
		l.mu.Unlock()
		time.Sleep(comeBack)
		l.mu.Lock()
	}
}

// settle takes over what a write has left. The caller holds mu.
func (l *Log) settle(b *batch) {
	var unwritten *unwrittenError
	switch {
	case b.err == nil:
		if b.latest.After(l.latest) {
			l.latest = b.latest
		}
		l.fault = nil
	case errors.As(b.err, &unwritten):
		// Nothing was written, so the journal is as good as before.
		l.fault = b.err
	default:
		l.failed = fmt.Errorf("the journal failed and stays so until it is opened anew: %w", b.err)
		b.err = l.failed
	}
}

// own waits until nobody writes and keeps it so until [Log.disown].
func (l *Log) own() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.busy {
		idle := l.idle
		l.mu.Unlock()
		<-idle
		l.mu.Lock()
	}
	l.busy, l.idle = true, make(chan struct{})
}

func (l *Log) disown() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting != nil {
		go l.flushAll()
		return
	}
	l.busy = false
	close(l.idle)
}

// put writes records into the file of today.
func (l *Log) put(octets []byte) error {
	if today := time.Now().UTC().Format(dayForm); l.file == nil || today > l.day {
		// A key that does not sign the old day's root at midnight stops nothing:
		// its file goes on until it does.
		if err := l.turn(today); err != nil && l.file == nil {
			return &unwrittenError{err}
		}
	}
	if err := l.write(octets); err != nil {
		return err
	}
	for at := 0; at < len(octets); at += size {
		l.tree.Add(octets[at:at+size], nil)
	}
	return nil
}

// ahead is how much longer than its records a file is made at a time. A flush
// that changes the length of a file, or writes blocks that nothing was written
// to before, costs several times as much: the file system's own journal goes
// with it.
const ahead = 1 << 20

// flush writes octets behind the records and waits for the disk.
func (l *Log) flush(octets []byte) error {
	if l.end+int64(len(octets)) > l.room {
		if err := l.lengthen(int64(len(octets))); err != nil {
			return l.takeBack(err)
		}
	}
	if _, err := l.file.WriteAt(octets, l.end); err != nil {
		return l.takeBack(err)
	}
	// After a failed flush nobody knows what is on the disk.
	if err := audit.SyncFile(l.file); err != nil {
		return err
	}
	l.end += int64(len(octets))
	return nil
}

// lengthen writes zeros for so many octets and more.
func (l *Log) lengthen(n int64) error {
	from := max(l.room, l.end)
	to := max(l.end+n, from+ahead)
	if _, err := l.file.WriteAt(make([]byte, to-from), from); err != nil {
		return err
	}
	l.room = to
	return nil
}

// takeBack cuts off what a failed write has left, so that the journal can go on
// when the disk has room again.
func (l *Log) takeBack(err error) error {
	if fault := errors.Join(l.file.Truncate(l.end), audit.SyncFile(l.file)); fault != nil {
		return errors.Join(err, fault)
	}
	l.room = l.end
	return &unwrittenError{err}
}

// shut cuts off the zeros and closes the file.
func (l *Log) shut() error {
	return errors.Join(l.file.Truncate(l.end), l.file.Sync(), l.file.Close())
}

// unwrittenError says that nothing of a write is in the file, as when the disk
// is full.
type unwrittenError struct{ err error }

func (e *unwrittenError) Error() string {
	return "the token journal cannot be written: " + e.err.Error()
}
func (e *unwrittenError) Unwrap() error { return e.err }

// Ready returns why Append would fail or the roots cannot be signed, or nil.
func (l *Log) Ready(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return l.failed
	}
	return l.fault
}

// Close waits for the records that were accepted, signs the last root and
// closes the files.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		return nil
	}
	l.closing = true
	l.mu.Unlock()
	l.own()
	var err error
	if l.failed == nil {
		err = l.sign()
	}
	err = errors.Join(err, l.closeFiles())
	l.disown()
	if err != nil {
		return fmt.Errorf("closing token journal: %w", err)
	}
	return nil
}
