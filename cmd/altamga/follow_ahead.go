package main

import (
	"context"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/register"
)

// readAhead is a register for one follower that asks for the record of each
// entry it reads: they are read together with the entries.
type readAhead struct {
	*register.Register
	records map[journal.Serial]journal.Record
}

// Entries returns entries after a position, and reads the records of the
// certificates that they are about.
func (r *readAhead) Entries(ctx context.Context, after uint64, limit int) ([]journal.Entry, error) {
	r.records = nil
	entries, err := r.Register.Entries(ctx, after, limit)
	if err != nil || len(entries) < 2 {
		return entries, err
	}
	records, err := r.RecordsBetween(ctx, after, entries[len(entries)-1].Position)
	if err != nil {
		return nil, err
	}
	r.records = make(map[journal.Serial]journal.Record, len(records))
	for _, record := range records {
		r.records[record.Serial] = record
	}
	return entries, nil
}

// Record returns what the register has on a serial.
func (r *readAhead) Record(ctx context.Context, serial journal.Serial) (journal.Record, error) {
	if record, ok := r.records[serial]; ok {
		return record, nil
	}
	return r.Register.Record(ctx, serial)
}
