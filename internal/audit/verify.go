package audit

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// Verify checks a whole log and returns the number of its lines and the hash
// of the last one, to be compared with what was noted elsewhere. An error names
// the first line that is wrong; the count and the hash are then those of the
// lines before it. A last line without its newline is an error here: only
// opening the log may judge it to be the mark of a crash.
func Verify(r io.Reader) (entries int, last [sha256.Size]byte, err error) {
	var at link
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		switch {
		case err == io.EOF && len(line) == 0:
			return int(at.seq), at.hash, nil
		case err == io.EOF:
			err = errors.New("it has no end: the log was cut off, or a crash left it unfinished")
		case err == bufio.ErrBufferFull:
			err = fmt.Errorf("it is longer than %d octets", maxLine)
		case err == nil:
			err = at.follows(bytes.TrimSuffix(line, []byte("\n")))
		}
		if err != nil {
			return int(at.seq), at.hash, fmt.Errorf("verifying audit log: line %d: %w", at.seq+1, err)
		}
		at = at.next(line)
	}
}
