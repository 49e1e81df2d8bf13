package register

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// Populate fills an empty SQLite register with n certificates of the issuer
// that are all revoked, for measurements: the rows are what lists are read from,
// but the certificates in them are none, so that [Register.Check] finds fault
// with every one. It returns [fs.ErrExist] when the register is not empty, and is
// of no use for anything else.
func (r *Register) Populate(ctx context.Context, issuer string, n int) error {
	if _, ok := r.engine.(*sqlite); !ok {
		return errors.New("populating register: it is not a SQLite register")
	}
	err := r.write(ctx, &write{run: func(b *batch) error {
		if b.head != 0 || b.id != 0 {
			return fs.ErrExist
		}
		// One in four is held, and one in eight has an invalidity date. Serials
		// ascend, or the indexes would take minutes.
		b.change(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
			INSERT INTO certificate (id, serial, issuer, profile, set_name, key_hash, actor, not_after, reserved_at, state, reason, since, invalidity_date, version, certificate)
			SELECT i, unhex(printf('4a%014x', i) || hex(randomblob(8))), ?, 'p', '', unhex(printf('%064x', i)), '', 4000000000000000, 0,
				CASE WHEN i % 4 = 0 THEN 'held' ELSE 'revoked' END, CASE WHEN i % 4 = 0 THEN 6 ELSE i % 4 END,
				1700000000000000 + i * 1000000, CASE WHEN i % 8 = 1 THEN 1700000000000000 END, 2 * i, x'3000' FROM n`, n, issuer)
		b.change(`INSERT INTO entry (position, kind, issuer, certificate, reason, owner, effective_at, invalidity_date, actor)
			SELECT 2 * id - 1 + later, CASE later WHEN 0 THEN 'issued' ELSE state END, issuer, id, CASE WHEN later = 1 AND state = 'revoked' THEN reason ELSE 0 END,
				CASE WHEN later = 1 AND state = 'held' THEN 'centre' ELSE '' END, since - 1 + later, CASE later WHEN 1 THEN invalidity_date END, ''
			FROM certificate CROSS JOIN (SELECT 0 AS later UNION ALL SELECT 1) ORDER BY id, later`)
		b.head, b.id = uint64(2*n), int64(n)
		return nil
	}})
	if err != nil {
		return fmt.Errorf("populating register: %w", err)
	}
	return nil
}
