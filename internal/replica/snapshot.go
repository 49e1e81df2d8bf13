package replica

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/journal/column"
)

// A snapshot is a text of lines, each a JSON object:
//
//	{"snapshot":2,"origin":"pki.example/audit","position":7,"anchor":"9c1e...","at":"2026-11-22T10:00:00Z","statuses":2}
//	{"issuer":"ehm","serial":"1f","profile":"citizen-signature","state":"valid","version":5}
//	{"issuer":"ehm","serial":"2e","profile":"citizen-signature","state":"revoked","reason":"keyCompromise","since":"2026-11-22T09:59:00Z","version":7}
//	{"hash":"77ab...","signature":"Az3g..."}
//
// The first says of which log, up to which position of the journal, with what
// entry there, and of when; the last has the SHA-256 hash of all lines before
// it, and a signature over origin, position and hash. Every line has one
// spelling only. It is read once, from the front, and nothing of it is believed
// before its end.

// snapshotVersion is the version of the form above.
const snapshotVersion = 2

// maxLine bounds a line of a snapshot in octets: a status with four holds has
// some hundred.
const maxLine = 4 << 10

// Signer signs snapshots: the key of the authority's audit log, under the name
// of that log.
type Signer interface {
	Name() string
	Sign(text []byte) ([]byte, error)
}

// Verifier is the public half of a Signer.
type Verifier interface {
	Name() string
	Verify(text, signature []byte) bool
}

// signed is what a snapshot's signature is over. Its first line keeps it apart
// from the checkpoints of the log, which begin with the log's name: no name
// has a space in it.
func signed(origin string, position uint64, hash []byte) []byte {
	return fmt.Appendf(nil, "altamga register snapshot\n%s\n%d\n%x\n", origin, position, hash)
}

// Head is the first line of a snapshot.
type Head struct {
	Version int `json:"snapshot"`
	// Origin is the name of the log whose key signs.
	Origin string `json:"origin"`
	// Position is that of the last entry that went into the statuses.
	Position uint64 `json:"position"`
	// Anchor is that entry's hash in hexadecimal, by [HashEntry]; empty at 0.
	Anchor string `json:"anchor"`
	// At is the moment as of which the statuses are certain, by the clock of who
	// made the snapshot.
	At time.Time `json:"at"`
	// Statuses is how many there are.
	Statuses int64 `json:"statuses"`
}

// tail is the last line.
type tail struct {
	Hash      string `json:"hash"`
	Signature []byte `json:"signature"`
}

// SnapshotWriter writes a snapshot.
type SnapshotWriter struct {
	out    *bufio.Writer
	hash   hash.Hash
	signer Signer
	head   Head
	count  int64
}

// NewSnapshot writes the first line of a snapshot of so many statuses. last is
// the journal's last entry, the zero Entry for an empty one, and at the moment
// before the statuses were read.
func NewSnapshot(w io.Writer, signer Signer, last journal.Entry, at time.Time, statuses int64) (*SnapshotWriter, error) {
	s := &SnapshotWriter{out: bufio.NewWriter(w), hash: sha256.New(), signer: signer}
	s.head = Head{Version: snapshotVersion, Origin: signer.Name(), Position: last.Position, At: at.UTC().Truncate(time.Microsecond), Statuses: statuses}
	if last.Position > 0 {
		hash, err := HashEntry(last)
		if err != nil {
			return nil, err
		}
		s.head.Anchor = hex.EncodeToString(hash)
	}
	return s, s.write(s.head)
}

func (s *SnapshotWriter) write(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing snapshot: %w", err)
	}
	text = append(text, '\n')
	s.hash.Write(text)
	if _, err := s.out.Write(text); err != nil {
		return fmt.Errorf("writing snapshot: %w", err)
	}
	return nil
}

// Add writes the status of a serial that was issued or abandoned.
func (s *SnapshotWriter) Add(standing journal.Standing) error {
	s.count++
	return s.write(standing)
}

// Close signs and ends the snapshot; the underlying writer stays open.
func (s *SnapshotWriter) Close() error {
	if s.count != s.head.Statuses {
		return fmt.Errorf("writing snapshot: %d statuses were to come, and %d came", s.head.Statuses, s.count)
	}
	sum := s.hash.Sum(nil)
	signature, err := s.signer.Sign(signed(s.head.Origin, s.head.Position, sum))
	if err != nil {
		return fmt.Errorf("signing snapshot: %w", err)
	}
	if err := s.write(tail{hex.EncodeToString(sum), signature}); err != nil {
		return err
	}
	if err := s.out.Flush(); err != nil {
		return fmt.Errorf("writing snapshot: %w", err)
	}
	return nil
}

// ErrSnapshot says that a snapshot is not one that can be relied on: altered,
// cut short, or of another log.
var ErrSnapshot = errors.New("the snapshot is not to be relied on")

