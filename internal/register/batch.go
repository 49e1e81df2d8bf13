package register

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/journal/column"
)

// batch is a transaction of the writer. What its writes need to know is read at
// the start, for all of them at once; what they change is kept here and sent
// together with the commit. A database on another host is so asked twice for a
// batch of any size, and a write that is refused has left nothing to undo there.
type batch struct {
	engine engine
	// head is the position of the last entry, id that of the last certificate;
	// those of this transaction included.
	head uint64
	id   int64
	// rows are the certificates that the writes asked for, by the octets of the
	// serial, as the batch has left them so far; nil for one that is not there.
	rows    map[string]*certificateRow
	keys    keyRecords
	tickets map[ticketKey]bool
	// pending are the statements that are still to be sent.
	pending []statement
	// mark is where those of the write under way begin.
	mark int
	// undo takes back, last first, what the write under way did to rows and
	// tickets.
	undo []func()
	// broken is why the transaction cannot go on.
	broken error
}

// ticketKey names a ticket.
type ticketKey struct{ actor, key string }

func newBatch(e engine) *batch {
	return &batch{engine: e, rows: make(map[string]*certificateRow), keys: newKeyRecords(), tickets: make(map[ticketKey]bool)}
}

// begin opens the transaction and reads what the writes need.
func (b *batch) begin(writes []*write) error {
	reads := []statement{
		{query: "SELECT coalesce(max(position), 0) FROM entry", scan: func(row scanner) error { return row.Scan(&b.head) }},
		{query: "SELECT coalesce(max(id), 0) FROM certificate", scan: func(row scanner) error { return row.Scan(&b.id) }},
	}
	for _, w := range writes {
		for _, serial := range w.serials {
			if _, asked := b.rows[string(serial)]; !asked {
				b.rows[string(serial)] = nil
				reads = append(reads, b.readCertificate(serial))
			}
		}
		for _, key := range w.keys {
			if b.keys.ask(key) {
				reads = append(reads, b.keys.read(key))
			}
		}
		if w.ticket != nil {
			reads = append(reads, b.readTicket(w.ticket))
		}
	}
	return b.engine.open(reads)
}

// try runs a write. refused is the write's own error, of which the batch keeps
// nothing; broken means that the whole transaction cannot go on.
func (b *batch) try(run func(*batch) error) (refused, broken error) {
	head, id := b.head, b.id
	b.mark, b.undo = len(b.pending), b.undo[:0]
	if refused = run(b); refused == nil || b.broken != nil {
		return refused, b.broken
	}
	b.head, b.id, b.pending = head, id, b.pending[:b.mark]
	for i := len(b.undo) - 1; i >= 0; i-- {
		b.undo[i]()
	}
	return refused, nil
}

// change adds a statement to what is sent with the commit.
func (b *batch) change(query string, args ...any) {
	b.pending = append(b.pending, statement{query: query, args: args})
}

// read runs a query that sees the batch's changes so far. A write reads before
// its first change: what was sent can only be taken back for the whole batch.
func (b *batch) read(query string, args []any, scan func(scanner) error) error {
	statements := append(b.pending, statement{query: query, args: args, scan: scan})
	b.pending, b.mark = nil, 0
	b.broken = b.engine.run(statements)
	return b.broken
}

// append writes the entry at the next position, as of now. id is the
// certificate's row; 0 for none.
func (b *batch) append(e *journal.Entry, id int64) {
	e.Position = b.head + 1
	e.EffectiveAt = stored(time.Now())
	e.ReceivedAt, e.InvalidityDate = stored(e.ReceivedAt), stored(e.InvalidityDate)
	b.change(`INSERT INTO entry
		(position, kind, issuer, certificate, reason, owner, received_at, effective_at, invalidity_date, actor)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		int64(e.Position), string(e.Kind), e.Issuer, sql.NullInt64{Int64: id, Valid: id != 0}, int64(e.Reason), string(e.Owner),
		column.Time(e.ReceivedAt), column.Time(e.EffectiveAt), column.Time(e.InvalidityDate), e.Actor)
	b.head = e.Position
}

// certificateRow is what a write needs to know of a certificate.
type certificateRow struct {
	id         int64
	issuer     string
	profile    string
	actor      string
	notAfter   time.Time
	toBeSigned []byte // nil once the certificate is there
	status     journal.Status
}

func (b *batch) readCertificate(serial []byte) statement {
	return statement{
		query: "SELECT id, issuer, profile, actor, not_after, to_be_signed, " + column.Status + " FROM certificate WHERE serial = ?",
		args:  []any{serial},
		scan: func(scan scanner) (err error) {
			row := new(certificateRow)
			var status column.StatusRow
			var notAfter sql.NullInt64
			if err := scan.Scan(append([]any{&row.id, &row.issuer, &row.profile, &row.actor, &notAfter, &row.toBeSigned}, status.Dest()...)...); err != nil {
				return err
			}
			row.notAfter = column.TimeOf(notAfter)
			row.status, err = status.Status()
			b.rows[string(serial)] = row
			return err
		},
	}
}

// certificate returns the row of a serial that the write has named; nil when it
// was never reserved. The row must not be changed.
func (b *batch) certificate(serial []byte) *certificateRow { return b.rows[string(serial)] }

// put makes row what the batch knows of a serial.
func (b *batch) put(serial []byte, row *certificateRow) {
	b.keys.changed(serial)
	before, asked := b.rows[string(serial)]
	if !asked {
		// No write of the batch is about it.
		return
	}
	b.rows[string(serial)] = row
	b.undo = append(b.undo, func() { b.rows[string(serial)] = before })
}

// reserve adds the row of a serial that was not there.
func (b *batch) reserve(serial []byte, intent journal.Intent) {
	b.id++
	b.change(`INSERT INTO certificate
		(id, serial, issuer, profile, set_name, key_hash, actor, not_after, reserved_at, to_be_signed)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		b.id, serial, intent.Issuer, intent.Profile, intent.Set, intent.KeyHash[:], intent.Actor,
		column.Time(intent.NotAfter), column.Time(intent.At), intent.ToBeSigned)
	b.keys.reserved(serial, intent.KeyHash)
	b.put(serial, &certificateRow{id: b.id, issuer: intent.Issuer, profile: intent.Profile, actor: intent.Actor, notAfter: stored(intent.NotAfter), toBeSigned: intent.ToBeSigned})
}

