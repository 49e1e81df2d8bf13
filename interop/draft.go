package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Draft is a list on its way.
type Draft struct {
	Sequence uint64 `json:"sequence"`
	// Digest is the SHA-256 hash of the unsigned list: what the second officer
	// signs, and nothing else.
	Digest     string    `json:"digest"`
	PreparedBy string    `json:"prepared_by"`
	PreparedAt time.Time `json:"prepared_at"`
	// Follows is the digest of the published list that it is made after, "" for
	// the first.
	Follows  string    `json:"follows,omitempty"`
	SignedBy string    `json:"signed_by,omitempty"`
	SignedAt time.Time `json:"signed_at,omitzero"`
	// Changes tell people what it changes.
	Changes []string `json:"changes"`
}

// Files of a draft.
const (
	draftFile    = "draft.json"
	unsignedFile = "unsigned.xml"
	signedFile   = "signed.xml"
)

// tells has the draft say what the list changes.
func (d *Draft) tells(before, l *List) {
	d.Sequence, d.Changes = l.Scheme.SequenceNumber, []string{"scheme: the first list"}
	if before == nil {
		return
	}
	d.Changes = nil
	for _, change := range Diff(before, l) {
		d.Changes = append(d.Changes, change.String())
	}
}

// Draft returns the draft and its unsigned list; [fs.ErrNotExist] when there is
// none. What it changes is made out anew from the lists themselves: the digest,
// by which it is signed, is of the list alone.
func (d *Desk) Draft() (*Draft, []byte, error) {
	record, err := os.ReadFile(d.store.draft(draftFile))
	if err != nil {
		return nil, nil, err
	}
	var draft Draft
	if err := json.Unmarshal(record, &draft); err != nil {
		return nil, nil, fmt.Errorf("reading draft: %w", err)
	}
	data, err := os.ReadFile(d.store.draft(unsignedFile))
	if err != nil {
		return nil, nil, err
	}
	if digestOf(data) != draft.Digest {
		return nil, nil, errors.New("the draft was changed since it was prepared: prepare it again")
	}
	l, err := Read(data)
	if err != nil {
		return nil, nil, fmt.Errorf("reading draft: %w", err)
	}
	var before *List
	switch current, err := d.Current(); {
	case err == nil:
		before = current.List
	case !errors.Is(err, fs.ErrNotExist):
		return nil, nil, fmt.Errorf("reading the published list: %w", err)
	}
	draft.tells(before, l)
	return &draft, data, nil
}
