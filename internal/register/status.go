package register

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/journal/column"
)

// Status returns the status of the issuer's certificate of that serial and the
// position of the journal's last entry, both as of one moment. The status is
// NonIssued when the serial is unknown, only reserved, or another issuer's.
func (r *Register) Status(ctx context.Context, issuer string, serial journal.Serial) (journal.Status, uint64, error) {
	status, _, head, err := r.Standing(ctx, issuer, serial)
	return status, head, err
}

// Standing is Status and the profile by which the certificate was issued, in
// the same snapshot; "" when there is no certificate.
func (r *Register) Standing(ctx context.Context, issuer string, serial journal.Serial) (_ journal.Status, profile string, head uint64, _ error) {
	key, err := column.Serial(serial)
	if err != nil {
		return journal.Status{}, "", 0, fmt.Errorf("reading status: %w", err)
	}
	var row column.StatusRow
	var of sql.NullString
	// One statement is one snapshot.
	err = r.row(ctx, "SELECT h.head, c.profile, "+column.Status+` FROM (SELECT coalesce(max(position), 0) AS head FROM entry) h
		LEFT JOIN certificate c ON c.serial = ? AND c.issuer = ?`, []any{key, issuer}, append([]any{&head, &of}, row.Dest()...)...)
	if err != nil {
		return journal.Status{}, "", 0, fmt.Errorf("reading status of serial %s: %w", serial, err)
	}
	status, err := row.Status()
	if err != nil {
		return journal.Status{}, "", 0, fmt.Errorf("reading status of serial %s: %w", serial, err)
	}
	return status, of.String, head, nil
}
