// Package column says how the journal's words stand in the columns of an SQL
// table: times in microseconds, serial numbers as octets, and a status as the
// fold of a certificate's entries.
package column

import (
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// Time returns a time's column; that of the zero time is NULL.
func Time(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

// TimeOf returns the time that stands in a column, in UTC.
func TimeOf(v sql.NullInt64) time.Time {
	if !v.Valid {
		return time.Time{}
	}
	return time.UnixMicro(v.Int64).UTC()
}

// Serial returns the serial's column: the big-endian number.
func Serial(serial journal.Serial) ([]byte, error) {
	if s, err := journal.ParseSerial(string(serial)); err != nil || s != serial {
		return nil, fmt.Errorf("serial %q is not in the journal's form", serial)
	}
	s := string(serial)
	if len(s)%2 == 1 {
		s = "0" + s
	}
	return hex.DecodeString(s)
}

// SerialOf returns the serial that stands in a column.
func SerialOf(octets []byte) journal.Serial {
	s := hex.EncodeToString(octets)
	if s != "" && s[0] == '0' {
		s = s[1:]
	}
	return journal.Serial(s)
}

// Status are the columns of a status, in the order of [StatusRow.Dest] and
// [StatusArgs].
const Status = "state, holds, reason, since, invalidity_date, expired, version"

// StatusRow receives the columns of a status. All may be NULL, as they are
// where an outer join found no certificate.
type StatusRow struct {
	state                              sql.NullString
	holds                              []byte
	reason, since, invalidity, version sql.NullInt64
	expired                            sql.NullBool
}

// Dest returns what a row is scanned into.
func (r *StatusRow) Dest() []any {
	return []any{&r.state, &r.holds, &r.reason, &r.since, &r.invalidity, &r.expired, &r.version}
}

// Status returns the status that was scanned; that of no certificate is
// [journal.NonIssued].
func (r *StatusRow) Status() (journal.Status, error) {
	s := journal.Status{
		State: journal.State(r.state.String), Reason: journal.Reason(r.reason.Int64),
		Since: TimeOf(r.since), InvalidityDate: TimeOf(r.invalidity),
		Expired: r.expired.Bool, Version: uint64(r.version.Int64),
	}
	if r.holds != nil {
		if err := json.Unmarshal(r.holds, &s.Holds); err != nil {
			return s, fmt.Errorf("reading holds: %w", err)
		}
	}
	return s, nil
}

// StatusArgs returns the status as values for its columns.
func StatusArgs(s journal.Status) ([]any, error) {
	var holds any
	if len(s.Holds) > 0 {
		text, err := json.Marshal(s.Holds)
		if err != nil {
			return nil, fmt.Errorf("encoding holds: %w", err)
		}
		holds = string(text)
	}
	expired := int64(0)
	if s.Expired {
		expired = 1
	}
	return []any{string(s.State), holds, int64(s.Reason), Time(s.Since), Time(s.InvalidityDate), expired, int64(s.Version)}, nil
}
