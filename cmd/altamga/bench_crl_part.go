package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/altamga/altamga/crl"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/keys"
	"github.com/altamga/altamga/internal/lint"
	"github.com/altamga/altamga/internal/register"
)

// measure does one part of the measurement and prints what it took.
func (c benchCRL) measure(ctx context.Context, std streams) (err error) {
	certificate, err := readCertificate(config.Path(filepath.Join(c.Dir, "ca.pem")))
	if err != nil {
		return err
	}
	var m benchPart
	switch list := filepath.Join(c.Dir, "public", "bench.crl"); c.Part {
	case "create":
		m, err = c.create(certificate)
	case "table", "next", "delta":
		m, err = c.publish(ctx, certificate)
	case "parse":
		m, err = timedFile(list, func(file *os.File) error {
			data, err := os.ReadFile(file.Name())
			if err != nil {
				return err
			}
			parsed, err := x509.ParseRevocationList(data)
			if err == nil {
				err = parsed.CheckSignatureFrom(certificate)
			}
			return err
		})
	case "read":
		m, err = timedFile(list, func(file *os.File) error {
			r, err := crl.NewReader(file)
			if err == nil {
				err = r.Skip()
			}
			if err == nil {
				err = r.Verify(certificate)
			}
			return err
		})
	case "load":
		m, err = timedFile(list, func(file *os.File) error {
			set, err := crl.Load(file, certificate)
			if err == nil && set.Len() < c.Entries[0] {
				err = fmt.Errorf("the list has %d entries", set.Len())
			}
			return err
		})
	default:
		return fmt.Errorf("there is no part %q", c.Part)
	}
	if err != nil {
		return err
	}
	m.Peak = peakMemory()
	return json.NewEncoder(std.out).Encode(m)
}

// timed measures what do takes.
func timed(do func() error) (benchPart, error) {
	cpu, began := ownCPU(), time.Now()
	err := do()
	return benchPart{Wall: time.Since(began), CPU: ownCPU() - cpu}, err
}

func timedFile(name string, do func(*os.File) error) (benchPart, error) {
	file, err := os.Open(name)
	if err != nil {
		return benchPart{}, err
	}
	defer file.Close()
	return timed(func() error { return do(file) })
}

// create lets the standard library make a list of entries that are in memory.
func (c benchCRL) create(certificate *x509.Certificate) (benchPart, error) {
	key, err := keys.Open("file:ca.key", c.Dir)
	if err != nil {
		return benchPart{}, err
	}
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(25 * time.Hour)}
	serial := make([]byte, 16)
	for i := range c.Entries[0] {
		rand.Read(serial)
		serial[0] = 0x4a
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: new(big.Int).SetBytes(serial), RevocationTime: time.Now().Add(-time.Hour), ReasonCode: []int{1, 2, 3, 6}[i%4],
		})
	}
	return timed(func() error {
		_, err := x509.CreateRevocationList(rand.Reader, template, certificate, key)
		return err
	})
}

// publish makes lists as the publisher does, to the disk: the first of a
// process, which reads the table; the next, after some changes; or a delta.
func (c benchCRL) publish(ctx context.Context, certificate *x509.Certificate) (m benchPart, err error) {
	key, err := keys.Open("file:ca.key", c.Dir)
	if err != nil {
		return m, err
	}
	opened, err := register.OpenExisting(ctx, filepath.Join(c.Dir, "register.db"))
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	settings := crl.Config{
		Issuers: []crl.Issuer{{ID: benchIssuer, Certificate: certificate, Key: key, Place: crl.Place{
			Path: "bench.crl", DeltaPath: "bench-delta.crl", DeltaURL: "http://127.0.0.1:1/bench-delta.crl"}}},
		Source: listSource{opened}, Lint: lint.CRL, Dir: filepath.Join(c.Dir, "public"),
		Audit: func(context.Context, string, ...slog.Attr) error { return nil },
	}
	if c.Part == "table" {
		// Nothing to compare with: the first list of a centre, or after its folder
		// was lost.
		if err := os.Remove(filepath.Join(settings.Dir, "bench.crl")); err != nil && !errors.Is(err, os.ErrNotExist) {
			return m, err
		}
	}
	publisher, err := crl.New(settings)
	if err != nil {
		return m, err
	}
	if c.Part == "table" {
		m, err = timed(func() error { return publisher.Publish(ctx, benchIssuer) })
	} else {
		m, err = c.publishNext(ctx, publisher, opened)
	}
	if list, ok := publisher.Current(benchIssuer); err == nil && (!ok || list.Entries < c.Entries[0]-1000) {
		err = fmt.Errorf("the list has %d entries", list.Entries)
	}
	return m, err
}

// publishNext makes a first list, changes a hundred certificates, and measures
// the next list, or delta list.
func (c benchCRL) publishNext(ctx context.Context, publisher *crl.Publisher, opened *register.Register) (benchPart, error) {
	if err := publisher.Publish(ctx, benchIssuer); err != nil {
		return benchPart{}, err
	}
	const changes = 100
	var held []journal.Serial
	err := opened.EachListed(ctx, benchIssuer, register.Point{Number: 1 << 62, At: time.Now()}, func(l register.Listed) error {
		if journal.Reason(l.Reason) == journal.CertificateHold && len(held) < changes {
			held = append(held, journal.SerialOf(new(big.Int).SetBytes(l.Serial)))
		}
		return nil
	})
	if err != nil {
		return benchPart{}, err
	}
	for _, serial := range held {
		if _, _, err := opened.Change(ctx, journal.Entry{Kind: journal.Revoked, Serial: serial, Reason: journal.KeyCompromise}, nil); err != nil {
			return benchPart{}, err
		}
	}
	if c.Part == "delta" {
		return timed(func() error { return publisher.PublishDelta(ctx, benchIssuer) })
	}
	return timed(func() error { return publisher.Publish(ctx, benchIssuer) })
}

// peakMemory is the most memory that this process has had; negative where the
// system does not tell.
func peakMemory() int64 {
	status, err := os.Open("/proc/self/status")
	if err != nil {
		return -1
	}
	defer status.Close()
	lines := bufio.NewScanner(status)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(text), " kB"), 10, 64)
			if err != nil {
				return -1
			}
			return kib << 10
		}
	}
	return -1
}
