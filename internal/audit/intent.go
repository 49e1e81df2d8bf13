package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/altamga/altamga/internal/journal"
)

// A serial that is reserved and has no certificate stands in no journal entry.
// The log vouches for it in two ways: the authority's own lines, which are
// written before the key is asked, have the hash of the intent; and what a
// crash left behind before that, a follower of the journal hashes when it
// starts.

// reservedAction is the action of a follower's lines. An authority's lines have
// the attributes serial and intent, the latter in hexadecimal.
const reservedAction = "register.reserved"

// vouchedIntent is one intent in a line of reservedAction.
type vouchedIntent struct {
	Serial journal.Serial `json:"serial"`
	Intent string         `json:"intent"`
}

// vouch hashes what is reserved and has no certificate, once: what comes later
// is in the authority's lines.
func (f *Follower) vouch(ctx context.Context) error {
	if f.vouched {
		return nil
	}
	unfinished, err := f.Journal.Unfinished(ctx)
	if err != nil {
		return err
	}
	for len(unfinished) > 0 {
		n := min(len(unfinished), maxHashed/2)
		intents := make([]vouchedIntent, n)
		for i, intent := range unfinished[:n] {
			hash := intent.Hash()
			intents[i] = vouchedIntent{intent.Serial, hex.EncodeToString(hash[:])}
		}
		if err := f.Log.Append(ctx, reservedAction, slog.Any("intents", intents)); err != nil {
			return err
		}
		unfinished = unfinished[n:]
	}
	f.vouched = true
	return nil
}

// addIntents takes what a line of the log says of intents.
func (s *Seals) addIntents(e Entry) error {
	var attrs struct {
		Serial  journal.Serial  `json:"serial"`
		Intent  string          `json:"intent"`
		Intents []vouchedIntent `json:"intents"`
	}
	if err := json.Unmarshal(e.Attrs, &attrs); err != nil {
		return nil // a line about something else
	}
	if e.Action != reservedAction {
		attrs.Intents = nil
		if attrs.Serial != "" && attrs.Intent != "" {
			attrs.Intents = []vouchedIntent{{attrs.Serial, attrs.Intent}}
		}
	}
	for _, v := range attrs.Intents {
		raw, err := hex.DecodeString(v.Intent)
		if err != nil || len(raw) != sha256.Size {
			return fmt.Errorf("%q is not the hash of an intent", v.Intent)
		}
		hash := [sha256.Size]byte(raw)
		if before, ok := s.intents[v.Serial]; ok && before != hash {
			return fmt.Errorf("what was reserved under serial %s was altered: it has another hash here than in an earlier entry of the log", v.Serial)
		}
		if s.intents == nil {
			s.intents = make(map[journal.Serial][sha256.Size]byte)
		}
		s.intents[v.Serial] = hash
	}
	return nil
}

// Intents returns for how many serials the log has the hash of what was to be
// signed.
func (s *Seals) Intents() int { return len(s.intents) }

// holdIntent compares what was reserved under a serial with what the log knows
// of it, if it does.
func (s *Seals) holdIntent(serial journal.Serial, intent journal.Intent) error {
	if hash, ok := s.intents[serial]; ok && hash != intent.Hash() {
		return fmt.Errorf("what was reserved under serial %s is not what the audit log has the hash of: it was altered", serial)
	}
	return nil
}

// holdReserved checks the serials that the log vouches for and that are not
// among the issued.
func (s *Seals) holdReserved(ctx context.Context, j Journal, issued map[journal.Serial]bool) error {
	for serial := range s.intents {
		if issued[serial] {
			continue
		}
		record, err := j.Record(ctx, serial)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("serial %s was reserved, and is not in the register any more", serial)
		}
		if err == nil {
			err = s.holdIntent(serial, record.Intent)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
