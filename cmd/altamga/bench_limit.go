package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/lint"
	"github.com/altamga/altamga/internal/register"
)

// benchLimits measures what issuing is made of: what one core signs and lints,
// and what the disk flushes.
func benchLimits(ctx context.Context, report *benchReport, centre, scratch string, length time.Duration) error {
	if err := os.Mkdir(scratch, 0o700); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte("altamga"))
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		return err
	}
	issuing, certificate, err := newBenchAuthority(ctx, centre)
	if err != nil {
		return err
	}
	report.heading("one core, in process", "of hedged")
	if err := benchHedged(ctx, report, length/3); err != nil {
		return err
	}
	for _, limit := range []struct {
		name string
		op   func(context.Context, int) error
	}{
		{"P-256 signature, deterministic", func(context.Context, int) error {
			_, err := key.Sign(nil, digest[:], crypto.SHA256)
			return err
		}},
		{"P-256 verification", func(context.Context, int) error {
			if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
				return errors.New("an own signature is wrong")
			}
			return nil
		}},
		{"parsing a certificate", func(context.Context, int) error {
			_, err := x509.ParseCertificate(certificate.Raw)
			return err
		}},
		{"linting a certificate", func(context.Context, int) error { return lint.Certificate(certificate) }},
		{"issuance, lint on, nothing stored", issuing},
	} {
		m, err := repeat(ctx, 1, length/3, ownCPU, limit.op)
		if err != nil {
			return fmt.Errorf("measuring %s: %w", limit.name, err)
		}
		report.line(limit.name, m)
	}
	return benchDisk(ctx, report, scratch, length)
}

// benchHedged measures what the other lines are ratios of: signatures as the
// issuing key makes them.
func benchHedged(ctx context.Context, report *benchReport, length time.Duration) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte("altamga"))
	report.base, err = repeat(ctx, 1, length, ownCPU, func(context.Context, int) error {
		_, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
		return err
	})
	if err != nil {
		return fmt.Errorf("measuring signatures: %w", err)
	}
	report.line("P-256 signature, hedged", report.base)
	return nil
}

// benchDisk measures flushes and group commits.
func benchDisk(ctx context.Context, report *benchReport, scratch string, length time.Duration) error {
	report.heading("disk", "of hedged")
	file, err := os.Create(filepath.Join(scratch, "flush"))
	if err != nil {
		return err
	}
	defer file.Close()
	page := make([]byte, 4096)
	m, err := repeat(ctx, 1, length/3, ownCPU, func(context.Context, int) error {
		if _, err := file.Write(page); err != nil {
			return err
		}
		return file.Sync()
	})
	if err != nil {
		return fmt.Errorf("measuring flushes: %w", err)
	}
	report.line("4 KiB written and flushed", m)
	store, err := register.Open(ctx, filepath.Join(scratch, "register.db"))
	if err != nil {
		return err
	}
	defer store.Close()
	for _, writers := range []int{1, 16, 64} {
		m, err := repeat(ctx, writers, length/3, ownCPU, func(ctx context.Context, _ int) error { return reserveOnce(ctx, store) })
		if err != nil {
			return fmt.Errorf("measuring group commits: %w", err)
		}
		report.line(fmt.Sprintf("serials reserved in SQLite, %d writers", writers), m)
	}
	return nil
}

func reserveOnce(ctx context.Context, store ca.Writer) error {
	var serial [16]byte
	rand.Read(serial[:])
	serial[0] = serial[0]&0x7f | 0x40
	return store.Reserve(ctx, journal.Intent{
		Serial: journal.Serial(fmt.Sprintf("%x", serial)), Issuer: "bench", Profile: "bench", ToBeSigned: make([]byte, 700), NotAfter: time.Now().Add(time.Hour), Actor: "bench",
	})
}

// newBenchAuthority opens the issuing centre's key and returns an operation
// that issues one certificate and stores nothing, and one that came of it.
func newBenchAuthority(ctx context.Context, dir string) (func(context.Context, int) error, *x509.Certificate, error) {
	var c suiteConfig
	if err := config.Load(filepath.Join(dir, configFile), &c); err != nil {
		return nil, nil, err
	}
	p := &process{config: &c, dir: dir}
	issuers, err := p.caIssuers(c.CA.Issuers)
	if err != nil {
		return nil, nil, err
	}
	c.CA.trustOwn(issuers)
	profiles, err := ca.BuiltinProfiles()
	if err != nil {
		return nil, nil, err
	}
	authority, err := ca.New(ca.Config{
		Issuers: issuers, Profiles: profiles, Register: nowhere{}, Lint: c.CA.linter(),
		Audit: func(context.Context, string, ...slog.Attr) error { return nil },
	})
	if err != nil {
		return nil, nil, err
	}
	_, csr, err := request()
	if err != nil {
		return nil, nil, err
	}
	raw, err := ca.DecodeCSR([]byte(csr))
	if err != nil {
		return nil, nil, err
	}
	var last *x509.Certificate
	issue := func(ctx context.Context, i int) error {
		body := benchRequest(c.RA.Issuer, "", i)
		prepared, err := authority.Prepare(ctx, ca.Request{Issuer: body.Issuer, Profile: body.Profile, CSR: raw, Subject: body.Subject})
		if err != nil {
			return err
		}
		issued, err := authority.Issue(ctx, prepared)
		if err == nil {
			last = issued.Certificate
		}
		return err
	}
	err = issue(ctx, 0)
	return issue, last, err
}

// nowhere is a register that keeps nothing.
type nowhere struct{}

func (nowhere) Reserve(context.Context, journal.Intent) error { return nil }
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
