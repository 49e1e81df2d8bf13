package ca_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// memory is a register that lives as long as its test. It keeps the promises
// of ca.Register but durability.
type memory struct {
	mu      sync.Mutex
	records map[journal.Serial]*journal.Record
	order   []journal.Serial // of reservation
	entries []journal.Entry
	tickets map[[2]string]redeemed
	grown   chan struct{}
	// fail makes the named method fail.
	fail map[string]error
}

type redeemed struct {
	ticket journal.Ticket
	entry  journal.Entry
}

func newMemory() *memory {
	return &memory{
		records: map[journal.Serial]*journal.Record{}, tickets: map[[2]string]redeemed{},
		grown: make(chan struct{}), fail: map[string]error{},
	}
}

func (m *memory) lock(method string) (unlock func(), err error) {
	m.mu.Lock()
	if err := m.fail[method]; err != nil {
		m.mu.Unlock()
		return nil, err
	}
	return m.mu.Unlock, nil
}

func (m *memory) breakMethod(method string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail[method] = err
}

func (m *memory) ReserveSet(_ context.Context, set []journal.Intent, admit func(int, []journal.Record) error) error {
	unlock, err := m.lock("Reserve")
	if err != nil {
		return err
	}
	defer unlock()
	if err := m.fail["RecordsByKey"]; err != nil {
		return err
	}
	for i, intent := range set {
		if err := admit(i, m.recordsByKey(intent.KeyHash)); err != nil {
			return err
		}
		if _, ok := m.records[intent.Serial]; ok {
			return fs.ErrExist
		}
	}
	for _, intent := range set {
		m.order = append(m.order, intent.Serial)
		m.records[intent.Serial] = &journal.Record{Intent: intent}
	}
	return nil
}

func (m *memory) Complete(ctx context.Context, serial journal.Serial, der []byte, ticket *journal.Ticket) (journal.Entry, error) {
	entries, err := m.CompleteSet(ctx, []journal.Signed{{Serial: serial, Certificate: der}}, ticket)
	if err != nil {
		return journal.Entry{}, err
	}
	return entries[0], nil
}

func (m *memory) CompleteSet(_ context.Context, set []journal.Signed, ticket *journal.Ticket) ([]journal.Entry, error) {
	unlock, err := m.lock("Complete")
	if err != nil {
		return nil, err
	}
	defer unlock()
	if ticket != nil {
		if _, ok := m.tickets[[2]string{ticket.Actor, ticket.Key}]; ok {
			return nil, fs.ErrExist
		}
	}
	for _, signed := range set {
		record, ok := m.records[signed.Serial]
		if !ok {
			return nil, fs.ErrNotExist
		}
		if record.Certificate != nil {
			return nil, fs.ErrExist
		}
		certificate, err := x509.ParseCertificate(signed.Certificate)
		if err != nil || !bytes.Equal(certificate.RawTBSCertificate, record.ToBeSigned) {
			return nil, errors.New("the certificate is not the intended one")
		}
	}
	var entries []journal.Entry
	for _, signed := range set {
		record := m.records[signed.Serial]
		record.Certificate = signed.Certificate
		entry, _, err := m.append(record, journal.Entry{Kind: journal.Issued, Serial: signed.Serial, Actor: record.Actor}, ticket)
		if err != nil {
			return nil, err
		}
		entries, ticket = append(entries, entry), nil
	}
	return entries, nil
}

func (m *memory) Change(_ context.Context, entry journal.Entry, ticket *journal.Ticket) (journal.Entry, journal.Status, error) {
	unlock, err := m.lock("Change")
	if err != nil {
		return journal.Entry{}, journal.Status{}, err
	}
	defer unlock()
	record, ok := m.records[entry.Serial]
	if !ok || record.Certificate == nil {
		return journal.Entry{}, journal.Status{}, fs.ErrNotExist
	}
	return m.append(record, entry, ticket)
}

func (m *memory) append(record *journal.Record, entry journal.Entry, ticket *journal.Ticket) (journal.Entry, journal.Status, error) {
	if ticket != nil {
		if _, ok := m.tickets[[2]string{ticket.Actor, ticket.Key}]; ok {
			return journal.Entry{}, journal.Status{}, fs.ErrExist
		}
	}
	entry.Issuer, entry.EffectiveAt, entry.Position = record.Issuer, time.Now().UTC().Truncate(time.Millisecond), uint64(len(m.entries)+1)
	status, err := record.Status.Apply(entry)
	if err != nil {
		return journal.Entry{}, journal.Status{}, err
	}
	record.Status = status
	m.entries = append(m.entries, entry)
	if ticket != nil {
		m.tickets[[2]string{ticket.Actor, ticket.Key}] = redeemed{*ticket, entry}
	}
	close(m.grown)
	m.grown = make(chan struct{})
	return entry, status, nil
}

