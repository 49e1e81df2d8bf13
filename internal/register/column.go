package register

import (
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// stored returns t as the register keeps it, in microseconds and UTC, so that
// what a write returns is what a later read returns.
func stored(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMicro(t.UnixMicro()).UTC()
}

// column returns a time's column; that of the zero time is NULL.
func column(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

func fromColumn(v sql.NullInt64) time.Time {
	if !v.Valid {
		return time.Time{}
	}
	return time.UnixMicro(v.Int64).UTC()
}

// octets returns the serial as it is stored: the big-endian number.
func octets(serial journal.Serial) ([]byte, error) {
	if s, err := journal.ParseSerial(string(serial)); err != nil || s != serial {
		return nil, fmt.Errorf("serial %q is not in the register's form", serial)
	}
	s := string(serial)
	if len(s)%2 == 1 {
		s = "0" + s
	}
	return hex.DecodeString(s)
}

func serialOf(octets []byte) journal.Serial {
	s := hex.EncodeToString(octets)
	if s != "" && s[0] == '0' {
		s = s[1:]
	}
	return journal.Serial(s)
}

// statusColumns are the columns of the fold, in the order of statusRow.dest.
const statusColumns = "state, holds, reason, since, invalidity_date, expired, version"

// statusRow receives the columns of the fold. All may be NULL, as they are
// where an outer join found no certificate.
type statusRow struct {
	state      sql.NullString
	holds      []byte
	reason     sql.NullInt64
	since      sql.NullInt64
	invalidity sql.NullInt64
	expired    sql.NullBool
	version    sql.NullInt64
}

func (r *statusRow) dest() []any {
	return []any{&r.state, &r.holds, &r.reason, &r.since, &r.invalidity, &r.expired, &r.version}
}

func (r *statusRow) status() (journal.Status, error) {
	s := journal.Status{
		State:          journal.State(r.state.String),
		Reason:         journal.Reason(r.reason.Int64),
		Since:          fromColumn(r.since),
		InvalidityDate: fromColumn(r.invalidity),
		Expired:        r.expired.Bool,
		Version:        uint64(r.version.Int64),
	}
	if r.holds != nil {
		if err := json.Unmarshal(r.holds, &s.Holds); err != nil {
			return s, fmt.Errorf("reading holds: %w", err)
		}
	}
	return s, nil
}

// statusArgs returns the status as values for statusColumns.
func statusArgs(s journal.Status) ([]any, error) {
	var holds any
	if len(s.Holds) > 0 {
		text, err := json.Marshal(s.Holds)
		if err != nil {
			return nil, err
		}
		holds = string(text)
	}
	expired := int64(0)
	if s.Expired {
		expired = 1
	}
	return []any{string(s.State), holds, int64(s.Reason), column(s.Since), column(s.InvalidityDate), expired, int64(s.Version)}, nil
}
