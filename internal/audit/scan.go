package audit

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"
)

// scanner walks over the lines of a log and holds each to those before it.
type scanner struct {
	key Verifier
	// at is the place in the chain after the last line. Unless begun, the first
	// line is taken at its word about what came before it.
	at    link
	begun bool
	// tree is that of the entries up to at; nil until it is known. The first
	// checkpoint that is met makes it known.
	tree *tree
	// last is the last checkpoint, the one of number checkpoints.
	last        Checkpoint
	checkpoints int
	// entry is called for each entry that is right, unless it is nil.
	entry func(Entry) error
}

// errUnfinished says that the last line has no newline.
var errUnfinished = errors.New("it has no end: the log was cut off, or a crash left it unfinished")

// lines takes lines until the end of r.
func (s *scanner) lines(r io.Reader) error { return eachLine(r, s.line) }

// eachLine reads lines, with their newlines, until the end of r.
func eachLine(r io.Reader, do func(line []byte) error) error {
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		switch {
		case err == io.EOF && len(line) == 0:
			return nil
		case err == io.EOF:
			err = errUnfinished
		case err == bufio.ErrBufferFull:
			err = fmt.Errorf("it is longer than %d octets", maxLine)
		case err == nil:
			err = do(line)
		}
		if err != nil {
			return err
		}
	}
}

// line takes one line with its newline.
func (s *scanner) line(line []byte) error {
	if bytes.HasPrefix(line, []byte(checkpointMark)) {
		return s.checkpoint(line)
	}
	whole := bytes.TrimSuffix(line, []byte("\n"))
	if !s.begun {
		first, err := parseLine(whole)
		if err != nil {
			return err
		}
		s.at.seq = first.Seq - 1
		hex.Decode(s.at.hash[:], []byte(first.prev))
		s.begun = true
	}
	entry, err := s.at.follows(whole)
	if err != nil {
		return err
	}
	s.at = s.at.next(line)
	if s.tree != nil {
		s.tree.add(tlog.RecordHash(line), nil)
	}
	if s.entry == nil {
		return nil
	}
	entry.Line = line
	return s.entry(entry)
}

// checkpoint takes a line that is a checkpoint.
func (s *scanner) checkpoint(line []byte) error {
	if s.key == nil {
		return errors.New("it is a checkpoint, and the log's key is not known")
	}
	c, t, err := parseCheckpointLine(line, s.key)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if !s.begun {
		s.at.seq, s.begun = uint64(c.Size), true
	}
	if s.tree == nil {
		s.tree = t
	}
	switch {
	case uint64(c.Size) != s.at.seq:
		return fmt.Errorf("checkpoint: it is one of %d entries and stands after %d", c.Size, s.at.seq)
	case s.tree.root() != c.Root:
		return errors.New("checkpoint: the entries before it are not those that it was signed for")
	}
	s.at = s.at.sealed(line)
	s.last, s.checkpoints = c, s.checkpoints+1
	return nil
}
