package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Deed is what the audit log took down of the desk: the attributes are those
// that [DeskConfig].Audit was given.
type Deed struct {
	Action    string    `json:"-"`
	At        time.Time `json:"-"`
	Officer   string    `json:"officer"`
	Digest    string    `json:"digest"`
	Follows   string    `json:"follows"`
	Territory string    `json:"territory"`
	// Record is the digest of a partner's record after a step.
	Record string `json:"record"`
}

// ErrContradicted: the desk's folder says otherwise than the audit log, so
// somebody changed it past the desk.
var ErrContradicted = errors.New("the desk's folder says otherwise than the audit log")

// past is what the audit log says: the folder is believed where it agrees.
type past struct {
	// prepared is how the last draft was made, and signed how it was signed. What
	// was prepared before gave way, whoever signed it.
	prepared, signed Deed
	// steps are the last ones by the partner's territory.
	steps map[string]Deed
}

// past reads the audit log.
func (d *Desk) past() (*past, error) {
	p := &past{steps: map[string]Deed{}}
	err := d.config.Recorded(func(deed Deed) {
		state, ofPartner := strings.CutPrefix(deed.Action, "partner.")
		switch {
		case deed.Action == "list.prepare":
			p.prepared, p.signed = deed, Deed{}
		case deed.Action == "list.sign" && deed.Digest == p.prepared.Digest:
			p.signed = deed
		case ofPartner && PartnerState(state).known():
			p.steps[deed.Territory] = deed
		}
	})
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	return p, nil
}

// freshness is how old a draft may be when it is signed and published: its dates
// are of the day it was prepared.
const freshness = 7 * 24 * time.Hour

// attest holds what a draft says of its officers against the log, which alone
// is believed: it is the last that was prepared, not long ago, and who prepared
// and signed it are officers still.
func (d *Desk) attest(draft *Draft) error {
	told, err := d.past()
	if err != nil {
		return err
	}
	made := told.prepared
	switch {
	case made.Digest != draft.Digest:
		return fmt.Errorf("%w: the list that was prepared last is another one than that of the digest %s: prepare it again", ErrContradicted, draft.Digest)
	case made.Officer != draft.PreparedBy:
		return fmt.Errorf("%w: %s prepared the draft, and not %s", ErrContradicted, made.Officer, draft.PreparedBy)
	case made.Follows != draft.Follows:
		return fmt.Errorf("%w: the draft was prepared after another list", ErrContradicted)
	case draft.SignedBy != "" && told.signed.Officer != draft.SignedBy:
		return fmt.Errorf("%w: %s did not sign the draft", ErrContradicted, draft.SignedBy)
	case time.Since(made.At) > freshness:
		return fmt.Errorf("the draft was prepared on %s: prepare it again", made.At.Format(time.DateOnly))
	}
	for _, name := range []string{draft.PreparedBy, draft.SignedBy} {
		if name != "" && !slices.ContainsFunc(d.config.Officers, func(o Officer) bool { return o.Name == name }) {
			return fmt.Errorf("%s is no officer any more: prepare the draft again", name)
		}
	}
	return nil
}

// record reads a partner's record as the log's last step left it. A crash
// between the log and the folder leaves it under its second name.
func (d *Desk) record(territory string, told *past) (*Partner, error) {
	last, logged := told.steps[territory]
	p, data, err := d.store.partner(territory)
	if errors.Is(err, fs.ErrNotExist) && !logged || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil && logged && digestOf(data) == last.Record {
		return p, nil
	}
	if next, readErr := os.ReadFile(d.store.partnerFile(territory) + nextSuffix); readErr == nil && logged && digestOf(next) == last.Record {
		return parsePartner(territory, next)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the record of %s is gone: propose it again: %w", ErrContradicted, territory, err)
	}
	return nil, fmt.Errorf("%w: the record of %s is not the one of its last step: put that back, or take the record away and propose it again", ErrContradicted, territory)
}

// settle puts records in place that a crash left under their second names,
// before a next step takes that name. One that the log does not have is of a
// step that was not made.
func (d *Desk) settle() error {
	names, err := filepath.Glob(filepath.Join(d.config.Dir, "partners", "??.json"+nextSuffix))
	if err != nil || len(names) == 0 {
		return err
	}
	told, err := d.past()
	if err != nil {
		return err
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if last, ok := told.steps[filepath.Base(name)[:2]]; ok && digestOf(data) == last.Record {
			if err := os.Rename(name, strings.TrimSuffix(name, nextSuffix)); err != nil {
				return err
			}
		}
	}
	return nil
}

// records returns the records of all partners that the folder or the log has,
// by territory.
func (d *Desk) records() (all []*Partner, err error) {
	told, err := d.past()
	if err != nil {
		return nil, err
	}
	territories, err := d.store.territories(told.steps)
	if err != nil {
		return nil, err
	}
	for _, territory := range territories {
		p, err := d.record(territory, told)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// marshal returns the record as it stands in its file.
func (p *Partner) marshal() ([]byte, error) {
	data, err := json.MarshalIndent(p, "", "  ")
	return append(data, '\n'), err
}