func untrusted(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrSnapshot, fmt.Errorf(format, args...))
}

// ReadSnapshot calls begin with the head of a snapshot, then add for each of
// its statuses. Only when it returns nil was any of it true; whoever has kept
// something of it forgets that otherwise. Errors of begin and add are returned
// as they are.
func ReadSnapshot(in io.Reader, key Verifier, begin func(Head) error, add func(journal.Standing) error) error {
	r := &reader{in: bufio.NewReaderSize(in, maxLine), hash: sha256.New()}
	var head Head
	if err := r.read(&head); err != nil {
		return err
	}
	if err := head.check(key); err != nil {
		return err
	}
	if err := begin(head); err != nil {
		return err
	}
	for range head.Statuses {
		var s journal.Standing
		if err := r.read(&s); err != nil {
			return err
		}
		if err := head.checkStanding(s); err != nil {
			return untrusted("line %d: %w", r.line, err)
		}
		if err := add(s); err != nil {
			return err
		}
	}
	sum := r.hash.Sum(nil)
	var end tail
	if err := r.read(&end); err != nil {
		return err
	}
	if end.Hash != hex.EncodeToString(sum) {
		return untrusted("its lines are not those that were signed")
	}
	if !key.Verify(signed(head.Origin, head.Position, sum), end.Signature) {
		return untrusted("it is not signed with the key of %s", key.Name())
	}
	if _, err := r.in.ReadByte(); err != io.EOF {
		return errors.Join(untrusted("something follows its last line"), onlyIf(err))
	}
	return nil
}

func onlyIf(err error) error {
	if err == nil || err == io.EOF {
		return nil
	}
	return fmt.Errorf("reading snapshot: %w", err)
}

type reader struct {
	in   *bufio.Reader
	hash hash.Hash
	line int
}

// read reads a line in the spelling that write gives it.
func (r *reader) read(into any) error {
	r.line++
	text, err := r.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return untrusted("line %d has more than %d octets", r.line, maxLine)
	case errors.Is(err, io.EOF):
		return untrusted("it ends in line %d", r.line)
	case err != nil:
		return fmt.Errorf("reading snapshot: %w", err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return untrusted("line %d is malformed", r.line)
	}
	again, err := json.Marshal(into)
	if err != nil || !bytes.Equal(append(again, '\n'), text) {
		return untrusted("line %d is not in the one form", r.line)
	}
	r.hash.Write(text)
	return nil
}

func (h Head) check(key Verifier) error {
	anchor, err := hex.DecodeString(h.Anchor)
	switch {
	case h.Version != snapshotVersion:
		return untrusted("it is of version %d, and this program knows %d", h.Version, snapshotVersion)
	case h.Origin != key.Name():
		return untrusted("it is one of %q and not of %q", h.Origin, key.Name())
	case err != nil || len(anchor) != sha256.Size && h.Position > 0 || len(anchor) != 0 && h.Position == 0:
		return untrusted("its anchor is malformed")
	case h.Position > 1<<62 || h.Statuses < 0 || uint64(h.Statuses) > h.Position:
		return untrusted("it has %d statuses at position %d", h.Statuses, h.Position)
	case h.At.IsZero() || !journal.Tellable(h.At):
		return untrusted("its time is none")
	}
	return nil
}

// checkStanding refuses a status that no journal can lead to, so that the next
// entry finds one that it can be folded into.
func (h Head) checkStanding(s journal.Standing) error {
	if _, err := column.Serial(s.Serial); err != nil {
		return err
	}
	held := s.State == journal.OnHold
	switch {
	case s.Issuer == "":
		return errors.New("it names no issuer")
	case s.Version == 0 || s.Version > h.Position:
		return fmt.Errorf("version %d is none of a journal of %d entries", s.Version, h.Position)
	case s.State != journal.Valid && s.State != journal.OnHold && s.State != journal.Gone:
		return fmt.Errorf("state %q is none of a certificate", s.State)
	case held != (len(s.Holds) > 0), held != (s.Reason == journal.CertificateHold):
		return errors.New("holds and state do not go together")
	case (s.State == journal.Valid) != s.Since.IsZero():
		return errors.New("state and time do not go together")
	case !journal.Tellable(s.Since), !journal.Tellable(s.InvalidityDate):
		return errors.New("a time cannot be told")
	case s.State == journal.Valid && s.Reason != journal.Unspecified:
		return errors.New("a reason without a revocation")
	}
	owners := map[journal.Owner]bool{}
	for _, h := range s.Holds {
		if _, err := journal.ParseOwner(string(h.Owner)); err != nil {
			return err
		}
		if owners[h.Owner] || h.Since.IsZero() || !journal.Tellable(h.Since) {
			return fmt.Errorf("a hold of %s stands twice or without a time", h.Owner)
		}
		owners[h.Owner] = true
	}
	return nil
}
