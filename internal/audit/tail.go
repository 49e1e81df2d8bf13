package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// tailWindow is how much of a log's end is checked when it is opened: enough
// for thousands of lines, and read in milliseconds however long the log is.
const tailWindow = 1 << 20

// readTail checks the lines in the last part of a log of size octets and
// returns the place in the chain after the last whole line and the length of
// the log up to there. Octets after that are a line without its newline.
func readTail(r io.ReaderAt, size int64) (at link, whole int64, err error) {
	start := max(0, size-tailWindow)
	window := make([]byte, size-start)
	if _, err := r.ReadAt(window, start); err != nil && err != io.EOF {
		return link{}, 0, err
	}
	end := bytes.LastIndexByte(window, '\n') + 1
	if len(window)-end > maxLine {
		return link{}, 0, fmt.Errorf("its last line is longer than %d octets", maxLine)
	}
	window = window[:end]
	whole = start + int64(end)
	if start > 0 {
		// The window begins within a line; the first line that is whole in it is
		// taken at its word, and the chain is checked from there.
		cut := bytes.IndexByte(window, '\n') + 1
		if window = window[cut:]; len(window) == 0 {
			return link{}, 0, errors.New("its end is not a line of an audit log")
		}
		first, err := parseLine(window[:bytes.IndexByte(window, '\n')])
		if err != nil {
			return link{}, 0, fmt.Errorf("the line at octet %d: %w", start+int64(cut), err)
		}
		at.seq = first.Seq - 1
		hex.Decode(at.hash[:sha256.Size], []byte(first.Prev))
	}
	for len(window) > 0 {
		end := bytes.IndexByte(window, '\n')
		if err := at.follows(window[:end]); err != nil {
			return link{}, 0, fmt.Errorf("line %d: %w", at.seq+1, err)
		}
		at = at.next(window[:end+1])
		window = window[end+1:]
	}
	return at, whole, nil
}
