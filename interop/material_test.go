package interop_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/interop"
)

func depot(certificates ...[]byte) []byte {
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<depo>\n")
	for _, c := range certificates {
		b.WriteString("<koksertifika><mSubjectName>AA==</mSubjectName><mValue>\n" + base64.StdEncoding.EncodeToString(c) + "\n</mValue></koksertifika>\n")
	}
	b.WriteString("</depo>\n")
	return []byte(b.String())
}

// A folder of every form; a certificate that stands twice is taken once.
func TestMaterial(t *testing.T) {
	a, b, dir := newCountry(t, "TR").ca.cert.Raw, newCountry(t, "TR").ca.cert.Raw, t.TempDir()
	files := map[string][]byte{
		"1.der": a, "2.b64": []byte(base64.StdEncoding.EncodeToString(a)), "sub/3.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b}), "4.xml": depot(a, b),
	}
	for name, data := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if openssl, err := exec.LookPath("openssl"); err == nil {
		for _, form := range []string{"DER", "PEM"} {
			out, err := exec.Command(openssl, "crl2pkcs7", "-nocrl", "-certfile", filepath.Join(dir, "sub/3.pem"), "-outform", form, "-out", filepath.Join(dir, "5."+form)).CombinedOutput()
			if err != nil {
				t.Fatalf("openssl: %v\n%s", err, out)
			}
		}
	}
	m, err := interop.ReadMaterial(t.Context(), nil, dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Certificates) != 2 || !bytes.Equal(m.Certificates[0].Raw, a) || len(m.Sources) < 4 {
		t.Errorf("%d certificates from %q", len(m.Certificates), m.Sources)
	}
	// One file that is nothing: none is taken.
	if err := os.WriteFile(filepath.Join(dir, "README.txt"), []byte("Salam"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := interop.ReadMaterial(t.Context(), nil, dir); err == nil || !strings.Contains(err.Error(), "README.txt") {
		t.Errorf("a folder with a text: %v", err)
	}
}

func TestMaterialRefused(t *testing.T) {
	a := newCountry(t, "TR")
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}})
	for name, row := range map[string]struct {
		data []byte
		want string
	}{
		"empty":                  {nil, "empty"},
		"a key":                  {key, "PRIVATE KEY"},
		"cut off":                {a.ca.cert.Raw[:100], "whole"},
		"followed by something":  {append(bytes.Clone(a.ca.cert.Raw), 0), "whole"},
		"other XML":              {[]byte("<a/>"), "neither a trust list nor a depot"},
		"a depot of nothing":     {[]byte("<depo><koksertifika/></depo>"), "no mValue"},
		"a depot with a DTD":     {[]byte("<!DOCTYPE depo><depo/>"), ""},
		"a depot of a sequence":  {depot([]byte{0x30, 0}), "number 1"},
		"PKCS #7 of data":        {[]byte("\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x00"), "PKCS #7"},
		"PEM that is cut off":    {[]byte("-----BEGIN CERTIFICATE-----\nMII"), "whole"},
		"a list that is not one": {[]byte(`<TrustServiceStatusList xmlns="http://uri.etsi.org/02231/v2#"/>`), ""},
	} {
		m := &interop.Material{}
		if err := m.Add(name, row.data); err == nil || !strings.Contains(err.Error(), row.want) || len(m.Certificates) != 0 || m.List != nil {
			t.Errorf("%s: %v, %d certificates", name, err, len(m.Certificates))
		}
	}
	m := &interop.Material{}
	if err := m.Add("one", sign(t, a.list, a.signer)); err != nil {
		t.Fatal(err)
	}
	if err := m.Add("other", sign(t, newCountry(t, "KZ").list, a.signer)); err == nil {
		t.Error("a partner has two lists")
	}
}

// TestMaterialOfStates imports what states hand out: Turkish roots, Kazakh test
// authorities with GOST keys, a Kyrgyz one, PKCS #7 and lists of the Union.
func TestMaterialOfStates(t *testing.T) {
	for _, pattern := range []string{"tr/*.pem", "kz/*.c*", "kg/*.der", "stores/*.p7c", "eu/CZ.xml"} {
		for name, data := range corpus(t, pattern) {
			m := &interop.Material{}
			if err := m.Add(name, data); err != nil || len(m.Certificates) == 0 && m.List == nil {
				t.Errorf("%s: %v", name, err)
			}
			t.Log(m.Sources)
		}
	}
	// The Turkish roots as their depot has them.
	var roots [][]byte
	for name, data := range corpus(t, "tr/*.pem") {
		m := &interop.Material{}
		if err := m.Add(name, data); err != nil {
			t.Fatal(err)
		}
		for _, c := range m.Certificates {
			roots = append(roots, c.Raw)
		}
	}
	m := &interop.Material{}
	if err := m.Add("SertifikaDeposu.xml", depot(roots...)); err != nil || len(m.Certificates) != len(roots) {
		t.Errorf("the depot: %d of %d: %v", len(m.Certificates), len(roots), err)
	}
}

