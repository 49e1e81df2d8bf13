package conformance_test

import (
	"context"
	"encoding/asn1"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/conformance"
)

func tester(t testing.TB) *conformance.Tester {
	t.Helper()
	made, err := conformance.New(conformance.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// Files are judged as what servers said, and without a server.
func TestFiles(t *testing.T) {
	c := newCentre(t)
	f := &fakeOCSP{c: c, delegate: c.delegate, began: time.Now()}
	response := f.answer(&ocspQuestion{ids: []ocspID{parseOCSP(seq(seq(seq(seq(idFor(f, c.good)))))).ids[0]}}).encode()
	s := &fakeTSA{c: c, unit: c.unit}
	q := &stampQuestion{imprint: seq(sha256Algorithm, tlv(4, make([]byte, 32))), certReq: true}
	granted := &stampReply{fail: -1}
	s.grant(q, granted)
	p := newPoint(c)
	issuer := c.issuer.cert.Raw
	for name, judge := range map[string]func(*conformance.Tester) error{
		"OCSP response": func(r *conformance.Tester) error { return r.Response(t.Context(), "r.der", response, issuer) },
		"reply": func(r *conformance.Tester) error {
			return r.Token(t.Context(), "r.tsr", s.encode(granted), [][]byte{issuer})
		},
		"token": func(r *conformance.Tester) error {
			return r.Token(t.Context(), "t.der", s.tokenOf(granted), [][]byte{issuer})
		},
		"list": func(r *conformance.Tester) error {
			return r.ListFile(t.Context(), "l.crl", p.full.encode(), nil, nil, issuer)
		},
		"list with delta and base": func(r *conformance.Tester) error {
			return r.ListFile(t.Context(), "l.crl", p.full.encode(), p.delta.encode(), p.base.encode(), issuer)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := tester(t)
			if err := judge(r); err != nil {
				t.Fatal(err)
			}
			report := r.Report()
			switchboard.sound(t, report)
			if got := report.Conclusion(false); got != conformance.Conforms {
				t.Errorf("it %s%s", got, explain(report))
			}
			for _, x := range report.Exchanges {
				if x.Method != "FILE" {
					t.Errorf("%s %s was asked", x.Method, x.URL)
				}
			}
		})
	}
}

// What is no file of its kind does not conform.
func TestNoFiles(t *testing.T) {
	for _, raw := range [][]byte{nil, []byte("hello"), {0x30, 0x80, 0, 0}, seq(integer(1)), seq(seq(integer(0)))} {
		r := tester(t)
		for _, err := range []error{
			r.Response(t.Context(), "r", raw, nil), r.Token(t.Context(), "t", raw, nil), r.ListFile(t.Context(), "l", raw, nil, nil, nil),
			r.Certificate(t.Context(), "c", raw, nil, ""), r.Request(t.Context(), "q", raw),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		report := r.Report()
		unbroken(t, report)
		for _, s := range report.Sections {
			one := conformance.Report{Sections: []conformance.Section{s}}
			if got := one.Conclusion(false); got == conformance.Conforms || got == conformance.NothingTested {
				t.Errorf("%x as %s %s", raw, s.Kind, got)
			}
		}
	}
}

// Labelled objects from outside: what is labelled bad must not conform.
func TestOutsideFiles(t *testing.T) {
	root := os.Getenv("ALTAMGA_CORPUS")
	if root == "" {
		t.Skip("ALTAMGA_CORPUS is not set: no objects from outside")
	}
	paths, err := filepath.Glob(filepath.Join(root, "pki", "crls", "*.pem"))
	if err != nil {
		t.Fatal(err)
	}
	responses, err := filepath.Glob(filepath.Join(root, "pki", "ocsp-responses", "*.pem"))
	if err != nil {
		t.Fatal(err)
	}
	judged := 0
	for _, path := range append(paths, responses...) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r := tester(t)
		for len(data) > 0 {
			block, rest := pem.Decode(data)
			if block == nil {
				break
			}
			data = rest
			switch block.Type {
			case "CRL", "X509 CRL":
				err = r.ListFile(t.Context(), path, block.Bytes, nil, nil, nil)
			case "OCSP RESPONSE":
				err = r.Response(t.Context(), path, block.Bytes, nil)
			default:
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			judged++
		}
		report := r.Report()
		unbroken(t, report)
		if name := filepath.Base(path); strings.HasPrefix(name, "invalid_") && len(report.Sections) > 0 && report.Conclusion(false) == conformance.Conforms {
			t.Errorf("%s conforms", name)
		}
	}
	t.Logf("%d lists and responses judged", judged)
}

// National algorithms are named as such, and what they sign is not verified.
func TestForeignAlgorithms(t *testing.T) {
	root := os.Getenv("ALTAMGA_CORPUS")
	if root == "" {
		t.Skip("ALTAMGA_CORPUS is not set: no certificates with national algorithms")
	}
	judged := 0
	for _, name := range []string{"kz/root_test_gost_2022.cer", "kz/nca_gost2022_test.cer", "kz/nca_gost_test.crt", "kg/infocom-ca-2025.der"} {
		data, err := os.ReadFile(filepath.Join(root, "interop", name))
		if err != nil {
			continue
		}
		all, err := conformance.ParseCertificates(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		judged++
		r := certificate(t, conformance.Config{}, all[0], nil, "")
		unbroken(t, r)
		for _, one := range r.Sections[0].Results {
			if one.ID == "CERT-47" && (one.Verdict != conformance.CouldNotTest || !strings.Contains(strings.Join(one.Details, ""), "GOST")) {
				t.Errorf("%s: CERT-47 is %s: %v", name, one.Verdict, one.Details)
			}
			if one.ID == "CERT-49" && one.Verdict != conformance.CouldNotTest {
				t.Errorf("%s: CERT-49 is %s: %v", name, one.Verdict, one.Details)
			}
		}
	}
	t.Logf("%d certificates with national algorithms judged", judged)
}

// A certificate of a national algorithm could not be tested as to that, by name;
// only who rules such algorithms out finds fault with it.
func TestForeignByName(t *testing.T) {
	c := newCentre(t)
	gost := asn1.ObjectIdentifier{1, 2, 643, 7, 1, 1, 1, 1}
	signature := seq(oid(asn1.ObjectIdentifier{1, 2, 643, 7, 1, 1, 3, 2}))
	name := c.issuer.cert.RawSubject
	tbs := seq(tlv(0xa0, integer(2)), integer(77), signature, name, seq(utc(time.Now().Add(-time.Hour)), utc(time.Now().Add(time.Hour))), name,
		seq(seq(oid(gost), seq(oid(asn1.ObjectIdentifier{1, 2, 643, 7, 1, 2, 1, 1, 1}))), bits(make([]byte, 66))))
	kinds := map[string][]byte{"GOST": seq(tbs, signature, bits(make([]byte, 64)))}
	if path, err := exec.LookPath("openssl"); err == nil {
		dir := t.TempDir()
		file := filepath.Join(dir, "brainpool.pem")
		if output, err := exec.Command(path, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1", "-nodes", "-subj", "/C=AZ/CN=x",
			"-keyout", filepath.Join(dir, "key.pem"), "-out", file).CombinedOutput(); err != nil {
			t.Fatalf("openssl: %v\n%s", err, output)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(data)
		kinds["Brainpool"] = block.Bytes
	}
	eu, err := conformance.BuiltinProfile("EU")
	if err != nil {
		t.Fatal(err)
	}
	for kind, raw := range kinds {
		r := certificate(t, conformance.Config{Profile: eu}, raw, raw, "")
		unbroken(t, r)
		want := map[string]conformance.Verdict{"CERT-47": conformance.CouldNotTest, "CERT-49": conformance.CouldNotTest, "EU-03": conformance.Fail}
		if kind == "Brainpool" {
			// TS 119 312 has these curves, and this build their arithmetic.
			want["CERT-47"], want["CERT-49"], want["EU-03"] = conformance.Pass, conformance.Pass, conformance.Pass
		}
		for _, one := range r.Sections[0].Results {
			if verdict, asked := want[one.ID]; asked && one.Verdict != verdict {
				t.Errorf("%s: %s is %s: %v", kind, one.ID, one.Verdict, one.Details)
			}
		}
		if text := explain(r); kind == "GOST" && !strings.Contains(text, kind) {
			t.Errorf("%s is not named: %s", kind, text)
		}
		// What this build has the arithmetic for is found out when it is forged.
		forged := slices.Clone(raw)
		forged[len(forged)-1] ^= 1
		if kind == "Brainpool" {
			want["CERT-49"] = conformance.Fail
		}
		for _, one := range certificate(t, conformance.Config{}, forged, forged, "").Sections[0].Results {
			if one.ID == "CERT-49" && one.Verdict != want[one.ID] {
				t.Errorf("%s, forged: %s is %s: %v", kind, one.ID, one.Verdict, one.Details)
			}
		}
	}
}

// fuzzed judges octets as a file: no check may break over them, nor take
// long.
func fuzzed(f *testing.F, judge func(context.Context, *conformance.Tester, []byte) error, seeds ...[]byte) {
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := tester(t)
		if err := judge(t.Context(), r, raw); err != nil {
			t.Fatal(err)
		}
		report := r.Report()
		unbroken(t, report)
		if len(raw) < 8 && report.Conclusion(false) == conformance.Conforms {
			t.Errorf("%x conforms", raw)
		}
	})
}

func FuzzResponse(f *testing.F) {
	c := newCentre(f)
	o := &fakeOCSP{c: c, delegate: c.delegate, began: time.Now()}
	sound := o.answer(&ocspQuestion{ids: parseOCSP(seq(seq(seq(seq(idFor(o, c.good)), seq(idFor(o, c.revoked)))))).ids, nonceThere: true, nonce: []byte{1}})
	issuer := c.issuer.cert.Raw
	fuzzed(f, func(ctx context.Context, r *conformance.Tester, raw []byte) error {
		return r.Response(ctx, "r", raw, issuer)
	}, sound.encode(), seq([]byte{10, 1, 6}))
}

func FuzzToken(f *testing.F) {
	c := newCentre(f)
	s := &fakeTSA{c: c, unit: c.unit}
	granted := &stampReply{fail: -1}
	s.grant(&stampQuestion{imprint: seq(sha256Algorithm, tlv(4, make([]byte, 32))), certReq: true, nonce: []byte{1}}, granted)
	fuzzed(f, func(ctx context.Context, r *conformance.Tester, raw []byte) error {
		return r.Token(ctx, "t", raw, nil)
	}, s.encode(granted), s.tokenOf(granted))
}

func FuzzList(f *testing.F) {
	c := newCentre(f)
	p := newPoint(c)
	base := p.base.encode()
	fuzzed(f, func(ctx context.Context, r *conformance.Tester, raw []byte) error {
		return r.ListFile(ctx, "l", raw, slices.Clone(raw), base, nil)
	}, p.full.encode(), p.delta.encode())
}

func FuzzObject(f *testing.F) {
	c := newCentre(f)
	fuzzed(f, func(ctx context.Context, r *conformance.Tester, raw []byte) error {
		if err := r.Request(ctx, "q", raw); err != nil {
			return err
		}
		return r.Certificate(ctx, "c", raw, nil, "natural")
	}, c.good.Raw, c.issuer.cert.Raw)
}
