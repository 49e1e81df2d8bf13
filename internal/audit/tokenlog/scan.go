package tokenlog

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/altamga/altamga/internal/audit"
)

const (
	dayForm   = "2006-01-02"
	logEnding = ".log"
	// maxHeader bounds the header line.
	maxHeader = 8 << 10
)

// header is the first line of a day's file.
type header struct {
	Journal string `json:"journal"`
	Day     string `json:"day"`
	// Size and Edge are the tree of all records before.
	Size int64       `json:"size"`
	Edge []tlog.Hash `json:"edge"`
}

func (h header) line() ([]byte, error) {
	line, err := json.Marshal(h)
	return append(line, '\n'), err
}

// days returns the days of a journal in order.
func days(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if day, ok := strings.CutSuffix(e.Name(), logEnding); ok {
			if _, err := time.Parse(dayForm, day); err != nil {
				return nil, fmt.Errorf("%s is not a file of a token journal", e.Name())
			}
			out = append(out, day)
		}
	}
	slices.Sort(out)
	return out, nil
}

// readHeader reads the header of a day's file, every octet of which counts.
func readHeader(r *bufio.Reader, day string) (h header, tree *audit.Tree, length int64, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil || len(line) > maxHeader {
		return h, nil, 0, errors.New("it has no header")
	}
	malformed := errors.New("its header is malformed")
	if err := json.Unmarshal(line, &h); err != nil {
		return h, nil, 0, malformed
	}
	if again, err := h.line(); err != nil || !bytes.Equal(again, line) || h.Day != day || h.Size < 0 {
		return h, nil, 0, malformed
	}
	if tree, err = audit.NewTree(h.Size, h.Edge); err != nil {
		return h, nil, 0, malformed
	}
	return h, tree, int64(len(line)), nil
}

// visit is what is done with the parts of a day's file; each may be nil.
type visit struct {
	header func(header) error
	// record is given each record, its octets and the tree before it.
	record func(r Record, octets []byte, before *audit.Tree) error
	// node is given the nodes that the records complete: see [audit.Tree.Add].
	node func(index int64, node tlog.Hash)
}

// errEnough ends a visit without an error.
var errEnough = errors.New("enough")

// scan reads a day's file. It returns the tree with all of its records, where
// they end, and what follows.
func scan(dir, day string, v visit) (tree *audit.Tree, end int64, rest remains, err error) {
	f, err := os.Open(filepath.Join(dir, day+logEnding))
	if err != nil {
		return nil, 0, rest, err
	}
	defer f.Close()
	buffered := bufio.NewReaderSize(f, 1<<20)
	h, tree, end, err := readHeader(buffered, day)
	if err == nil && v.header != nil {
		err = v.header(h)
	}
	var octets [size]byte
	for err == nil {
		n, short := io.ReadFull(buffered, octets[:])
		if short != nil && short != io.EOF && short != io.ErrUnexpectedEOF {
			return tree, end, rest, short
		}
		r, damaged := ParseRecord(octets[:n])
		if damaged != nil {
			rest, err = readRemains(octets[:n], end, buffered)
			return tree, end, rest, err
		}
		if v.record != nil {
			if err = v.record(r, octets[:], tree); err != nil {
				break
			}
		}
		tree.Add(octets[:], v.node)
		end += size
	}
	if errors.Is(err, errEnough) {
		err = nil
	}
	return tree, end, rest, err
}

// remains are what follows the last record that is in order and is not zeros
// that were written ahead: nothing, unless a write was cut short, or worse.
type remains struct {
	octets int64
	// altered says that they are more than a crash can have left: a record that
	// was written whole, is damaged, and has whole ones behind it.
	altered bool
}

// torn reports whether a crash can have left them. Nobody was told then that any
// of it was written.
func (r remains) torn() bool { return r.octets <= maxTorn && !r.altered }

// sector is what a disk writes whole or not at all.
const sector = 512

// readRemains reads what follows from the first damaged record, which stands at
// a place in the file. Zeros of a whole sector in it are what a crash has left
// unwritten: what stands behind them belongs to the same write.
func readRemains(first []byte, at int64, more io.Reader) (r remains, err error) {
	written := true
	for from := 0; from < len(first); {
		to := min(len(first), from+sector-int((at+int64(from))%sector))
		written = written && !zero(first[from:to])
		from = to
	}
	var octets [size]byte
	n := copy(octets[:], first)
	for read := int64(0); n > 0; {
		if last := len(bytes.TrimRight(octets[:n], "\x00")); last > 0 {
			r.octets = read + int64(last)
		}
		if _, damaged := ParseRecord(octets[:n]); damaged == nil {
			r.altered = written
		}
		read += int64(n)
		if n, err = io.ReadFull(more, octets[:]); err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return r, err
		}
	}
	return r, nil
}

func zero(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }

// readRoot reads a day's signed root; fs.ErrNotExist when the day has none yet.
func readRoot(dir, day string, key audit.Verifier) (audit.Checkpoint, *audit.Tree, error) {
	line, err := os.ReadFile(filepath.Join(dir, day+rootEnding))
	if err != nil {
		return audit.Checkpoint{}, nil, err
	}
	c, tree, err := audit.ParseSigned(line, key)
	if err != nil {
		return c, nil, fmt.Errorf("%s: %w", day+rootEnding, err)
	}
	return c, tree, nil
}

// missing reports whether a file is not there.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
