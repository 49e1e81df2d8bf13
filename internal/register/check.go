package register

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/altamga/altamga/internal/journal"
)

// Check reads the whole register and returns all that contradicts itself,
// joined, or nil:
//
//   - the database itself, its indexes and references are sound,
//   - positions count from 1 without gaps, and so do the rows of serials,
//   - each certificate's status is the fold of its entries, all of which are legal,
//   - each issued serial has a certificate, which names that serial, the end of
//     validity and the key that were reserved, and each abandoned one has none,
//   - no follower is ahead of the journal.
//
// It takes minutes for a million certificates and holds up nobody meanwhile,
// but keeps the database from tidying up behind the writers.
func (r *Register) Check(ctx context.Context) error {
	// One read transaction, so that all of it is about one moment.
	tx, err := r.snapshot(ctx)
	if err != nil {
		return fmt.Errorf("checking register: %w", err)
	}
	defer tx.end()
	c := &checker{tx: tx}
	for _, check := range []func() error{
		func() error { return r.engine.inspect(tx, c.fault) },
		c.positions, c.rows, c.certificates, c.followers,
	} {
		if err := check(); err != nil {
			return fmt.Errorf("checking register: %w", errors.Join(append(c.faults, err)...))
		}
	}
	if len(c.faults) > 0 {
		return fmt.Errorf("checking register: %w", errors.Join(c.faults...))
	}
	return nil
}

// maxFaults ends a check that has seen enough.
const maxFaults = 100

type checker struct {
	tx     *snapshot
	faults []error
}

func (c *checker) fault(format string, args ...any) error {
	c.faults = append(c.faults, fmt.Errorf(format, args...))
	if len(c.faults) >= maxFaults {
		return errors.New("there are more faults")
	}
	return nil
}

func (c *checker) positions() error {
	return c.tx.each("SELECT count(*), coalesce(min(position), 1), coalesce(max(position), 0) FROM entry", nil, func(row scanner) error {
		var n, first, last int64
		if err := row.Scan(&n, &first, &last); err != nil || (first == 1 && last == n) {
			return err
		}
		return c.fault("the journal has %d entries from position %d to %d", n, first, last)
	})
}

// rows holds the table of serials to what its constraints would, if they were
// still there.
func (c *checker) rows() error {
	return c.tx.each(`SELECT count(*), coalesce(min(id), 1), coalesce(max(id), 0),
		count(*) FILTER (WHERE (to_be_signed IS NULL) = (certificate IS NULL)) FROM certificate`, nil, func(row scanner) error {
		var n, first, last, both int64
		if err := row.Scan(&n, &first, &last, &both); err != nil {
			return err
		}
		if first != 1 || last != n {
			return c.fault("there are %d serials in rows %d to %d: serials were removed or moved", n, first, last)
		}
		if both > 0 {
			return c.fault("%d serials have both or neither of a certificate and what is to be signed", both)
		}
		return nil
	})
}

// certificates reads all certificates, each as often as it has entries and
// beside them, and folds.
func (c *checker) certificates() error {
	var id int64
	var record journal.Record
	var fold journal.Status
	var malformed error // why record is not one
	abandoned := false
	judge := func() error {
		if id == 0 || malformed != nil {
			return nil
		}
		return c.record(record, fold, abandoned)
	}
	err := c.tx.each("SELECT c.id, "+qualified("c", recordColumns)+", e.position IS NOT NULL, "+entryColumnsOrNot+
		" FROM certificate c LEFT JOIN entry e ON e.certificate = c.id ORDER BY c.id, e.position", nil,
		func(row scanner) error {
			var nextID int64
			var there bool
			var columns entryRow
			next, err := scanRecord(func(dest ...any) error {
				return row.Scan(append(append([]any{&nextID}, dest...), append([]any{&there}, columns.dest()...)...)...)
			})
			if nextID != id {
				if err := judge(); err != nil {
					return err
				}
				id, record, malformed, fold, abandoned = nextID, next, err, journal.Status{}, false
				if malformed != nil {
					return c.fault("row %d: %w", id, malformed)
				}
			}
			if !there || malformed != nil {
				return nil
			}
			e := columns.entry()
			abandoned = abandoned || e.Kind == journal.Abandoned
			after, err := fold.Apply(e)
			fold = after
			if err == nil && e.Issuer != record.Issuer {
				err = fmt.Errorf("its issuer is %s and not %s", e.Issuer, record.Issuer)
			}
			if err != nil {
				return c.fault("entry %d of serial %s: %w", e.Position, record.Serial, err)
			}
			return nil
		})
	return errors.Join(err, judge())
}

// entryColumnsOrNot are entryColumns where an outer join may have found none.
const entryColumnsOrNot = "coalesce(e.position, 0), coalesce(e.kind, ''), coalesce(e.issuer, ''), c.serial, c.profile, coalesce(e.reason, 0), " +
	"coalesce(e.owner, ''), e.received_at, e.effective_at, e.invalidity_date, coalesce(e.actor, '')"

// qualified puts the table's name before each of the columns.
func qualified(table, columns string) string {
	return table + "." + strings.ReplaceAll(columns, ", ", ", "+table+".")
}

// record compares a certificate with what was reserved and its status with the
// fold of its entries.
func (c *checker) record(r journal.Record, fold journal.Status, abandoned bool) error {
	if !reflect.DeepEqual(r.Status, fold) {
		return c.fault("serial %s: its status is %+v, its entries say %+v", r.Serial, r.Status, fold)
	}
	if r.Status.State == journal.NonIssued || r.Certificate == nil && abandoned {
		return nil
	}
	certificate, err := x509.ParseCertificate(r.Certificate)
	switch {
	case err != nil:
		return c.fault("serial %s: %w", r.Serial, err)
	case journal.SerialOf(certificate.SerialNumber) != r.Serial:
		return c.fault("serial %s: its certificate has serial %s", r.Serial, journal.SerialOf(certificate.SerialNumber))
	case !certificate.NotAfter.Equal(r.NotAfter):
		return c.fault("serial %s: its certificate ends at %s, reserved was %s", r.Serial, certificate.NotAfter, r.NotAfter)
	case sha256.Sum256(certificate.RawSubjectPublicKeyInfo) != r.KeyHash:
		return c.fault("serial %s: its certificate is for another key than was reserved", r.Serial)
	}
	return nil
}

func (c *checker) followers() error {
	return c.tx.each("SELECT name, position FROM follower WHERE position > (SELECT coalesce(max(position), 0) FROM entry)", nil, func(row scanner) error {
		var name string
		var position int64
		if err := row.Scan(&name, &position); err != nil {
			return err
		}
		return c.fault("follower %q is at position %d, after the last entry", name, position)
	})
}
