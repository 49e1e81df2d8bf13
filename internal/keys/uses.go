package keys

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"strconv"
	"sync"

	"github.com/altamga/altamga/internal/durable"
)

// A key's signatures are counted in a file beside it. Counting each one
// durably would cost a flush of the disk for each; so uses are taken from the
// file in blocks before they are made, and what is left of a block is given
// back when the key is closed. A crash loses the rest of a block: the count may
// be too high afterwards, never too low. Several processes may count in one
// file, each with blocks of its own.
//
// The file holds two slots that are written in turn, each with a sequence
// number and a checksum. A crash in the middle of a write damages one slot and
// leaves the other, which is the count before it; nothing of the block that was
// being taken has been used by then.

// ErrUsedUp says that a key has made as many signatures as it may.
var ErrUsedUp = errors.New("the key has made as many signatures as it may")

// maxBlock bounds how many uses are taken at once, and so how many a crash can
// lose.
const maxBlock = 1000

// slotSize is the length of one slot with its line end.
const slotSize = 64

// Uses returns how many signatures the key of a URI is counted to have made.
// The error wraps [fs.ErrNotExist] when they are not counted.
func Uses(uri, baseDir string) (uint64, error) {
	u, err := Parse(uri)
	if err != nil {
		return 0, err
	}
	if u.Counter == "" {
		return 0, &Error{err: fmt.Errorf("reading counter: the key's URI names none: %w", fs.ErrNotExist), hint: "add counter=NAME.uses to the URI"}
	}
	c := counter{path: in(baseDir, u.Counter)}
	var used uint64
	err = c.locked(func(f *os.File, s slot) error { used = s.used; return nil })
	return used, err
}

// StartUses creates the counter of a key that has made used signatures before
// it was counted. It never overwrites one.
func StartUses(uri, baseDir string, used uint64) error {
	u, err := Parse(uri)
	if err != nil {
		return err
	}
	if u.Counter == "" {
		return &Error{err: errors.New("starting counter: the key's URI names none"), hint: "add counter=NAME.uses to the URI"}
	}
	return startCounter(in(baseDir, u.Counter), used)
}

// startCounter creates a counter's file.
func startCounter(path string, used uint64) error {
	err := durable.Create(path, append(slot{1, used}.line(), slot{0, used}.line()...), 0o600)
	if errors.Is(err, fs.ErrExist) {
		return &Error{err: fmt.Errorf("starting counter %s: %w", path, err), hint: "a counter is never overwritten"}
	}
	if err != nil {
		return explain("starting counter", err)
	}
	return nil
}

// slot is what one line of the file says.
type slot struct{ sequence, used uint64 }

// line writes a slot: 64 octets that a person can read.
func (s slot) line() []byte {
	text := fmt.Sprintf("sequence %019d used %019d", s.sequence, s.used)
	line := fmt.Appendf(nil, "%s %08x", text, crc32.ChecksumIEEE([]byte(text)))
	return append(append(line, bytes.Repeat([]byte{' '}, slotSize-1-len(line))...), '\n')
}

// readSlot reads a line that [slot.line] wrote; anything else is damage.
func readSlot(line []byte) (slot, bool) {
	const number = 19
	if len(line) != slotSize {
		return slot{}, false
	}
	var s slot
	var err1, err2 error
	s.sequence, err1 = strconv.ParseUint(string(line[9:9+number]), 10, 63)
	s.used, err2 = strconv.ParseUint(string(line[34:34+number]), 10, 63)
	return s, err1 == nil && err2 == nil && bytes.Equal(line, s.line())
}

// counter is a counter's file.
type counter struct{ path string }

