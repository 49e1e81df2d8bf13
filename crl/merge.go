package crl

import (
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"time"
)

// merged reads a list and what has changed since as one: the list that the next
// one is.
type merged struct {
	reader  *Reader // nil for a list without entries
	changes []Entry
	head    Entry // the reader's next entry
	more    bool
}

func newMerged(reader *Reader, changes []Entry) (*merged, error) {
	m := &merged{reader: reader, changes: changes}
	return m, m.advance()
}

func (m *merged) advance() (err error) {
	m.head, err = m.reader.Next()
	if m.more = err == nil; err == io.EOF {
		err = nil
	}
	return err
}

// next calls do with the next entry, and whether it is one as the reader
// returned it. It returns io.EOF when there is none.
func (m *merged) next(do func(e *Entry, copied bool) error) error {
	for {
		by := 1
		switch {
		case len(m.changes) == 0 && !m.more:
			return io.EOF
		case len(m.changes) == 0:
			by = -1
		case m.more:
			by = order(&m.head, &m.changes[0])
		}
		if by < 0 {
			if err := do(&m.head, true); err != nil {
				return err
			}
			return m.advance()
		}
		changed := &m.changes[0]
		m.changes = m.changes[1:]
		if by == 0 {
			if err := m.advance(); err != nil {
				return err
			}
		}
		if changed.Reason != Removed {
			return do(changed, false)
		}
	}
}

// carry writes into the draft what the list that it replaces says and what has
// changed since. The list is verified while it is read: what the disk has
// garbled does not go on.
func (a *authority) carry(d *draft, from *List, changes []Entry) (err error) {
	defer onFault(debug.SetPanicOnFault(true), &err)
	list := from.whole()
	defer list.close()
	reader, err := NewReader(list)
	if err != nil {
		return err
	}
	m, err := newMerged(reader, changes)
	if err != nil {
		return err
	}
	for err == nil {
		err = m.next(func(e *Entry, copied bool) error {
			if copied {
				return d.copy(e)
			}
			return d.add(e)
		})
	}
	if err != io.EOF {
		return err
	}
	return reader.Verify(a.signer())
}

// comparison holds what the register's table says against what follows from the
// list before and the journal.
type comparison struct {
	merged *merged
	// told returns what the journal alone says of a certificate now.
	told func(e Entry) (Entry, error)
}

// table takes the next entry of the table.
func (c *comparison) table(e *Entry) error {
	found := false
	err := c.merged.next(func(journal *Entry, _ bool) error {
		found = true
		switch {
		case order(journal, e) != 0:
			return contradiction(journal, e)
		case journal.Reason != e.Reason || !sameSecond(journal.InvalidityDate, e.InvalidityDate):
			return fmt.Errorf("serial %x: the table says reason %d, the journal %d", e.Serial, e.Reason, journal.Reason)
		case !sameSecond(journal.Since, e.Since):
			return c.dates(journal, e)
		}
		return nil
	})
	if err == io.EOF && !found {
		err = fmt.Errorf("serial %x is revoked in the table and not by the journal", e.Serial)
	}
	return err
}

// dates judges an entry of another date than that on the list before. A list
// that was made while the clock was behind named its own time, and those since
// have carried it on; then the journal says what the table does.
func (c *comparison) dates(list, table *Entry) error {
	told, err := c.told(*table)
	if err != nil {
		return because("source", fmt.Errorf("reading register: %w", err))
	}
	if told.Reason != table.Reason || !sameSecond(told.Since, table.Since) || list.Since.After(table.Since) {
		return fmt.Errorf("serial %x: the table says since %s, the journal %s, the list before %s", table.Serial,
			table.Since.UTC().Format(time.RFC3339), told.Since.UTC().Format(time.RFC3339), list.Since.UTC().Format(time.RFC3339))
	}
	return nil
}

// end is called after the table's last entry.
func (c *comparison) end() error {
	err := c.merged.next(func(journal *Entry, _ bool) error {
		return fmt.Errorf("serial %x is revoked by the journal and not in the table", journal.Serial)
	})
	if err == io.EOF {
		return nil
	}
	return err
}

func contradiction(journal, table *Entry) error {
	if order(journal, table) < 0 {
		return fmt.Errorf("serial %x is revoked by the journal and not in the table", journal.Serial)
	}
	return fmt.Errorf("serial %x is revoked in the table and not by the journal", table.Serial)
}

func sameSecond(a, b time.Time) bool {
	return a.IsZero() == b.IsZero() && (a.IsZero() || a.Unix() == b.Unix())
}

// of returns the changes that are about the list.
func (l *list) of(changes []Entry) []Entry {
	if l.shards == 1 {
		return changes
	}
	var own []Entry
	for _, e := range changes {
		if l.has(e.Serial) {
			own = append(own, e)
		}
	}
	return own
}

// sorted refuses changes that are not in order: a merge would lose some.
func sorted(changes []Entry) error {
	if !slices.IsSortedFunc(changes, func(a, b Entry) int { return order(&a, &b) }) {
		return fmt.Errorf("the register gave changes out of order")
	}
	for i := 1; i < len(changes); i++ {
		if order(&changes[i-1], &changes[i]) == 0 {
			return fmt.Errorf("the register gave two changes of serial %x", changes[i].Serial)
		}
	}
	return nil
}