// TestPartnerOfKazakhstan brings the GOST root of Kazakhstan's test
// infrastructure into our list, by the certificate that it issued.
func TestPartnerOfKazakhstan(t *testing.T) {
	b, base, kz := newBureau(t), testPlan(), corpus(t, "kz/*.c*")
	m, leaf := &interop.Material{}, &interop.Material{}
	if err := m.Add("root", kz["root_test_gost_2022.cer"]); err != nil {
		t.Fatal(err)
	}
	if err := leaf.Add("nca", kz["nca_gost2022_test.cer"]); err != nil {
		t.Fatal(err)
	}
	facts, err := leaf.Certificates[0].Facts()
	if err != nil {
		t.Fatal(err)
	}
	plan := &interop.PartnerPlan{Territory: "KZ", Operator: en("Authority of KZ (TEST)"), TradeName: en("NTRKZ-1"), Address: base.Address, Contact: base.Contact, Information: base.Information}
	p, err := b.Propose(t.Context(), "one", plan, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	tested, err := b.TestPartner(t.Context(), "one", "KZ", leaf.Certificates, facts.NotBefore.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	t.Log(tested.Findings)
	if _, err := b.AcceptPartner(t.Context(), "two", "KZ", p.Offer.Digest()); err != nil {
		t.Fatal(err)
	}
	if v := b.publish(t); len(v.Providers) != 2 {
		t.Errorf("the list has %d providers", len(v.Providers))
	}
	b.state(t, "KZ", interop.PartnerPublished)
}

// A partner's list is imported from where it is published, under the policy of
// addresses; certificates only from a server that proves who it is.
func TestMaterialFromAddresses(t *testing.T) {
	kz := newCountry(t, "KZ")
	files := map[string][]byte{"/tl.xml": sign(t, kz.list, kz.signer), "/ca.der": kz.ca.cert.Raw, "/page.html": []byte("<html></html>")}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if data, ok := files[r.URL.Path]; ok {
			w.Write(data)
			return
		}
		http.NotFound(w, r)
	})
	server := httptest.NewServer(handler)
	defer server.Close()
	loopback := interop.NewWeb(interop.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}).Get
	m, err := interop.ReadMaterial(t.Context(), loopback, server.URL+"/tl.xml")
	if err != nil || !bytes.Equal(m.List, files["/tl.xml"]) || !strings.Contains(m.Sources[0], server.URL) {
		t.Errorf("the list: %+v, %v", m, err)
	}
	// What the server proves of itself is the fetcher's to ask.
	proven := func(ctx context.Context, address string, v interop.Validators) (interop.Fetched, error) {
		return loopback(ctx, strings.Replace(address, "https://", "http://", 1), v)
	}
	if m, err = interop.ReadMaterial(t.Context(), proven, strings.Replace(server.URL, "http://", "https://", 1)+"/ca.der"); err != nil || len(m.Certificates) != 1 {
		t.Errorf("a certificate: %+v, %v", m, err)
	}
	for _, row := range []struct {
		path string
		get  interop.Get
		want string
	}{
		{"/tl.xml", interop.NewWeb(interop.Policy{}).Get, "not a public address"},
		{"/ca.der", loopback, "from https addresses and files alone"},
		{"/none.xml", loopback, "404"},
		{"/page.html", loopback, "neither a trust list nor a depot"},
	} {
		if _, err := interop.ReadMaterial(t.Context(), row.get, server.URL+row.path); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", row.path, err)
		}
	}
}

// A hostile file does not have as many certificates as fit into it: what is done
// with them grows with their square.
func TestMaterialBounds(t *testing.T) {
	// Each of them is other octets, and all that is read of it is there.
	tiny := func(i int) []byte {
		return fmt.Appendf(nil, "\x30\x33\x30\x31\x02\x04%04d\x30\x00\x30\x00\x30\x1e\x17\x0d260101000000Z\x17\x0d270101000000Z\x30\x00\x30\x03\x02\x01\x00", i)
	}
	var inside, roots [][]byte
	for i := range 1001 {
		inside, roots = append(inside, tiny(1000+i)), append(roots, tiny(5000+i))
	}
	one := &interop.Material{}
	if err := one.Add("tiny", tiny(1)); err != nil {
		t.Fatalf("the tiny certificate is none: %v", err)
	}
	pems := func(all [][]byte) (text []byte) {
		for _, raw := range all {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})...)
		}
		return text
	}
	signed := element(0x30, []byte("\x02\x01\x01\x31\x00\x30\x00"), element(0xa0, inside...))
	pkcs7 := element(0x30, []byte("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"), element(0xa0, signed))
	for name, data := range map[string][]byte{"PEM": pems(inside), "depot": depot(roots...), "PKCS #7": pkcs7} {
		m := &interop.Material{}
		if err := m.Add(name, data); err == nil || !strings.Contains(err.Error(), "more than 1000 certificates") || len(m.Certificates) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := one.Add("a thousand more", pems(inside[:1000])); err == nil || !strings.Contains(err.Error(), "more than 1000") {
		t.Errorf("over several files: %v", err)
	}
}

// element is the DER of a tag and what is inside: of 256 to 65,535 octets.
func element(tag byte, inside ...[]byte) []byte {
	content := bytes.Join(inside, nil)
	return append([]byte{tag, 0x82, byte(len(content) >> 8), byte(len(content))}, content...)
}

// FuzzMaterial: what is taken is whole, and what is refused leaves nothing. The
// seeds are the same in every run, so that what was found interesting stays so.
func FuzzMaterial(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Authority (TEST)"}, NotAfter: time.Unix(1<<31, 0), NotBefore: time.Unix(0, 0)}
	c, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{c, depot(c), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c}), []byte(base64.StdEncoding.EncodeToString(c)),
		[]byte("\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x00")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m := &interop.Material{}
		if err := m.Add("fuzz", data); err != nil {
			if len(m.Certificates) != 0 || m.List != nil || len(m.Sources) != 0 {
				t.Errorf("%v, and yet something is imported", err)
			}
			return
		}
		for _, c := range m.Certificates {
			if _, err := c.Facts(); err != nil {
				t.Error(err)
			}
		}
	})
}
