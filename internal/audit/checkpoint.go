package audit

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is a log's signed word for its first Size entries
// (c2sp.org/tlog-checkpoint).
type Checkpoint struct {
	// Origin names the log.
	Origin string
	Size   int64
	// Root is the hash of the Merkle tree over the entries.
	Root tlog.Hash
	// Note is the checkpoint as it was signed, signatures included.
	Note []byte
	// Unknown names the signatures in it that no given key made; nothing is
	// known of them.
	Unknown []string
}

// text is what is signed.
func (c Checkpoint) text() string { return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root) }

// sign makes the signed checkpoint of a tree.
func (t *tree) sign(key *Signer) (Checkpoint, error) {
	c := Checkpoint{Origin: key.Name(), Size: t.size, Root: t.root()}
	var err error
	if c.Note, err = note.Sign(&note.Note{Text: c.text()}, key); err != nil {
		return c, fmt.Errorf("signing checkpoint of %d entries: %w", c.Size, err)
	}
	return c, nil
}

// ParseCheckpoint reads a signed checkpoint. It must be signed with the log's
// key and cosigned by every one of the witnesses.
func ParseCheckpoint(signed []byte, key Verifier, witnesses ...Verifier) (Checkpoint, error) {
	c, err := parseCheckpoint(signed, key, witnesses)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("reading checkpoint: %w", err)
	}
	return c, nil
}

func parseCheckpoint(signed []byte, key Verifier, witnesses []Verifier) (c Checkpoint, err error) {
	if err := canonical(signed); err != nil {
		return c, err
	}
	n, err := note.Open(signed, note.VerifierList(append([]note.Verifier{key}, witnesses...)...))
	if _, ok := errors.AsType[*note.UnverifiedNoteError](err); ok {
		return c, fmt.Errorf("it is not signed with the key of %s", key.Name())
	}
	if err != nil {
		return c, err
	}
	by := func(v Verifier) bool {
		return slices.ContainsFunc(n.Sigs, func(s note.Signature) bool { return s.Name == v.Name() && s.Hash == v.KeyHash() })
	}
	if !by(key) {
		return c, fmt.Errorf("it is not signed with the key of %s", key.Name())
	}
	for _, witness := range witnesses {
		if !by(witness) {
			return c, fmt.Errorf("it is not cosigned by witness %s", witness.Name())
		}
	}
	for _, s := range n.UnverifiedSigs {
		c.Unknown = append(c.Unknown, s.Name)
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[0] != key.Name() {
		return c, errors.New("it is not a checkpoint of " + key.Name())
	}
	c.Origin, c.Note = lines[0], slices.Clone(signed)
	c.Size, err = strconv.ParseInt(lines[1], 10, 64)
	if c.Root, err = parseHash(lines[2], err); err != nil || c.Size < 0 || c.text() != n.Text {
		return c, errors.New("its size and root are malformed")
	}
	return c, nil
}

// parseHash reads a hash in base64, unless there is an error already.
func parseHash(s string, err error) (tlog.Hash, error) {
	var h tlog.Hash
	if err != nil {
		return h, err
	}
	octets, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(octets) != len(h) || strings.ContainsAny(s, "\r\n") {
		return h, fmt.Errorf("%q is not a hash of 32 octets in base64", s)
	}
	copy(h[:], octets)
	return h, nil
}

// canonical refuses a second spelling of a signed note: [note.Open] decodes
// base64 leniently, and two files that differ would both be the checkpoint.
func canonical(signed []byte) error {
	malformed := errors.New("it is not a signed note")
	at := bytes.LastIndex(signed, []byte("\n\n"))
	if at < 0 || !bytes.HasSuffix(signed, []byte("\n")) {
		return malformed
	}
	for line := range bytes.Lines(signed[at+2:]) {
		words := strings.Split(strings.TrimSuffix(string(line), "\n"), " ")
		if len(words) != 3 || words[0] != "—" || strings.ContainsRune(words[2], '\r') {
			return malformed
		}
		if _, err := base64.StdEncoding.Strict().DecodeString(words[2]); err != nil {
			return malformed
		}
	}
	return nil
}

// MergeCheckpoints returns the checkpoint with the signatures of all of the
// files, which must be about the same tree: what several witnesses sent back.
func MergeCheckpoints(signed ...[]byte) ([]byte, error) {
	var merged []byte
	var text []byte
	seen := make(map[string]bool)
	for i, s := range signed {
		if err := canonical(s); err != nil {
			return nil, fmt.Errorf("merging checkpoints: %w", err)
		}
		at := bytes.LastIndex(s, []byte("\n\n")) + 2
		if i == 0 {
			text, merged = s[:at], slices.Clone(s[:at])
		} else if !bytes.Equal(text, s[:at]) {
			return nil, errors.New("merging checkpoints: they are not about the same tree")
		}
		for line := range bytes.Lines(s[at:]) {
			if !seen[string(line)] {
				seen[string(line)] = true
				merged = append(merged, line...)
			}
		}
	}
	return merged, nil
}

// checkpointMark begins the lines of a log that are checkpoints and not
// entries.
const checkpointMark = `{"checkpoint":`

// checkpointLine is a checkpoint in the log: the note, and the edge of the tree
// that it signs, so that opening a log needs no more of it than what follows.
type checkpointLine struct {
	Checkpoint string      `json:"checkpoint"`
	Edge       []tlog.Hash `json:"edge"`
}

// line encodes a checkpoint of the tree as a line of the log.
func (t *tree) line(c Checkpoint) ([]byte, error) {
	edge := t.edge
	if edge == nil {
		edge = []tlog.Hash{}
	}
	b := new(bytes.Buffer)
	if err := addJSON(b, checkpointLine{string(c.Note), edge}); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// parseCheckpointLine reads a line with its newline. Every octet of it counts:
// it must be as line wrote it.
func parseCheckpointLine(line []byte, key Verifier) (Checkpoint, *tree, error) {
	malformed := errors.New("it is not a checkpoint as this log writes them")
	var l checkpointLine
	if err := json.Unmarshal(line, &l); err != nil {
		return Checkpoint{}, nil, malformed
	}
	c, err := parseCheckpoint([]byte(l.Checkpoint), key, nil)
	if err != nil {
		return c, nil, err
	}
	t := &tree{size: c.Size, edge: l.Edge}
	again, err := t.line(c)
	switch {
	case err != nil || len(c.Unknown) > 0 || !bytes.Equal(again, line):
		return c, nil, malformed
	case !t.fits() || t.root() != c.Root:
		return c, nil, errors.New("the edge of its tree is not that of its root")
	}
	return c, t, nil
}
