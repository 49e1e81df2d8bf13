package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"

	"github.com/altamga/altamga/internal/durable"
)

// Witness signs the checkpoints of a partner's log, each only when the log has
// gone on from the one before: whoever sees its signature knows that the log
// shows everybody the same. The rules are those of c2sp.org/tlog-witness,
// with files instead of requests.
type Witness struct {
	// Log is the public key of the log.
	Log Verifier
	// Key signs: see [NewCosigner].
	Key *Signer
	// Memory is the file that remembers what was signed, one checkpoint a line;
	// it is made when it is not there. Whoever can take lines from it can have
	// the witness sign a forked log.
	Memory string
}

// Behind says that the request of a log does not begin where the witness's
// memory ends.
type Behind struct {
	// Size of the checkpoint that the witness signed last.
	Size int64
	old  int64
}

func (b *Behind) Error() string {
	return fmt.Sprintf("the proof begins at %d entries, and the checkpoint that was signed last is of %d", b.old, b.Size)
}

// Hint tells what the log's operator should send.
func (b *Behind) Hint() string {
	return fmt.Sprintf("ask the log for: altamga audit prove LOG --since %d", b.Size)
}

// Cosign checks a request, which [ProveConsistency] makes, and returns its
// checkpoint with the witness's signature added. What was signed is on the
// disk before anybody gets it. A log that does not go on from what
// the witness signed last is refused with an error that says so; a request
// that does not begin there with a [*Behind].
func (w Witness) Cosign(request []byte) ([]byte, error) {
	signed, err := w.cosign(request)
	if err != nil {
		return nil, fmt.Errorf("cosigning checkpoint of %s: %w", w.Log.Name(), err)
	}
	return signed, nil
}

func (w Witness) cosign(request []byte) ([]byte, error) {
	f, err := parseProof(request)
	if err != nil || f.line != nil {
		return nil, errors.New("it is not a proof of consistency")
	}
	c, err := parseCheckpoint(f.note, w.Log, nil)
	if err != nil {
		return nil, err
	}
	memory, last, err := w.open()
	if err != nil {
		return nil, fmt.Errorf("reading memory %s: %w", w.Memory, err)
	}
	defer memory.Close()
	if c.Size >= last.Size && f.number != last.Size {
		return nil, &Behind{Size: last.Size, old: f.number}
	}
	if err := consistent(last, c, f); err != nil {
		return nil, err
	}
	n, err := note.Open(c.Note, note.VerifierList(w.Log))
	if err != nil {
		return nil, err
	}
	signed, err := note.Sign(n, w.Key)
	if err != nil {
		return nil, err
	}
	return signed, remember(memory, signed)
}

// open opens the memory, keeps others out of it until it is closed, and
// returns the checkpoint that was signed last.
func (w Witness) open() (f *os.File, last Checkpoint, err error) {
	last = Checkpoint{Origin: w.Log.Name(), Root: new(tree).root()}
	if f, err = os.OpenFile(w.Memory, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
		return nil, last, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	if err = lock(f); err != nil {
		return nil, last, err
	}
	if err = durable.SyncDir(filepath.Dir(w.Memory)); err != nil {
		return nil, last, err
	}
	contents, err := io.ReadAll(f)
	if err != nil {
		return nil, last, err
	}
	// A line without its newline was never answered.
	whole := bytes.LastIndexByte(contents, '\n') + 1
	if whole < len(contents) {
		if err = f.Truncate(int64(whole)); err != nil {
			return nil, last, err
		}
	}
	for line := range bytes.Lines(contents[:whole]) {
		var l remembered
		if err = json.Unmarshal(line, &l); err != nil {
			return nil, last, err
		}
		if last, err = parseCheckpoint([]byte(l.Checkpoint), w.Log, []Verifier{&w.Key.verifier}); err != nil {
			return nil, last, err
		}
	}
	return f, last, nil
}

// remembered is a line of a witness's memory.
type remembered struct {
	Checkpoint string `json:"checkpoint"`
}

func remember(f *os.File, signed []byte) error {
	line, err := json.Marshal(remembered{string(signed)})
	if err != nil {
		return err
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		return err
	}
	return datasync(f)
}