// setStatus stores a new fold, and with it the certificate unless it is nil.
func (b *batch) setStatus(serial []byte, row *certificateRow, status journal.Status, certificate []byte) error {
	args, err := column.StatusArgs(status)
	if err != nil {
		return err
	}
	next := *row
	next.status = status
	const set = "UPDATE certificate SET (" + column.Status + ") = (?, ?, ?, ?, ?, ?, ?)"
	if certificate == nil {
		b.change(set+" WHERE id = ?", append(args, row.id)...)
	} else {
		next.toBeSigned = nil
		b.change(set+", to_be_signed = NULL, certificate = ? WHERE id = ?", append(args, certificate, row.id)...)
	}
	b.put(serial, &next)
	return nil
}

func (b *batch) readTicket(t *journal.Ticket) statement {
	return statement{
		query: "SELECT position FROM ticket WHERE actor = ? AND key = ?",
		args:  []any{t.Actor, t.Key},
		scan: func(row scanner) error {
			var position int64
			b.tickets[ticketKey{t.Actor, t.Key}] = true
			return row.Scan(&position)
		},
	}
}

// redeem uses the ticket up for the entry that the write is about to append.
// It comes before all other checks: a request that is repeated must learn that
// it is a repetition and not that its own first run made it illegal.
func (b *batch) redeem(t *journal.Ticket) error {
	if t == nil {
		return nil
	}
	name := ticketKey{t.Actor, t.Key}
	if b.tickets[name] {
		return fmt.Errorf("the ticket was used: %w", fs.ErrExist)
	}
	b.tickets[name] = true
	b.undo = append(b.undo, func() { b.tickets[name] = false })
	b.change("INSERT INTO ticket (position, actor, key, request) VALUES (?, ?, ?, ?)", int64(b.head+1), t.Actor, t.Key, t.Request[:])
	return nil
}

// setPosition remembers how far a follower has come.
func (b *batch) setPosition(follower string, position uint64) {
	b.change(`INSERT INTO follower (name, position) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET position = excluded.position
		WHERE follower.position < excluded.position`, follower, int64(position))
}

// maxText bounds, in octets, the texts that callers bring. Two of them fit into
// one key of PostgreSQL's indexes.
const maxText = 1024

// checkTexts refuses what one of the databases could not store, before it takes
// the other writes of a batch with it. values are names and texts in turn.
func checkTexts(values ...string) error {
	var faults []error
	for i := 0; i < len(values); i += 2 {
		name, text := values[i], values[i+1]
		if len(text) > maxText {
			faults = append(faults, fmt.Errorf("the %s has more than %d octets", name, maxText))
		} else {
			faults = append(faults, checkText(name, text))
		}
	}
	return errors.Join(faults...)
}

// checkText is checkTexts for one text of any length, in a column without an
// index.
func checkText(name, text string) error {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return fmt.Errorf("the %s is not a text of Unicode characters", name)
	}
	return nil
}

func checkTicket(t *journal.Ticket) error {
	switch {
	case t == nil:
		return nil
	case t.Key == "":
		return errors.New("the ticket has no key")
	}
	return checkTexts("ticket's actor", t.Actor, "ticket's key", t.Key)
}

// stored returns t as the register keeps it, in microseconds and UTC, so that
// what a write returns is what a later read returns.
func stored(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMicro(t.UnixMicro()).UTC()
}
