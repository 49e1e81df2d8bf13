package lint_test

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/pki/lint"
	"github.com/altamga/altamga/internal/pki/lint/linttest"
)

func TestGoodCertificates(t *testing.T) {
	for _, c := range linttest.Good() {
		t.Run(c.Name, func(t *testing.T) {
			parses(t, c.DER)
			for _, finding := range lint.Certificate(c.DER, c.Parent) {
				t.Errorf("%s", finding)
			}
			for _, finding := range lint.Certificate(c.DER, nil) {
				t.Errorf("without the issuer: %s", finding)
			}
		})
	}
}

// parses reports whether another parser takes the certificate, so that a
// template that is broken by mistake shows.
func parses(t *testing.T, raw []byte) {
	t.Helper()
	if _, err := x509.ParseCertificate(raw); err != nil {
		t.Errorf("the template is no certificate: %v", err)
	}
}

func TestPlantedFaults(t *testing.T) {
	covered := map[string]bool{}
	for _, f := range linttest.Faults() {
		covered[f.ID] = true
		t.Run(f.ID+" "+f.Name, func(t *testing.T) {
			has := func(c linttest.Certificate) bool {
				return slices.ContainsFunc(lint.Certificate(c.DER, c.Parent), func(found lint.Finding) bool { return found.ID == f.ID && found.Level == f.Level })
			}
			if has(f.Sound) {
				t.Errorf("found where it is not planted")
			}
			if !has(f.Spoilt) {
				t.Errorf("not found among %v", lint.Certificate(f.Spoilt.DER, f.Spoilt.Parent))
			}
		})
	}
	for _, l := range lint.Lints() {
		if !covered[l.ID] {
			t.Errorf("%s has no planted fault", l.ID)
		}
		if l.Clause == "" || l.Title == "" {
			t.Errorf("%s has no clause or title", l.ID)
		}
	}
}

func TestOtherGoodForms(t *testing.T) {
	for _, c := range linttest.Forms() {
		t.Run(c.Name, func(t *testing.T) {
			parses(t, c.DER)
			for _, finding := range lint.Certificate(c.DER, c.Parent) {
				t.Errorf("%s", finding)
			}
		})
	}
}

func TestFindingsNameNobody(t *testing.T) {
	for _, f := range linttest.Faults() {
		for _, finding := range lint.Certificate(f.Spoilt.DER, f.Spoilt.Parent) {
			if f.Holder && (strings.Contains(finding.String(), "1ABC") || strings.Contains(finding.String(), "1400057")) {
				t.Errorf("G8 a finding repeats a number: %s", finding)
			}
		}
	}
}

// All lints together stay far below the millisecond that issuing can spare.
func TestFast(t *testing.T) {
	c := linttest.Citizen()
	best := time.Hour
	for range 200 {
		began := time.Now()
		lint.Certificate(c.DER, c.Parent)
		best = min(best, time.Since(began))
	}
	if best > time.Millisecond {
		t.Errorf("the fastest of 200 runs took %v", best)
	}
}

func BenchmarkCertificate(b *testing.B) {
	c := linttest.Citizen()
	for b.Loop() {
		if found := lint.Certificate(c.DER, c.Parent); found != nil {
			b.Fatal(found)
		}
	}
}

// FuzzCertificate feeds hostile certificates: lints must end, find the same
// twice, and say something of whatever is no certificate.
func FuzzCertificate(f *testing.F) {
	for _, c := range linttest.Good() {
		f.Add(c.DER)
	}
	for _, planted := range linttest.Faults() {
		f.Add(planted.Spoilt.DER)
	}
	if root := os.Getenv("ALTAMGA_CORPUS"); root != "" {
		paths, _ := filepath.Glob(filepath.Join(root, "*", "*.der"))
		for _, path := range paths[:min(len(paths), 100)] {
			if raw, err := os.ReadFile(path); err == nil {
				f.Add(raw)
			}
		}
	} else {
		f.Log("ALTAMGA_CORPUS is not set: no certificates from outside")
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		parent := linttest.Citizen().Parent
		first, second := lint.Certificate(raw, parent), lint.Certificate(raw, parent)
		if !slices.Equal(first, second) {
			t.Errorf("found %v, then %v", first, second)
		}
		if len(raw) < 100 && len(first) == 0 {
			t.Errorf("found nothing in %x", raw)
		}
	})
}

// TestOutsideCertificates runs the lints over real certificates of many states:
// each is judged, and none is thrown out as unreadable that another parser
// reads.
func TestOutsideCertificates(t *testing.T) {
	root := os.Getenv("ALTAMGA_CORPUS")
	if root == "" {
		t.Skip("ALTAMGA_CORPUS is not set: no certificates from outside")
	}
	judged, clean := 0, 0
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil || len(raw) > 1<<16 {
			return err
		}
		if block, _ := pem.Decode(raw); block != nil && block.Type == "CERTIFICATE" {
			raw = block.Bytes
		}
		certificate, err := x509.ParseCertificate(raw)
		if err != nil {
			return nil
		}
		found := lint.Certificate(certificate.Raw, nil)
		judged++
		if len(found) == 0 {
			clean++
		}
		if len(found) == 1 && found[0].ID == "CERT-28" {
			t.Errorf("%s: %s", path, found[0])
		}
		for _, f := range found {
			t.Logf("%s: %s", filepath.Base(path), f)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if judged == 0 {
		t.Skip("the corpus holds no single certificates")
	}
	t.Logf("%d certificates judged, nothing found in %d", judged, clean)
}