// locked calls do with the file, which no other process uses meanwhile, and
// what it says.
func (c counter) locked(do func(f *os.File, s slot) error) error {
	f, err := os.OpenFile(c.path, os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// A counter that was lost must not start at 0 by itself.
		return &Error{err: fmt.Errorf("opening counter: %w", err), hint: "altamga keys count --start N begins to count a key that has made N signatures"}
	case err != nil:
		return explain("opening counter", err)
	}
	defer f.Close()
	if err := lock(f); err != nil {
		return fmt.Errorf("locking counter %s: %w", c.path, err)
	}
	data, err := io.ReadAll(io.LimitReader(f, 2*slotSize+1))
	if err != nil {
		return fmt.Errorf("reading counter %s: %w", c.path, err)
	}
	var newest slot
	some := false
	if len(data) == 2*slotSize {
		for i := range 2 {
			if s, ok := readSlot(data[i*slotSize : (i+1)*slotSize]); ok && (!some || s.sequence > newest.sequence) {
				newest, some = s, true
			}
		}
	}
	if !some {
		return &Error{
			err:  fmt.Errorf("reading counter %s: both of its lines are damaged", c.path),
			hint: "the audit log tells how often the key was used; move the file away and start the counter with that number",
		}
	}
	return do(f, newest)
}

// write makes the next state durable in the slot that is not the newest.
func (c counter) write(f *os.File, now, next slot) error {
	next.sequence = now.sequence + 1
	// Slots of even sequence numbers stand second, so that the newest is never
	// the one written over.
	offset := int64(0)
	if next.sequence%2 == 0 {
		offset = slotSize
	}
	if _, err := f.WriteAt(next.line(), offset); err != nil {
		return fmt.Errorf("writing counter %s: %w", c.path, err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("writing counter %s: %w", c.path, err)
	}
	return nil
}

// take counts up to want uses durably and returns how many it granted: fewer
// near the limit, and [ErrUsedUp] at it. A limit of 0 is none.
func (c counter) take(want, limit uint64) (granted uint64, err error) {
	err = c.locked(func(f *os.File, s slot) error {
		granted = want
		if limit > 0 {
			if s.used >= limit {
				return &Error{
					err:  fmt.Errorf("counting in %s: %w: %d of %d", c.path, ErrUsedUp, s.used, limit),
					hint: "make a new key; whoever raises max-uses answers for it",
				}
			}
			granted = min(want, limit-s.used)
		}
		return c.write(f, s, slot{used: s.used + granted})
	})
	if err != nil {
		return 0, err
	}
	return granted, nil
}

// giveBack takes uses that were not made off the count.
func (c counter) giveBack(unused uint64) error {
	return c.locked(func(f *os.File, s slot) error {
		return c.write(f, s, slot{used: s.used - min(unused, s.used)})
	})
}

// countedKey counts what a key signs.
type countedKey struct {
	crypto.Signer
	counter counter
	limit   uint64

	mu   sync.Mutex
	left uint64 // of the block that was taken
}

// counted makes a key count, when its URI asks for it.
func counted(key crypto.Signer, u URI, baseDir string) (crypto.Signer, error) {
	if u.Counter == "" {
		return key, nil
	}
	k := &countedKey{Signer: key, counter: counter{in(baseDir, u.Counter)}, limit: u.MaxUses}
	// A start without its counter is refused, not the first signature.
	if err := k.counter.locked(func(*os.File, slot) error { return nil }); err != nil {
		return nil, err
	}
	return k, nil
}

// use counts one signature before it is made. One that then fails stays
// counted: it may have left the key.
func (k *countedKey) use() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.left == 0 {
		block := uint64(maxBlock)
		if k.limit > 0 {
			// A crash loses at most a thousandth of what the key may do.
			block = max(1, min(maxBlock, k.limit/1000))
		}
		granted, err := k.counter.take(block, k.limit)
		if err != nil {
			return err
		}
		k.left = granted
	}
	k.left--
	return nil
}

// Sign counts and signs.
func (k *countedKey) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if err := k.use(); err != nil {
		return nil, err
	}
	return k.Signer.Sign(random, digest, opts)
}

// SignContext counts and signs within the context's time.
func (k *countedKey) SignContext(ctx context.Context, random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := k.use(); err != nil {
		return nil, err
	}
	return SignContext(ctx, k.Signer, random, digest, opts)
}

// Close gives back what is left of the block. The key can go on signing.
func (k *countedKey) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var err error
	if k.left > 0 {
		err = k.counter.giveBack(k.left)
	}
	k.left = 0
	return errors.Join(err, Close(k.Signer))
}
