package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// tailWindow is how much of a log's end is checked at least when it is opened:
// thousands of lines, read in milliseconds however long the log is.
const tailWindow = 1 << 20

// readTail checks the last part of a log of size octets, back to its last
// checkpoint and at least tailWindow, and returns what it found and the length
// of the log up to its last whole line. Octets after that are a line without
// its newline. A log without a checkpoint is read from its beginning.
func readTail(r io.ReaderAt, size int64, key Verifier) (s *scanner, whole int64, err error) {
	s = &scanner{key: key}
	if whole, err = wholeLines(r, size); err != nil {
		return nil, 0, err
	}
	sealed, err := lastCheckpoint(r, whole)
	if err != nil {
		return nil, 0, err
	}
	start := max(0, min(sealed, whole-tailWindow))
	if start > 0 && start != sealed {
		// The window begins within a line, unless by chance: its first whole line
		// is the one after the next newline.
		if start, err = nextLine(r, start); err != nil {
			return nil, 0, err
		}
	}
	if start == 0 {
		s.begun, s.tree = true, new(tree)
	}
	if err := s.lines(io.NewSectionReader(r, start, whole-start)); err != nil {
		return nil, 0, fmt.Errorf("line after entry %d: %w", s.at.seq, err)
	}
	return s, whole, nil
}

// wholeLines returns the length of a log without an unfinished last line.
func wholeLines(r io.ReaderAt, size int64) (int64, error) {
	start := max(0, size-maxLine-1)
	end := make([]byte, size-start)
	if _, err := r.ReadAt(end, start); err != nil && err != io.EOF {
		return 0, err
	}
	at := bytes.LastIndexByte(end, '\n') + 1
	if len(end)-at > maxLine {
		return 0, fmt.Errorf("its last line is longer than %d octets", maxLine)
	}
	return start + int64(at), nil
}

// nextLine returns where the first line begins that begins after start.
func nextLine(r io.ReaderAt, start int64) (int64, error) {
	window := make([]byte, maxLine)
	n, err := r.ReadAt(window, start)
	if err != nil && err != io.EOF {
		return 0, err
	}
	at := bytes.IndexByte(window[:n], '\n')
	if at < 0 {
		return 0, errors.New("its end is not a line of an audit log")
	}
	return start + int64(at) + 1, nil
}

// lastCheckpoint returns where the last line begins that is a checkpoint, or 0
// when there is none. No entry can be mistaken for one: an entry holds no
// newline, and begins otherwise.
func lastCheckpoint(r io.ReaderAt, size int64) (int64, error) {
	mark := []byte("\n" + checkpointMark)
	window := make([]byte, tailWindow)
	for end := size; end > 0; {
		start := max(0, end-tailWindow)
		n, err := r.ReadAt(window[:end-start], start)
		if err != nil && err != io.EOF {
			return 0, err
		}
		if at := bytes.LastIndex(window[:n], mark); at >= 0 {
			return start + int64(at) + 1, nil
		}
		if start == 0 {
			break
		}
		// A mark may lie across the border.
		end = start + int64(len(mark)) - 1
	}
	return 0, nil
}
