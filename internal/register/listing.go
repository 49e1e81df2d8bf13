package register

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/altamga/altamga/internal/journal/column"
)

// A row costs SQLite and the way from it to here several times what is done
// with it afterwards. So the schema gives what a list needs of a certificate as
// one value, the listing, and thousands of those are read as one row.
const (
	maxSerial = 20
	// listingSize is how many octets a listing has; the schema says which.
	listingSize = maxSerial + 3 + 3*8
	// listingsAtOnce is how many are read as one.
	listingsAtOnce = 4096
)

// listing is a held or revoked certificate as the schema gives it.
type listing []byte

func (l listing) serial() []byte { return l[:min(l[maxSerial], maxSerial)] }

// place is what listings are in the order of: that of the serials' octets.
func (l listing) place() []byte { return l[:maxSerial+1] }

// on reports whether a list made at the point has the certificate, provided
// that it has not changed since.
func (l listing) on(at Point) bool {
	expired, version := l[maxSerial+2] != 0, binary.BigEndian.Uint64(l[maxSerial+19:])
	return version <= at.Number && !(expired && version <= at.Dropped)
}

func (l listing) entry() Listed {
	return Listed{
		Serial: l.serial(), Reason: int(l[maxSerial+1]),
		Since: listingTime(l[maxSerial+3:]), InvalidityDate: listingTime(l[maxSerial+11:]),
	}
}

func listingTime(octets []byte) time.Time {
	t := int64(binary.BigEndian.Uint64(octets))
	return column.TimeOf(sql.NullInt64{Int64: t, Valid: t != math.MinInt64})
}

// eachListing calls do for the issuer's held and revoked certificates in the
// order of the serials' octets. A listing is good until do returns.
func eachListing(e engine, tx *snapshot, issuer string, do func(listing) error) error {
	last := make(listing, listingSize)
	for {
		n := 0
		query, args := e.listings(issuer, last, listingsAtOnce)
		err := tx.eachBrief(query, args, func(row scanner) error {
			var all sql.RawBytes
			if err := row.Scan(&all); err != nil {
				return err
			}
			if len(all)%listingSize != 0 {
				return fmt.Errorf("the register's schema gives listings of %d octets", len(all))
			}
			for ; len(all) > 0; all = all[listingSize:] {
				next := listing(all[:listingSize:listingSize])
				if bytes.Compare(last.place(), next.place()) >= 0 {
					return fmt.Errorf("the database gives serial %x behind %x", next.serial(), last.serial())
				}
				if err := do(next); err != nil {
					return err
				}
				copy(last, next)
				n++
			}
			return nil
		})
		if err != nil || n < listingsAtOnce {
			return err
		}
	}
}
