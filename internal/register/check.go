package register

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"reflect"

	"github.com/altamga/altamga/internal/journal"
)

// Check reads the whole register and returns all that contradicts itself,
// joined, or nil:
//
//   - the file itself, its indexes and references are sound,
//   - positions count from 1 without gaps,
//   - each certificate's status is the fold of its entries, all of which are legal,
//   - each issued serial has a certificate, which names that serial, the end of
//     validity and the key that were reserved, and each abandoned one has none,
//   - no follower is ahead of the journal.
//
// It takes minutes for a million certificates and holds up nobody meanwhile,
// but keeps the write-ahead log from being trimmed.
func (s *SQLite) Check(ctx context.Context) error {
	// One read transaction, so that all of it is about one moment.
	tx, err := s.reads.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("checking register: %w", s.unlessClosed(err))
	}
	defer tx.Rollback()
	c := &checker{ctx: ctx, tx: tx}
	for _, check := range []func() error{c.file, c.positions, c.certificates, c.followers} {
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
	ctx    context.Context
	tx     *sql.Tx
	faults []error
}

func (c *checker) fault(format string, args ...any) error {
	c.faults = append(c.faults, fmt.Errorf(format, args...))
	if len(c.faults) >= maxFaults {
		return errors.New("there are more faults")
	}
	return nil
}

func (c *checker) each(query string, scan func(*sql.Rows) error) error {
	rows, err := c.tx.QueryContext(c.ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// file checks pages, indexes (uniqueness among them) and references.
func (c *checker) file() error {
	err := c.each("PRAGMA integrity_check", func(rows *sql.Rows) error {
		var line string
		if err := rows.Scan(&line); err != nil || line == "ok" {
			return err
		}
		return c.fault("file: %s", line)
	})
	if err != nil {
		return err
	}
	return c.each("PRAGMA foreign_key_check", func(rows *sql.Rows) error {
		var table, parent string
		var row sql.NullInt64
		var key int
		if err := rows.Scan(&table, &row, &parent, &key); err != nil {
			return err
		}
		return c.fault("row %d of %s refers to a row of %s that is not there", row.Int64, table, parent)
	})
}

func (c *checker) positions() error {
	return c.each("SELECT count(*), ifnull(min(position), 1), ifnull(max(position), 0) FROM entry", func(rows *sql.Rows) error {
		var n, first, last int64
		if err := rows.Scan(&n, &first, &last); err != nil || (first == 1 && last == n) {
			return err
		}
		return c.fault("the journal has %d entries from position %d to %d", n, first, last)
	})
}

// certificates walks over all certificates and, beside them, over all entries
// in the same order, one row of each at a time, and folds.
func (c *checker) certificates() error {
	entries, err := c.tx.QueryContext(c.ctx, "SELECT e.certificate, "+entryColumns+" FROM "+entryTables+
		" WHERE e.certificate IS NOT NULL ORDER BY e.certificate, e.position")
	if err != nil {
		return err
	}
	defer entries.Close()
	var owner int64 // the row of the certificate that entry is about; 0 after the last
	var entry entryRow
	next := func() error {
		owner, entry = 0, entryRow{}
		if !entries.Next() {
			return entries.Err()
		}
		return entries.Scan(append([]any{&owner}, entry.dest()...)...)
	}
	if err := next(); err != nil {
		return err
	}
	return c.each("SELECT id, "+recordColumns+" FROM certificate ORDER BY id", func(rows *sql.Rows) error {
		var id int64
		record, err := scanRecord(func(dest ...any) error { return rows.Scan(append([]any{&id}, dest...)...) })
		if err != nil {
			return c.fault("row %d: %w", id, err)
		}
		var fold journal.Status
		abandoned := false
		for owner == id {
			e := entry.entry()
			abandoned = abandoned || e.Kind == journal.Abandoned
			after, err := fold.Apply(e)
			if err == nil && e.Issuer != record.Issuer {
				err = fmt.Errorf("its issuer is %s and not %s", e.Issuer, record.Issuer)
			}
			if err != nil {
				if err := c.fault("entry %d of serial %s: %w", e.Position, record.Serial, err); err != nil {
					return err
				}
			}
			fold = after
			if err := next(); err != nil {
				return err
			}
		}
		return c.record(record, fold, abandoned)
	})
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
	return c.each("SELECT name, position FROM follower WHERE position > (SELECT ifnull(max(position), 0) FROM entry)", func(rows *sql.Rows) error {
		var name string
		var position int64
		if err := rows.Scan(&name, &position); err != nil {
			return err
		}
		return c.fault("follower %q is at position %d, after the last entry", name, position)
	})
}