func (m *memory) Expire(_ context.Context, now time.Time) (int, error) {
	unlock, err := m.lock("Expire")
	if err != nil {
		return 0, err
	}
	defer unlock()
	n := 0
	for _, record := range m.records {
		if record.Certificate != nil && now.After(record.NotAfter) && !record.Status.Expired {
			if _, _, err := m.append(record, journal.Entry{Kind: journal.Expired, Serial: record.Serial}, nil); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}

func (m *memory) Record(_ context.Context, serial journal.Serial) (journal.Record, error) {
	unlock, err := m.lock("Record")
	if err != nil {
		return journal.Record{}, err
	}
	defer unlock()
	record, ok := m.records[serial]
	if !ok {
		return journal.Record{}, fs.ErrNotExist
	}
	return *record, nil
}

func (m *memory) RecordsByKey(_ context.Context, hash [32]byte) ([]journal.Record, error) {
	unlock, err := m.lock("RecordsByKey")
	if err != nil {
		return nil, err
	}
	defer unlock()
	return m.recordsByKey(hash), nil
}

func (m *memory) recordsByKey(hash [32]byte) (records []journal.Record) {
	for _, serial := range m.order {
		if record := m.records[serial]; record.KeyHash == hash {
			records = append(records, *record)
		}
	}
	return records
}

func (m *memory) Certificates(_ context.Context, selection journal.Selection) ([]journal.Record, error) {
	unlock, err := m.lock("Certificates")
	if err != nil {
		return nil, err
	}
	defer unlock()
	start := 0
	if selection.After != "" {
		if start = slices.Index(m.order, selection.After) + 1; start == 0 {
			return nil, fs.ErrNotExist
		}
	}
	var records []journal.Record
	for _, serial := range m.order[start:] {
		if record := *m.records[serial]; selection.Selects(record) && (selection.Limit <= 0 || len(records) < selection.Limit) {
			records = append(records, record)
		}
	}
	return records, nil
}

func (m *memory) History(_ context.Context, serial journal.Serial) ([]journal.Entry, error) {
	unlock, err := m.lock("History")
	if err != nil {
		return nil, err
	}
	defer unlock()
	if _, ok := m.records[serial]; !ok {
		return nil, fs.ErrNotExist
	}
	return slices.DeleteFunc(slices.Clone(m.entries), func(e journal.Entry) bool { return e.Serial != serial }), nil
}

func (m *memory) Redeemed(_ context.Context, actor, key string) (journal.Ticket, journal.Entry, error) {
	unlock, err := m.lock("Redeemed")
	if err != nil {
		return journal.Ticket{}, journal.Entry{}, err
	}
	defer unlock()
	used, ok := m.tickets[[2]string{actor, key}]
	if !ok {
		return journal.Ticket{}, journal.Entry{}, fs.ErrNotExist
	}
	return used.ticket, used.entry, nil
}

func (m *memory) Entries(_ context.Context, after uint64, limit int) ([]journal.Entry, error) {
	unlock, err := m.lock("Entries")
	if err != nil {
		return nil, err
	}
	defer unlock()
	if after >= uint64(len(m.entries)) {
		return nil, nil
	}
	rest := m.entries[after:]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

func (m *memory) Wait(ctx context.Context, after uint64) error {
	for {
		m.mu.Lock()
		head, grown := uint64(len(m.entries)), m.grown
		m.mu.Unlock()
		if head > after {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// check is the full-invariant checker: gapless positions, each status the fold
// of its entries, every entry's certificate present.
func (m *memory) check(t *testing.T) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	folds := map[journal.Serial]journal.Status{}
	for i, entry := range m.entries {
		if entry.Position != uint64(i+1) {
			t.Errorf("entry %d has position %d", i+1, entry.Position)
		}
		next, err := folds[entry.Serial].Apply(entry)
		if err != nil {
			t.Errorf("entry %d does not fit: %v", i+1, err)
		}
		folds[entry.Serial] = next
	}
	for serial, record := range m.records {
		if got, want := record.Status.Version, folds[serial].Version; got != want {
			t.Errorf("status of %s is at %d, its entries at %d", serial, got, want)
		}
		if record.Certificate == nil && record.Status.State != journal.NonIssued {
			t.Errorf("%s has a status and no certificate", serial)
		}
	}
}
