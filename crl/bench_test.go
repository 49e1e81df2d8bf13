package crl_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/altamga/altamga/crl"
)

// many is a source of so many entries that it makes up as it goes.
type many struct {
	n      int
	number uint64
	last   uint64
}

func (m *many) Number(context.Context, string) (crl.Numbered, error) {
	m.number++
	return crl.Numbered{Number: m.number, At: time.Now(), Published: m.last}, nil
}

func (m *many) Each(_ context.Context, _ string, _ crl.Point, do func(crl.Entry) error) error {
	serial, since := make([]byte, 16), time.Now().Truncate(time.Hour).Add(-time.Hour)
	for i := range m.n {
		binary.BigEndian.PutUint64(serial, 1<<60+uint64(i)<<32)
		if err := do(crl.Entry{Serial: serial, Since: since, Reason: i % 7}); err != nil {
			return err
		}
	}
	return nil
}

func (m *many) Changes(_ context.Context, _ string, from, _ crl.Point, _ int) ([]crl.Entry, error) {
	if from.Number == 0 {
		return nil, crl.ErrTooMany
	}
	return nil, nil
}

func (m *many) Told(context.Context, string, []byte, crl.Point) (crl.Entry, error) {
	return crl.Entry{}, errors.New("nobody was told of anything")
}

func (m *many) Published(_ context.Context, _ string, number uint64) error {
	m.last = number
	return nil
}

// BenchmarkPublish publishes a list of a million entries: from a table, and from
// the list before. BenchmarkRead reads and verifies it.
func BenchmarkPublish(b *testing.B) {
	for name, recheck := range map[string]time.Duration{"table": time.Nanosecond, "carried": time.Hour} {
		b.Run(name, func(b *testing.B) {
			c := newCentre(b, p256(b))
			c.Source, c.Recheck = &many{n: 1_000_000}, recheck
			p := c.publisher(b)
			if err := p.Publish(b.Context(), "ehm"); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Publish(b.Context(), "ehm"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	c := newCentre(b, p256(b))
	c.Source = &many{n: 1_000_000}
	if err := c.publisher(b).Publish(b.Context(), "ehm"); err != nil {
		b.Fatal(err)
	}
	encoded, err := os.ReadFile(filepath.Join(c.Dir, "ehm.crl"))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r, err := crl.NewReader(bytes.NewReader(encoded))
			if err == nil {
				err = r.Skip()
			}
			if err == nil {
				err = r.Verify(c.ca)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("standard library", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			list, err := x509.ParseRevocationList(encoded)
			if err == nil {
				err = list.CheckSignatureFrom(c.ca)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	list, err := x509.ParseRevocationList(encoded)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("standard library creates", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: list.Number, ThisUpdate: list.ThisUpdate, NextUpdate: list.NextUpdate, RevokedCertificateEntries: list.RevokedCertificateEntries}, c.ca, c.key); err != nil {
				b.Fatal(err)
			}
		}
	})
}
