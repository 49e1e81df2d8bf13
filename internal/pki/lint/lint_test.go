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

	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/internal/pki/lint"
)

func TestGoodCertificates(t *testing.T) {
	for name, build := range good {
		t.Run(name, func(t *testing.T) {
			c := build()
			parses(t, c.der())
			for _, finding := range lint.Certificate(c.der(), c.parent) {
				t.Errorf("%s", finding)
			}
			for _, finding := range lint.Certificate(c.der(), nil) {
				t.Errorf("without the issuer: %s", finding)
			}
		})
	}
}

// fault is one planted fault: the good certificate that it is planted in, and
// the requirement that finds it.
type fault struct {
	id, name string
	in       func() *template
	plant    func(*template)
	level    lint.Level
}

func TestPlantedFaults(t *testing.T) {
	covered := map[string]bool{}
	for _, f := range slices.Concat(envelopeFaults, extensionFaults, nameFaults, statusFaults, holderFaults, qualifiedFaults, keyFaults, serviceFaults) {
		covered[f.id] = true
		level := f.level
		if level == "" {
			level = lint.Must
		}
		t.Run(f.id+" "+f.name, func(t *testing.T) {
			sound, spoilt := f.in(), f.in()
			f.plant(spoilt)
			has := func(c *template) bool {
				return slices.ContainsFunc(lint.Certificate(c.der(), c.parent), func(found lint.Finding) bool { return found.ID == f.id && found.Level == level })
			}
			if has(sound) {
				t.Errorf("found where it is not planted")
			}
			if !has(spoilt) {
				t.Errorf("not found among %v", lint.Certificate(spoilt.der(), spoilt.parent))
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
	for _, row := range []struct {
		name  string
		in    func() *template
		plant func(*template)
	}{
		{"RSASSA-PSS over an RSA key", rsaCitizen, func(*template) {}},
		{"CERT-06 GeneralizedTime from 2050 on", authority, func(c *template) { c.notAfter = text(0x18, "20511122095959Z") }},
		{"CERT-11 self-signed without an authority key identifier", authority, func(c *template) {
			c.subject, c.parent = c.issuer, nil
			c.without(pki.OIDAuthorityKeyIdentifier)
		}},
		{"CERT-33 pseudonym in place of a name", citizen, named("C", "AZ", "pseudonym", "p", "serialNumber", "PNOAZ-1ABC2D3", "CN", "p")},
		{"CERT-34 passport", citizen, person("PASTR-U12345678")},
		{"CERT-34 entrepreneur by VÖEN", citizen, person("TINAZ-1400057422")},
		{"CERT-34 virtual PIN that an authority explains", citizen, func(c *template) {
			person("VP:AZ-A1B2C3")(c)
			c.restate(pki.OIDQCSyntaxV2, statementOf(pki.OIDQCSyntaxV2, seq(oid(pki.OIDSemanticsNatural), seq(text(uri, "https://a.example/")))))
		}},
		{"CERT-34 LEI", seal, organisation("LEIXG-529900T8BM49AURSDO55")},
		{"CERT-39 OCSP alone", citizen, func(c *template) { c.without(pki.OIDCRLDistributionPoints); c.without(pki.OIDFreshestCRL) }},
		{"CERT-43 qualified in the European Union", citizen, func(c *template) {
			c.issuer = dn("C", "EE", "O", "x", "CN", "y")
			c.parent = nil
			c.restate(pki.OIDQCCLegislation, nil)
		}},
		{"CERT-45 policy of a device with QcSSCD", citizen, func(c *template) { c.with(pki.OIDCertificatePolicies, false, policiesOf(policy, qcpNQSCD)) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := row.in()
			row.plant(c)
			parses(t, c.der())
			for _, finding := range lint.Certificate(c.der(), c.parent) {
				t.Errorf("%s", finding)
			}
		})
	}
}

func TestFindingsNameNobody(t *testing.T) {
	for _, f := range holderFaults {
		c := f.in()
		f.plant(c)
		for _, finding := range lint.Certificate(c.der(), c.parent) {
			if strings.Contains(finding.String(), "1ABC") || strings.Contains(finding.String(), "1400057") {
				t.Errorf("G8 a finding repeats a number: %s", finding)
			}
		}
	}
}

// All lints together stay far below the millisecond that issuing can spare.
func TestFast(t *testing.T) {
	c := citizen()
	raw := c.der()
	best := time.Hour
	for range 200 {
		began := time.Now()
		lint.Certificate(raw, c.parent)
		best = min(best, time.Since(began))
	}
	if best > time.Millisecond {
		t.Errorf("the fastest of 200 runs took %v", best)
	}
}

func BenchmarkCertificate(b *testing.B) {
	c := citizen()
	raw := c.der()
	for b.Loop() {
		if found := lint.Certificate(raw, c.parent); found != nil {
			b.Fatal(found)
		}
	}
}

// FuzzCertificate feeds hostile certificates: lints must end, find the same
// twice, and say something of whatever is no certificate.
func FuzzCertificate(f *testing.F) {
	for _, build := range good {
		f.Add(build().der())
	}
	for _, planted := range slices.Concat(envelopeFaults, extensionFaults, nameFaults, qualifiedFaults) {
		c := planted.in()
		planted.plant(c)
		f.Add(c.der())
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
		parent := citizen().parent
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
