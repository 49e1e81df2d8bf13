package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// Journal is the register's journal, as far as it can be read.
type Journal interface {
	// Entries returns entries after a position, oldest first, at most limit.
	Entries(ctx context.Context, after uint64, limit int) ([]journal.Entry, error)
	// Record returns what the register has on a serial; fs.ErrNotExist when it
	// was never reserved.
	Record(ctx context.Context, serial journal.Serial) (journal.Record, error)
	// Tickets returns, by position, the tickets of the entries from after + 1 to
	// last that have one.
	Tickets(ctx context.Context, after, last uint64) (map[uint64]journal.Ticket, error)
	// Unfinished returns what is reserved and has no certificate.
	Unfinished(ctx context.Context) ([]journal.Intent, error)
}

// FollowedJournal is a journal that remembers how far a follower has come.
type FollowedJournal interface {
	Journal
	// Wait returns when there is an entry after a position.
	Wait(ctx context.Context, after uint64) error
	// Position returns what SetPosition was told last for the follower, or 0.
	Position(ctx context.Context, follower string) (uint64, error)
	SetPosition(ctx context.Context, follower string, position uint64) error
}

const (
	// journalAction is the action of the log's entries that hold the hashes of
	// journal entries: the attribute hashes has that of position after + 1 first.
	journalAction = "journal.entries"
	// maxHashed is how many hashes a line holds at most.
	maxHashed = 500
	// gather is how long a follower that is not behind lets entries gather, so
	// that one line holds many.
	gather = 100 * time.Millisecond
)

// hashed is a journal entry with what its hash covers beside it.
type hashed struct {
	journal.Entry
	// record of the certificate of an Issued entry; nil for others.
	record *journal.Record
	ticket *journal.Ticket // nil for none
}

// readHashed adds to entries, which are not empty and follow each other, what their
// hashes cover beside them. It calls do for each.
func readHashed(ctx context.Context, j Journal, entries []journal.Entry, do func(hashed) error) error {
	tickets, err := j.Tickets(ctx, entries[0].Position-1, entries[len(entries)-1].Position)
	if err != nil {
		return err
	}
	for _, e := range entries {
		h := hashed{Entry: e}
		if e.Kind == journal.Issued {
			record, err := j.Record(ctx, e.Serial)
			if err != nil {
				return fmt.Errorf("entry %d: %w", e.Position, err)
			}
			h.record = &record
		}
		if ticket, ok := tickets[e.Position]; ok {
			h.ticket = &ticket
		}
		if err := do(h); err != nil {
			return err
		}
	}
	return nil
}

// hash is SHA-256 over the line of JSON that the authority's journal shows, with
// its newline. For an Issued entry, a second line follows, with what the
// register has on the certificate and never changes: what does change is the
// fold of the entries, and so is hashed with them. The last line is the ticket,
// if there is one.
func (e hashed) hash() (hash [sha256.Size]byte, err error) {
	h := sha256.New()
	lines := json.NewEncoder(h)
	err = lines.Encode(e.Entry)
	if r := e.record; r != nil && err == nil {
		err = lines.Encode(struct {
			Serial                      journal.Serial
			Issuer, Profile, Set, Actor string
			KeyHash                     []byte
			NotAfter, At                time.Time
			Certificate                 []byte
		}{r.Serial, r.Issuer, r.Profile, r.Set, r.Actor, r.KeyHash[:], r.NotAfter, r.At, r.Certificate})
	}
	if t := e.ticket; t != nil && err == nil {
		err = lines.Encode(struct {
			Actor, Key string
			Request    []byte
		}{t.Actor, t.Key, t.Request[:]})
	}
	return [sha256.Size]byte(h.Sum(nil)), err
}

// Follower appends the hash of every journal entry to a log, so that what the
// log proves of itself, it proves of the journal.
type Follower struct {
	Log     *Log
	Journal FollowedJournal
	// Logger hears of failures; the follower tries again. nil discards.
	Logger *slog.Logger

	mu    sync.Mutex
	fault error // why the last try failed

	vouched bool // see vouch
}

// Ready returns why the log does not follow the journal at the moment, or nil.
func (f *Follower) Ready(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fault
}

// tried remembers how a try to follow ended, and tells of the first failure.
func (f *Follower) tried(ctx context.Context, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil && f.fault == nil && f.Logger != nil {
		f.Logger.LogAttrs(ctx, slog.LevelError, "the audit log cannot follow the journal", slog.Any("error", err))
	}
	f.fault = err
}

// name is that under which the register remembers the follower: another log
// begins with the first entry.
func (f *Follower) name() string { return "audit log " + f.Log.Origin() }

// CatchUp appends what the log has not got yet. It may append an entry
// twice, after a crash; [Seals] holds both against the journal.
func (f *Follower) CatchUp(ctx context.Context) error {
	_, err := f.catchUp(ctx)
	if err != nil {
		return fmt.Errorf("following the journal: %w", err)
	}
	return nil
}

