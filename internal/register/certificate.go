package register

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/journal/column"
)

// Reserve makes the intent durable and its serial used up for ever. A zero At
// becomes the present. It returns [fs.ErrExist] when the serial was ever
// reserved, by whichever issuer.
func (r *Register) Reserve(ctx context.Context, intent journal.Intent) error {
	return r.ReserveSet(ctx, []journal.Intent{intent}, nil)
}

// ReserveSet is Reserve for several intents, all or none in one commit. admit,
// unless it is nil, is asked about each of them first: it sees the records of all
// serials that were ever reserved for the same key, in the order of their
// reservation, and none can be added between its answer and the reservation. Its
// error ends the whole and is returned. It may be asked again about the same
// intent, must not use the register, and holds up all other writers.
func (r *Register) ReserveSet(ctx context.Context, set []journal.Intent, admit func(i int, sameKey []journal.Record) error) error {
	set = slices.Clone(set)
	w := &write{}
	for i := range set {
		serial, err := checkIntent(&set[i])
		if err != nil {
			return fmt.Errorf("reserving serial: %w", err)
		}
		w.serials = append(w.serials, serial)
		if admit != nil {
			w.keys = append(w.keys, set[i].KeyHash)
		}
	}
	w.run = func(b *batch) error {
		for i := range w.keys {
			records, err := b.sameKey(set[i].KeyHash)
			if err == nil {
				err = admit(i, records)
			}
			if err != nil {
				return fmt.Errorf("reserving serial %s: %w", set[i].Serial, err)
			}
		}
		for i, intent := range set {
			if b.certificate(w.serials[i]) != nil {
				return fmt.Errorf("reserving serial %s: %w", intent.Serial, fs.ErrExist)
			}
			b.reserve(w.serials[i], intent)
		}
		return nil
	}
	return r.write(ctx, w)
}

// checkIntent refuses an intent that cannot be stored, and completes it. It
// returns the octets of its serial.
func checkIntent(intent *journal.Intent) ([]byte, error) {
	serial, err := column.Serial(intent.Serial)
	if err == nil && (intent.Issuer == "" || intent.Profile == "" || len(intent.ToBeSigned) == 0 || intent.NotAfter.IsZero()) {
		err = errors.New("issuer, profile, to-be-signed part and end of validity must all be there")
	}
	if err == nil {
		err = checkTexts("issuer", intent.Issuer, "profile", intent.Profile, "set", intent.Set, "actor", intent.Actor)
	}
	if intent.At.IsZero() {
		intent.At = time.Now()
	}
	// What the certificate will say.
	intent.NotAfter = intent.NotAfter.Truncate(time.Second)
	return serial, err
}

// Complete stores the signed certificate of a reserved serial together with
// its Issued entry, which it returns. The ticket may be nil.
//
// It returns [fs.ErrNotExist] when the serial was never reserved, [fs.ErrExist]
// when its certificate is there already or the ticket was used, and another
// error when the certificate's to-be-signed part is not that of the intent.
func (r *Register) Complete(ctx context.Context, serial journal.Serial, certificate []byte, ticket *journal.Ticket) (journal.Entry, error) {
	entries, err := r.CompleteSet(ctx, []journal.Signed{{Serial: serial, Certificate: certificate}}, ticket)
	if err != nil {
		return journal.Entry{}, err
	}
	return entries[0], nil
}

// CompleteSet stores certificates that belong together, all or none, with
// their Issued entries, which stand one behind the other in the journal. The
// ticket, which may be nil, leads to the first of them. Errors are those of
// [Register.Complete].
func (r *Register) CompleteSet(ctx context.Context, set []journal.Signed, ticket *journal.Ticket) ([]journal.Entry, error) {
	if len(set) == 0 {
		return nil, errors.New("completing serials: there is none")
	}
	if err := checkTicket(ticket); err != nil {
		return nil, fmt.Errorf("completing serials: %w", err)
	}
	w := &write{ticket: ticket}
	parts := make([][]byte, len(set))
	for i, signed := range set {
		tbs, err := toBeSigned(signed.Certificate)
		key, malformed := column.Serial(signed.Serial)
		if err = errors.Join(err, malformed); err != nil {
			return nil, fmt.Errorf("completing serial %s: %w", signed.Serial, err)
		}
		parts[i], w.serials = tbs, append(w.serials, key)
	}
	var entries []journal.Entry
	w.run = func(b *batch) error {
		entries = nil
		if err := b.redeem(ticket); err != nil {
			return err
		}
		for i, signed := range set {
			e, err := b.complete(signed, w.serials[i], parts[i])
			if err != nil {
				return fmt.Errorf("serial %s: %w", signed.Serial, err)
			}
			entries = append(entries, e)
		}
		return nil
	}
	if err := r.write(ctx, w); err != nil {
		return nil, fmt.Errorf("completing certificates: %w", err)
	}
	return entries, nil
}

