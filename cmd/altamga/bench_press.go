package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/lint"
)

// benchPress issues with the keys of a centre and stores nothing.
type benchPress struct {
	config   suiteConfig
	issuers  []ca.Issuer
	profiles *ca.Profiles
	issuer   *x509.Certificate
	csr      []byte
	public   crypto.PublicKey
	// certificate is the last one that was issued, in DER.
	certificate []byte
}

func newBenchPress(dir string) (*benchPress, error) {
	b := &benchPress{}
	if err := config.Load(filepath.Join(dir, configFile), &b.config); err != nil {
		return nil, err
	}
	p := &process{config: &b.config, dir: dir}
	var err error
	if b.issuers, err = p.caIssuers(b.config.CA.Issuers); err != nil {
		return nil, err
	}
	for _, issuer := range b.issuers {
		if issuer.ID == b.config.RA.Issuer {
			b.issuer = issuer.Certificate
		}
	}
	if b.profiles, err = ca.BuiltinProfiles(); err != nil {
		return nil, err
	}
	key, csr, err := request()
	if err != nil {
		return nil, err
	}
	b.public = key.Public()
	b.csr, err = ca.DecodeCSR([]byte(csr))
	return b, err
}

// issuing returns an operation that issues one certificate under the
// configuration's keys of these names. checked leaves the proof of possession
// out: the caller has checked it before.
func (b *benchPress) issuing(ctx context.Context, zlint, verify string, checked bool) (func(context.Context, int) error, error) {
	c := *b.config.CA
	c.Zlint, c.Verify = zlint, verify
	issuers := slices.Clone(b.issuers)
	c.trustOwn(issuers)
	authority, err := ca.New(ca.Config{
		Issuers: issuers, Profiles: b.profiles, Register: nowhere{}, Lint: lint.Certificate, Shape: c.shape(),
		Audit: func(context.Context, string, ...slog.Attr) error { return nil },
	})
	if err != nil {
		return nil, err
	}
	issue := func(ctx context.Context, i int) error {
		body := benchRequest(b.config.RA.Issuer, "", i)
		request := ca.Request{Issuer: body.Issuer, Profile: body.Profile, Subject: body.Subject, CSR: b.csr}
		if checked {
			request.CSR, request.PublicKey = nil, b.public
		}
		prepared, err := authority.Prepare(ctx, request)
		if err != nil {
			return err
		}
		issued, err := authority.Issue(ctx, prepared)
		if err == nil {
			b.certificate = issued.Raw
		}
		return err
	}
	// The first makes what all share.
	return issue, issue(ctx, 0)
}

// nowhere is a register that keeps nothing.
type nowhere struct{}

func (nowhere) ReserveSet(_ context.Context, set []journal.Intent, admit func(int, []journal.Record) error) error {
	for i := range set {
		if err := admit(i, nil); err != nil {
			return err
		}
	}
	return nil
}

func (nowhere) Complete(_ context.Context, serial journal.Serial, _ []byte, _ *journal.Ticket) (journal.Entry, error) {
	return journal.Entry{Serial: serial}, nil
}

func (nowhere) CompleteSet(_ context.Context, set []journal.Signed, _ *journal.Ticket) ([]journal.Entry, error) {
	entries := make([]journal.Entry, len(set))
	for i, signed := range set {
		entries[i].Serial = signed.Serial
	}
	return entries, nil
}

func (nowhere) Certificates(context.Context, journal.Selection) ([]journal.Record, error) {
	return nil, nil
}

func (nowhere) Change(context.Context, journal.Entry, *journal.Ticket) (journal.Entry, journal.Status, error) {
	return journal.Entry{}, journal.Status{}, fs.ErrNotExist
}
func (nowhere) Expire(context.Context, time.Time) (int, error) { return 0, nil }
func (nowhere) Record(context.Context, journal.Serial) (journal.Record, error) {
	return journal.Record{}, fs.ErrNotExist
}
func (nowhere) RecordsByKey(context.Context, [32]byte) ([]journal.Record, error) { return nil, nil }
func (nowhere) History(context.Context, journal.Serial) ([]journal.Entry, error) {
	return nil, fs.ErrNotExist
}

func (nowhere) Redeemed(context.Context, string, string) (journal.Ticket, journal.Entry, error) {
	return journal.Ticket{}, journal.Entry{}, fs.ErrNotExist
}
func (nowhere) Entries(context.Context, uint64, int) ([]journal.Entry, error) { return nil, nil }
func (nowhere) Wait(ctx context.Context, _ uint64) error {
	<-ctx.Done()
	return ctx.Err()
}
