package register

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/journal/column"
)

// maxSelected bounds one page of Certificates.
const maxSelected = 1000

// Certificates returns one page of the issued certificates of a selection, in
// the order of their reservation: at most 1000. The page after it follows the
// serial of its last record; a page that is shorter than what was asked for is
// the last. [fs.ErrNotExist] means that the serial to follow was never
// reserved.
func (r *Register) Certificates(ctx context.Context, selection journal.Selection) ([]journal.Record, error) {
	where, args := []string{"state <> ''"}, []any{}
	add := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	if selection.After != "" {
		key, err := column.Serial(selection.After)
		if err != nil {
			return nil, fmt.Errorf("selecting certificates: %w", err)
		}
		var id int64
		err = r.row(ctx, "SELECT id FROM certificate WHERE serial = ?", []any{key}, &id)
		if errors.Is(err, sql.ErrNoRows) {
			err = fs.ErrNotExist
		}
		if err != nil {
			return nil, fmt.Errorf("selecting certificates after serial %s: %w", selection.After, err)
		}
		add("id > ?", id)
	}
	if selection.Issuer != "" {
		add("issuer = ?", selection.Issuer)
	}
	if selection.Profile != "" {
		add("profile = ?", selection.Profile)
	}
	switch selection.State {
	case "":
	case journal.Lapsed:
		add("expired = 1")
	case journal.Valid:
		add("state = 'valid' AND expired = 0")
	default:
		add("state = ?", string(selection.State))
	}
	limit := selection.Limit
	if limit <= 0 || limit > maxSelected {
		limit = maxSelected
	}
	return r.records(ctx, strings.Join(where, " AND ")+" ORDER BY id LIMIT ?", append(args, limit)...)
}