func (f *Follower) catchUp(ctx context.Context) (position uint64, err error) {
	if position, err = f.Journal.Position(ctx, f.name()); err != nil {
		return position, err
	}
	if err := f.vouch(ctx); err != nil {
		return position, err
	}
	for {
		entries, err := f.Journal.Entries(ctx, position, maxHashed)
		if err != nil || len(entries) == 0 {
			return position, err
		}
		for i, e := range entries {
			if e.Position != position+uint64(i)+1 {
				return position, fmt.Errorf("entry %d comes where %d belongs", e.Position, position+uint64(i)+1)
			}
		}
		hashes := make([]string, 0, len(entries))
		err = readHashed(ctx, f.Journal, entries, func(e hashed) error {
			hash, err := e.hash()
			hashes = append(hashes, hex.EncodeToString(hash[:]))
			return err
		})
		if err != nil {
			return position, fmt.Errorf("hashing: %w", err)
		}
		if err := f.Log.Append(ctx, journalAction, slog.Uint64("after", position), slog.Any("hashes", hashes)); err != nil {
			return position, err
		}
		position += uint64(len(entries))
		if err := f.Journal.SetPosition(ctx, f.name(), position); err != nil {
			return position, err
		}
	}
}

// Run follows the journal until ctx ends. A store or a log that fails is tried
// again, every second.
func (f *Follower) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		position, err := f.catchUp(ctx)
		if err == nil {
			f.tried(ctx, nil)
			err = f.Journal.Wait(ctx, position)
		}
		if ctx.Err() != nil {
			break
		}
		pause := gather
		if err != nil {
			f.tried(ctx, fmt.Errorf("following the journal: %w", err))
			pause = time.Second
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return nil
}

// Seals collects what a log says of the journal. Its Add is the Entry of a
// [Check].
type Seals struct {
	hashes  [][sha256.Size]byte
	intents map[journal.Serial][sha256.Size]byte // see intent.go
}

// Add takes an entry of the log. Entries about other things pass. An error says
// that the log contradicts itself about the journal: two of its entries differ
// about one position, or leave some out.
func (s *Seals) Add(e Entry) error {
	if e.Action != journalAction {
		return s.addIntents(e)
	}
	var attrs struct {
		After  uint64   `json:"after"`
		Hashes []string `json:"hashes"`
	}
	if err := json.Unmarshal(e.Attrs, &attrs); err != nil {
		return fmt.Errorf("reading hashes of the journal: %w", err)
	}
	if attrs.After > uint64(len(s.hashes)) {
		return fmt.Errorf("the journal's entries %d to %d are left out", len(s.hashes)+1, attrs.After)
	}
	for i, text := range attrs.Hashes {
		var hash [sha256.Size]byte
		if n, err := hex.Decode(hash[:], []byte(text[:min(len(text), 2*len(hash))])); err != nil || n != len(hash) || len(text) != 2*n {
			return fmt.Errorf("%q is not the hash of a journal entry", text)
		}
		at := attrs.After + uint64(i)
		switch {
		case at == uint64(len(s.hashes)):
			s.hashes = append(s.hashes, hash)
		case s.hashes[at] != hash:
			return fmt.Errorf("the journal's entry %d was altered: it has another hash here than in an earlier entry of the log", at+1)
		}
	}
	return nil
}

// Entries returns how many journal entries the log knows.
func (s *Seals) Entries() uint64 { return uint64(len(s.hashes)) }

// Further is what a journal has that a log does not know yet.
type Further struct {
	Entries uint64
	// Since is when the oldest of them took effect.
	Since time.Time
}

// Hold checks the register against the log: every entry that the log knows must
// be there, with its certificate and its ticket, as it was, and so must be
// whatever was to be signed. It returns what the journal has that the log does
// not know yet, and an error that names the first entry or serial that is wrong. Statuses are not looked at: whether they are the fold of
// the entries, the register's own check tells.
func (s *Seals) Hold(ctx context.Context, j Journal) (further Further, err error) {
	var position uint64
	issued := make(map[journal.Serial]bool)
	for {
		entries, err := j.Entries(ctx, position, 0)
		if err != nil {
			return further, fmt.Errorf("checking journal: %w", err)
		}
		if len(entries) == 0 {
			break
		}
		err = readHashed(ctx, j, entries, func(e hashed) error {
			if position++; e.Position != position {
				return fmt.Errorf("entry %d comes where %d belongs", e.Position, position)
			}
			if position > s.Entries() {
				if further.Entries++; further.Entries == 1 {
					further.Since = e.EffectiveAt
				}
				return nil
			}
			hash, err := e.hash()
			if err != nil || hash != s.hashes[position-1] {
				return errors.Join(fmt.Errorf("entry %d, or its ticket, or the certificate that it is about, is not what the audit log has the hash of: it was altered", position), err)
			}
			if e.record == nil {
				return nil
			}
			issued[e.Serial] = true
			return s.holdIntent(e.Serial, e.record.Intent)
		})
		if err != nil {
			return further, fmt.Errorf("checking journal: %w", err)
		}
	}
	if position < s.Entries() {
		return further, fmt.Errorf("checking journal: it ends with entry %d, and the audit log knows %d: entries were removed", position, s.Entries())
	}
	if err := s.holdReserved(ctx, j, issued); err != nil {
		return further, fmt.Errorf("checking reserved serials: %w", err)
	}
	return further, nil
}
