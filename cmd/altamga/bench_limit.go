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
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/lint"
	ownlint "github.com/altamga/altamga/internal/pki/lint"
	"github.com/altamga/altamga/internal/register"
)

// benchLimits measures what issuing is made of: what one core signs, lints and
// issues, and what the disk flushes.
func benchLimits(ctx context.Context, report *benchReport, centre, scratch string, length time.Duration) error {
	if err := os.Mkdir(scratch, 0o700); err != nil {
		return err
	}
	// As in a ca that serves.
	defer debug.SetGCPercent(debug.SetGCPercent(collectAt))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte("altamga"))
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		return err
	}
	press, err := newBenchPress(centre)
	if err != nil {
		return err
	}
	byShape, err := press.issuing(ctx, "shape", "tokens", true)
	if err != nil {
		return err
	}
	issued, err := x509.ParseCertificate(press.certificate)
	if err != nil {
		return err
	}
	rows := []benchRow{
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
			_, err := x509.ParseCertificate(issued.Raw)
			return err
		}},
		{"our lints on a certificate", func(context.Context, int) error {
			if found := ownlint.Certificate(issued.Raw, press.issuer); len(found) > 0 {
				return errors.New(found[0].String())
			}
			return nil
		}},
		{"zlint on a certificate", func(context.Context, int) error { return lint.Certificate(issued) }},
		{"the shape of a certificate", func(context.Context, int) error {
			if _, ok := lint.Shape(issued.Raw); !ok {
				return errors.New("an own certificate has no shape")
			}
			return nil
		}},
		{"issuance, zlint by shape", byShape},
	}
	for _, more := range []struct {
		name, zlint, verify string
		checked             bool
	}{
		{"issuance, zlint on each", "always", "tokens", true},
		{"issuance, zlint by shape, own signature verified", "shape", "always", true},
		{"issuance, zlint by shape, from a request with proof of possession", "shape", "tokens", false},
		{"issuance, all of these", "always", "always", false},
	} {
		issue, err := press.issuing(ctx, more.zlint, more.verify, more.checked)
		if err != nil {
			return err
		}
		rows = append(rows, benchRow{more.name, issue})
	}
	report.heading("one core, in process, nothing stored", "of hedged")
	for _, row := range rows {
		if err := benchBeside(ctx, report, row, length/2); err != nil {
			return err
		}
	}
	return benchDisk(ctx, report, scratch, length)
}

// benchRow is something to measure.
type benchRow struct {
	name string
	op   func(context.Context, int) error
}

// benchBeside measures a row and the limit in turns, so that what else the
// machine does is in both.
func benchBeside(ctx context.Context, report *benchReport, row benchRow, length time.Duration) error {
	const turns = 4
	base, err := newHedged()
	if err != nil {
		return err
	}
	var sum [2]measured
	for range turns {
		for i, op := range []func(context.Context, int) error{base, row.op} {
			m, err := repeat(ctx, 1, length/(2*turns), ownCPU, op)
			if err != nil {
				return fmt.Errorf("measuring %s: %w", row.name, err)
			}
			sum[i].add(m)
		}
	}
	if report.base.n == 0 {
		report.base = sum[0]
		report.line("P-256 signature, hedged", sum[0])
	}
	report.base = sum[0]
	report.line(row.name, sum[1])
	return nil
}

// newHedged is what the other lines are ratios of: signatures as the issuing key
// makes them.
func newHedged() (func(context.Context, int) error, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	digest := sha256.Sum256([]byte("altamga"))
	return func(context.Context, int) error {
		_, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
		return err
	}, err
}

// benchHedged measures the limit.
func benchHedged(ctx context.Context, report *benchReport, length time.Duration) error {
	hedged, err := newHedged()
	if err != nil {
		return err
	}
	if report.base, err = repeat(ctx, 1, length, ownCPU, hedged); err != nil {
		return fmt.Errorf("measuring signatures: %w", err)
	}
	report.line("P-256 signature, hedged", report.base)
	return nil
}

// benchDisk measures flushes and group commits.
func benchDisk(ctx context.Context, report *benchReport, scratch string, length time.Duration) error {
	report.heading("disk", "of hedged")
	if err := benchHedged(ctx, report, length/4); err != nil {
		return err
	}
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

func reserveOnce(ctx context.Context, store *register.Register) error {
	var serial [16]byte
	rand.Read(serial[:])
	serial[0] = serial[0]&0x7f | 0x40
	return store.Reserve(ctx, journal.Intent{
		Serial: journal.Serial(fmt.Sprintf("%x", serial)), Issuer: "bench", Profile: "bench", ToBeSigned: make([]byte, 700), NotAfter: time.Now().Add(time.Hour), Actor: "bench",
	})
}
