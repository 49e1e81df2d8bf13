package crl

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// draft begins a list.
func (r *round) draft(l *list, s *slot, base uint64) (*drafted, error) {
	// A guess that a long list comes true of: to copy a short one costs little.
	expected := int64(1 << 24)
	if current := s.current.Load(); current != nil {
		expected = current.body
	}
	d, err := newDraft(r.p.filename(s.path), r.p.form(r.a, s, l, r.n, base), expected)
	if err != nil {
		return nil, because("store", err)
	}
	one := &drafted{draft: d, list: l, slot: s}
	r.drafts = append(r.drafts, one)
	return one, nil
}

// before returns what the complete lists that are served were made of; false
// when that is not known, or some are missing.
func (r *round) before() (Point, bool) {
	main := r.a.lists[0].complete.current.Load()
	if main == nil {
		return Point{}, false
	}
	from := r.a.last
	if from.Number != main.Number {
		// Another process has made them. The source was told of them, and knows of
		// which lists it had been told before.
		if r.n.Published != main.Number {
			return Point{}, false
		}
		from = r.point(main.Number, r.n.Before)
		from.At = main.ThisUpdate
	}
	for _, l := range r.a.lists {
		current := l.complete.current.Load()
		if current == nil || current.Number != main.Number || string(current.scope) != string(l.complete.scope) {
			return Point{}, false
		}
	}
	return from, true
}

// draftComplete writes the complete lists: from those before them and the
// journal, or from the register's table.
func (r *round) draftComplete(ctx context.Context) error {
	from, known := r.before()
	var changes []Entry
	var err error
	if known {
		if changes, err = r.changes(ctx, from); errors.Is(err, ErrTooMany) {
			known = false
		} else if err != nil {
			return err
		}
	}
	recheck := time.Since(r.a.checked) >= r.p.config.Recheck || r.a.checked.IsZero()
	if known && !recheck {
		err := r.carryAll(changes)
		if f, ok := errors.AsType[*fault](err); err == nil || ok && f.reason == "store" {
			return err
		}
		// The lists before are damaged, which is no reason not to make new ones.
		r.p.config.Log.ErrorContext(ctx, "list before could not be continued; the register is read", "issuer", r.a.ID, "err", err)
		for _, d := range r.drafts {
			d.discard()
		}
		r.drafts, known = nil, false
	}
	accounts, err := r.accounts(ctx, known, changes)
	if err != nil {
		return err
	}
	return r.fromTable(ctx, accounts)
}

// accounts returns what the table is to be compared with: what follows from the
// list before and the changes since, when it is known, and from the journal
// alone, when that is short.
func (r *round) accounts(ctx context.Context, known bool, changes []Entry) ([]*comparison, error) {
	told := func(e Entry) (Entry, error) { return r.a.told(ctx, r.p.config.Source, e, r.to) }
	var accounts []*comparison
	if known {
		main, c := r.a.lists[0].complete.current.Load(), &comparison{told: told}
		// What the disk has garbled is no account of anything.
		_, err := main.hash()
		var reader *Reader
		if err == nil {
			reader, err = NewReader(main.whole())
		}
		if err == nil {
			c.merged, err = newMerged(reader, changes)
		}
		if err != nil {
			r.p.config.Log.ErrorContext(ctx, "list before cannot be read, so the register is not compared with it", "issuer", r.a.ID, "err", err)
		} else {
			accounts = append(accounts, c)
		}
	}
	if r.to.Number > maxJournal {
		return accounts, nil
	}
	all, err := r.changes(ctx, Point{})
	if errors.Is(err, ErrTooMany) {
		return accounts, nil
	}
	return append(accounts, &comparison{told: told, merged: &merged{changes: all}}), err
}

// changes reads what has changed between two rounds.
func (r *round) changes(ctx context.Context, from Point) ([]Entry, error) {
	changes, err := r.a.changes(ctx, r.p.config.Source, from, r.to, maxChanges)
	if err != nil {
		return nil, unread(err)
	}
	if err := sorted(changes); err != nil {
		return nil, because("contradiction", err)
	}
	return changes, nil
}

func (r *round) carryAll(changes []Entry) error {
	for _, l := range r.a.lists {
		d, err := r.draft(l, l.complete, 0)
		if err != nil {
			return err
		}
		if err := r.a.carry(d.draft, l.complete.current.Load(), l.of(changes)); err != nil {
			return fmt.Errorf("list %s: %w", l.Path, err)
		}
	}
	return nil
}

// fromTable writes the complete lists from the register's table, which is
// compared with other accounts of the same truth: none is believed when they
// differ.
func (r *round) fromTable(ctx context.Context, accounts []*comparison) error {
	var drafts []*drafted
	for _, l := range r.a.lists {
		d, err := r.draft(l, l.complete, 0)
		if err != nil {
			return err
		}
		drafts = append(drafts, d)
	}
	err := r.a.each(ctx, r.p.config.Source, r.to, func(e Entry) error {
		for _, account := range accounts {
			if err := account.table(&e); err != nil {
				return because("contradiction", err)
			}
		}
		for _, d := range drafts {
			if d.list.has(e.Serial) {
				if err := d.add(&e); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return unread(err)
	}
	for _, account := range accounts {
		if err := account.end(); err != nil {
			return because("contradiction", fmt.Errorf("reading register: %w", err))
		}
	}
	r.a.checked = time.Now()
	return nil
}

// unread says why the source was not read.
func unread(err error) error {
	reason := "source"
	if errors.Is(err, ErrContradiction) {
		reason = "contradiction"
	}
	return because(reason, fmt.Errorf("reading register: %w", err))
}

// deltas returns what has changed since the base. Without one, the lists of
// this round become it.
func (r *round) deltas(ctx context.Context) ([]Entry, error) {
	r.base = r.a.base
	if r.base.Number != 0 {
		changes, err := r.changes(ctx, r.base)
		if !errors.Is(err, ErrTooMany) {
			return changes, err
		}
	}
	r.base, r.complete = r.to, true
	return nil, nil
}

// draftDeltas writes the delta lists.
//
// RFC 5280, Section 5.2.4: all that has changed since the base, and removed
// those that were on it or on any list since.
func (r *round) draftDeltas(changes []Entry) error {
	for _, l := range r.a.lists {
		if l.delta == nil {
			continue
		}
		d, err := r.draft(l, l.delta, r.base.Number)
		if err != nil {
			return err
		}
		for _, e := range l.of(changes) {
			if err := d.add(&e); err != nil {
				return err
			}
		}
	}
	return nil
}
