package ceremony

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/altamga/altamga/internal/durable"
)

// What a line of the minutes tells. Lines other than of these kinds do not
// occur.
const (
	eventOpened    = "opened"    // first line: plan, manifest, officers
	eventConfirmed = "confirmed" // an officer's confirmation was verified
	eventBegun     = "begun"     // enough confirmations, and nothing in the way
	eventResumed   = "resumed"   // an interrupted ceremony goes on
	eventIntent    = "intent"    // what a step is about to do
	eventAudit     = "audit"     // right before a key signs or a status changes
	eventDone      = "done"      // what a step did
	eventStopped   = "stopped"   // why a step was not done
	eventClosed    = "closed"    // every step is done
	eventSignature = "signature" // under the closed minutes
	eventRequest   = "stamp-request"
	eventStamp     = "stamp"
)

// Line is one line of the minutes. Its hash covers all other fields, and so,
// by Previous, every line before it.
type Line struct {
	// Seq counts from 1.
	Seq   int       `json:"seq"`
	At    time.Time `json:"at"`
	Event string    `json:"event"`
	Step  string    `json:"step,omitempty"`
	// Text says it to people.
	Text  string `json:"text"`
	Facts []Fact `json:"facts,omitempty"`
	// Inputs and Outputs are the files that were read and written.
	Inputs  []File `json:"inputs,omitempty"`
	Outputs []File `json:"outputs,omitempty"`
	// Data is what the line is about, octet for octet: the manifest, a
	// confirmation, bytes to be signed, a certificate, a signature.
	Data     []byte `json:"data,omitempty"`
	Previous string `json:"previous"`
	Hash     string `json:"hash"`
}

// Fact is a named value.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func (l *Line) fact(name string) string {
	for _, f := range l.Facts {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// encode returns the line as the file has it, without its end.
func (l *Line) encode() ([]byte, error) { return json.Marshal(l) }

// digest computes the line's hash: SHA-256 of its encoding with an empty hash.
func (l Line) digest() (string, error) {
	l.Hash = ""
	data, err := l.encode()
	return hash(data), err
}

// maxMinutes bounds the minutes in octets.
const maxMinutes = 64 << 20

// errTorn is a last line that was cut off in writing.
var errTorn = errors.New("the last line is cut off")

// parseMinutes reads minutes and checks that every line is whole and linked to
// the one before. With a last line that was cut off it returns the lines before
// it and errTorn.
func parseMinutes(data []byte) ([]Line, error) {
	var lines []Line
	previous := ""
	for len(data) > 0 {
		n := len(lines) + 1
		text, rest, ended := bytes.Cut(data, []byte("\n"))
		if !ended {
			return lines, errTorn
		}
		var l Line
		if err := json.Unmarshal(text, &l); err != nil {
			return lines, fmt.Errorf("line %d is not a line of minutes", n)
		}
		// Written again it must be the same octets: nothing hides in white
		// space, doubled keys or other spellings.
		again, err := l.encode()
		if err != nil || !bytes.Equal(again, text) {
			return lines, fmt.Errorf("line %d is not as it was written", n)
		}
		digest, err := l.digest()
		switch {
		case err != nil:
			return lines, err
		case l.Hash != digest:
			return lines, fmt.Errorf("line %d does not have its hash: it was changed", n)
		case l.Seq != n || l.Previous != previous:
			return lines, fmt.Errorf("line %d is not linked to the one before it: a line was removed, added or moved", n)
		case n > 1 && l.At.Before(lines[n-2].At):
			return lines, fmt.Errorf("line %d is older than the one before it", n)
		}
		lines, previous, data = append(lines, l), l.Hash, rest
	}
	return lines, nil
}

// minutes are the lines and the file that they are in.
type minutes struct {
	lines []Line
	file  *os.File // nil in a dry run
	torn  bool     // a cut-off line was removed on opening
	// broken is why nothing more can be written: what a failed write left in
	// the file is for the next run to remove.
	broken error
}

// MinutesFile is where the minutes of a plan in dir are.
func MinutesFile(plan *Plan, dir string) string {
	return filepath.Join(dir, filepath.FromSlash(plan.Minutes), plan.Ceremony+".jsonl")
}

// openMinutes opens the minutes at path, made if absent, for this process
// alone. A last line that was cut off was never acted upon, and is removed.
func openMinutes(path string) (*minutes, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("opening minutes: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening minutes: %w", err)
	}
	m := &minutes{file: f}
	if err := lock(f); err != nil {
		f.Close()
		return nil, refuse("one process carries out a ceremony; wait for it, or end it", "opening minutes %s: %w", path, err)
	}
	if err := m.load(path); err != nil {
		f.Close()
		return nil, err
	}
	return m, nil
}

func (m *minutes) load(path string) error {
	data, err := readMinutes(path)
	if err != nil {
		return err
	}
	m.lines, err = parseMinutes(data)
	if errors.Is(err, errTorn) {
		m.torn = true
		if err := m.file.Truncate(int64(bytes.LastIndexByte(data, '\n') + 1)); err != nil {
			return fmt.Errorf("opening minutes: %w", err)
		}
		err = m.file.Sync()
	}
	if err != nil {
		return refuse("keep the file as it is and compare it with its copies", "opening minutes %s: %w", path, err)
	}
	return durable.SyncDir(filepath.Dir(path))
}

func readMinutes(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading minutes: %w", err)
	}
	if info.Size() > maxMinutes {
		return nil, fmt.Errorf("reading minutes: %s is larger than %d octets", path, maxMinutes)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading minutes: %w", err)
	}
	return data, nil
}

// append adds a line; it is on the disk when append returns nil.
func (m *minutes) append(l Line) error {
	if m.broken != nil {
		return m.broken
	}
	l.Seq, l.At = len(m.lines)+1, time.Now().UTC().Truncate(time.Millisecond)
	if last := m.last(); last != nil {
		l.Previous = last.Hash
		if l.At.Before(last.At) {
			return refuse("set the machine's clock", "writing minutes: the clock stands at %s, before the last line's %s", l.At.Format(time.RFC3339), last.At.Format(time.RFC3339))
		}
	}
	var err error
	if l.Hash, err = l.digest(); err != nil {
		return fmt.Errorf("writing minutes: %w", err)
	}
	data, err := l.encode()
	if err != nil {
		return fmt.Errorf("writing minutes: %w", err)
	}
	if m.file != nil {
		_, err := m.file.Write(append(data, '\n'))
		if err == nil {
			err = m.file.Sync()
		}
		if err != nil {
			m.broken = fmt.Errorf("writing minutes: %w", err)
			return m.broken
		}
	}
	m.lines = append(m.lines, l)
	return nil
}

func (m *minutes) last() *Line {
	if len(m.lines) == 0 {
		return nil
	}
	return &m.lines[len(m.lines)-1]
}

// find returns the first line of an event and step, or nil.
func find(lines []Line, event, step string) *Line {
	i := slices.IndexFunc(lines, func(l Line) bool { return l.Event == event && l.Step == step })
	if i < 0 {
		return nil
	}
	return &lines[i]
}

func (m *minutes) close() error {
	if m.file == nil {
		return nil
	}
	err := m.file.Close()
	if errors.Is(err, fs.ErrClosed) {
		return nil
	}
	return err
}
