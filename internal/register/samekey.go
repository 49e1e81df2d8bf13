package register

import (
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/journal/column"
)

// keyRecords are the records of the keys that a batch's writes ask for. They are
// read when the batch begins, and anew after a write of the batch has changed one
// of them, which hardly ever happens.
type keyRecords struct {
	records map[[32]byte][]journal.Record
	stale   map[[32]byte]bool
	// of is the key of each serial that is in the records, by its octets.
	of map[string][32]byte
}

func newKeyRecords() keyRecords {
	return keyRecords{records: make(map[[32]byte][]journal.Record), stale: make(map[[32]byte]bool), of: make(map[string][32]byte)}
}

// ask reports whether nobody has asked for the key yet.
func (k *keyRecords) ask(key [32]byte) bool {
	_, asked := k.records[key]
	k.records[key] = nil
	return !asked
}

func (k *keyRecords) read(key [32]byte) statement {
	var seen map[journal.Serial]bool
	return statement{
		query: "SELECT " + recordColumns + " FROM certificate WHERE key_hash = ? ORDER BY id",
		args:  []any{key[:]},
		scan: func(row scanner) error {
			record, err := scanRecord(row.Scan)
			// What opens a transaction may run twice.
			if err != nil || seen[record.Serial] {
				return err
			}
			if seen == nil {
				seen = make(map[journal.Serial]bool)
			}
			seen[record.Serial] = true
			serial, err := column.Serial(record.Serial)
			k.records[key], k.of[string(serial)] = append(k.records[key], record), key
			return err
		},
	}
}

// reserved says that a serial is reserved for the key.
func (k *keyRecords) reserved(serial []byte, key [32]byte) {
	if _, asked := k.records[key]; asked {
		k.of[string(serial)] = key
	}
}

// changed says that the serial's row is another one now.
func (k *keyRecords) changed(serial []byte) {
	if key, ok := k.of[string(serial)]; ok {
		k.stale[key] = true
	}
}

// sameKey returns the records of a key that the write has named, those of the
// batch's earlier writes included.
func (b *batch) sameKey(key [32]byte) ([]journal.Record, error) {
	if b.keys.stale[key] {
		delete(b.keys.stale, key)
		b.keys.records[key] = nil
		again := b.keys.read(key)
		if err := b.read(again.query, again.args, again.scan); err != nil {
			return nil, err
		}
	}
	return b.keys.records[key], nil
}