// complete stores one signed certificate, whose to-be-signed part is tbs.
func (b *batch) complete(signed journal.Signed, key, tbs []byte) (journal.Entry, error) {
	row := b.certificate(key)
	switch {
	case row == nil:
		return journal.Entry{}, fs.ErrNotExist
	case row.status.State != journal.NonIssued:
		return journal.Entry{}, fmt.Errorf("its certificate is there already: %w", fs.ErrExist)
	case !bytes.Equal(row.toBeSigned, tbs):
		return journal.Entry{}, errors.New("the certificate is not the one that the serial was reserved for")
	}
	e := journal.Entry{Kind: journal.Issued, Issuer: row.issuer, Serial: signed.Serial, Profile: row.profile, Actor: row.actor}
	b.append(&e, row.id)
	status, err := row.status.Apply(e)
	if err != nil {
		return journal.Entry{}, err
	}
	return e, b.setStatus(key, row, status, signed.Certificate)
}

// toBeSigned returns the TBSCertificate of a certificate as it stands there,
// header included. It aliases the certificate.
//
// RFC 5280, Section 4.1: Certificate is the sequence of tbsCertificate,
// signatureAlgorithm and signatureValue.
func toBeSigned(certificate []byte) ([]byte, error) {
	body, ok := der.Whole(certificate, asn1.SEQUENCE)
	var tbs cryptobyte.String
	if !ok || !body.ReadASN1Element(&tbs, asn1.SEQUENCE) || !body.SkipASN1(asn1.SEQUENCE) ||
		!body.SkipASN1(asn1.BIT_STRING) || !body.Empty() {
		return nil, errors.New("what was signed is not the DER encoding of a certificate")
	}
	return tbs, nil
}

const recordColumns = "serial, issuer, profile, set_name, key_hash, actor, not_after, reserved_at, to_be_signed, certificate, " + column.Status

func scanRecord(scan func(...any) error) (journal.Record, error) {
	var r journal.Record
	var serial, keyHash []byte
	var notAfter, at sql.NullInt64
	var status column.StatusRow
	if err := scan(append([]any{&serial, &r.Issuer, &r.Profile, &r.Set, &keyHash, &r.Actor, &notAfter, &at, &r.ToBeSigned, &r.Certificate},
		status.Dest()...)...); err != nil {
		return r, err
	}
	r.Serial = column.SerialOf(serial)
	r.NotAfter, r.At = column.TimeOf(notAfter), column.TimeOf(at)
	if copy(r.KeyHash[:], keyHash); len(keyHash) != len(r.KeyHash) {
		return r, fmt.Errorf("the key hash of serial %s has %d octets", r.Serial, len(keyHash))
	}
	var err error
	if r.Certificate != nil {
		if r.ToBeSigned, err = toBeSigned(r.Certificate); err != nil {
			return r, err
		}
	}
	r.Status, err = status.Status()
	return r, err
}

// Record returns all that the register has on a serial. [fs.ErrNotExist] means
// that it was never reserved.
func (r *Register) Record(ctx context.Context, serial journal.Serial) (journal.Record, error) {
	key, err := column.Serial(serial)
	if err != nil {
		return journal.Record{}, fmt.Errorf("reading record: %w", err)
	}
	record, err := scanRecord(func(dest ...any) error {
		return r.row(ctx, "SELECT "+recordColumns+" FROM certificate WHERE serial = ?", []any{key}, dest...)
	})
	if errors.Is(err, sql.ErrNoRows) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return journal.Record{}, fmt.Errorf("reading record of serial %s: %w", serial, err)
	}
	return record, nil
}

// RecordsByKey returns the records of all serials that were reserved for a
// public key, in the order of their reservation. keyHash is the SHA-256 hash of
// its SubjectPublicKeyInfo.
func (r *Register) RecordsByKey(ctx context.Context, keyHash [32]byte) ([]journal.Record, error) {
	// Most keys are new, which is found out at a third of the cost.
	var id int64
	switch err := r.row(ctx, "SELECT id FROM certificate WHERE key_hash = ? LIMIT 1", []any{keyHash[:]}, &id); {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading records: %w", err)
	}
	return r.records(ctx, "key_hash = ? ORDER BY id", keyHash[:])
}

// RecordsBetween returns the records of the certificates that the entries after
// one position, up to another, are about, in the order of their reservation.
func (r *Register) RecordsBetween(ctx context.Context, after, last uint64) ([]journal.Record, error) {
	return r.records(ctx, "id IN (SELECT certificate FROM entry WHERE position > ? AND position <= ?) ORDER BY id",
		int64(min(after, math.MaxInt64)), int64(min(last, math.MaxInt64)))
}

// Unfinished returns what was reserved and has no certificate, in the order of
// its reservation. After a crash these are the serials that may have been
// signed without anybody having received the certificate; in operation they
// include what is being signed at this moment.
func (r *Register) Unfinished(ctx context.Context) ([]journal.Intent, error) {
	records, err := r.records(ctx, "state = '' ORDER BY id")
	var intents []journal.Intent
	for _, record := range records {
		intents = append(intents, record.Intent)
	}
	return intents, err
}

func (r *Register) records(ctx context.Context, where string, args ...any) ([]journal.Record, error) {
	var records []journal.Record
	err := r.each(ctx, "SELECT "+recordColumns+" FROM certificate WHERE "+where, args, func(row scanner) error {
		record, err := scanRecord(row.Scan)
		records = append(records, record)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading records: %w", err)
	}
	return records, nil
}
