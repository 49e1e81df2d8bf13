package truststore_test

import (
	"archive/zip"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/interop"
	"github.com/altamga/altamga/interop/truststore"
)

type authority struct {
	key  crypto.Signer
	cert *x509.Certificate
}

func newAuthority(t testing.TB, name pkix.Name) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: name, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{key, c}
}

// names that folding has rules for.
var names = []pkix.Name{
	{Country: []string{"AZ"}, Organization: []string{"  Milli   Mərkəz "}, CommonName: "EHM (TEST)"},
	{Country: []string{"KZ"}, Organization: []string{"ҰЛТТЫҚ Орталық"}, OrganizationalUnit: []string{"B", "A"}, CommonName: "NCA 2026 (TEST)"},
	{Country: []string{"TR"}, CommonName: "İğdır KÖK, \"A.Ş.\" <TEST>"},
}

// anchors are the services of a made-up list; the last is withdrawn.
func anchors(t testing.TB) ([]authority, *interop.Trust) {
	t.Helper()
	web := []interop.Text{{Lang: "en", Value: "https://pki.example/"}}
	address := interop.Address{Postal: []interop.PostalAddress{{Lang: "en", Street: "1 Street", Locality: "Baku", Country: "AZ"}}, Electronic: web}
	l := &interop.List{Scheme: interop.Scheme{
		Territory: "AZ", SequenceNumber: 7, IssuedAt: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC), NextUpdate: time.Date(2027, 2, 1, 12, 0, 0, 0, time.UTC),
		OperatorName: []interop.Text{{Lang: "en", Value: "Centre (TEST)"}}, OperatorAddress: address, InformationURI: web,
	}}
	var all []authority
	for i, name := range append(names, pkix.Name{CommonName: "Withdrawn (TEST)"}) {
		a := newAuthority(t, name)
		all = append(all, a)
		s := interop.State{Type: interop.ServiceCAQC, Name: []interop.Text{{Lang: "en", Value: name.CommonName}}, Status: interop.Granted, Since: l.Scheme.IssuedAt,
			Identity: interop.Identity{{Certificate: &interop.Certificate{Raw: a.cert.Raw}}}}
		if i == len(names) {
			s.Status = interop.Withdrawn
		}
		if i == 1 {
			s.Type = interop.ServiceTSAQ
		}
		l.Providers = append(l.Providers, interop.Provider{Name: s.Name, Address: address, InformationURI: web, Services: []interop.Service{{State: s}}})
	}
	return all, interop.NewTrust(&interop.Verified{List: l})
}

func TestSelect(t *testing.T) {
	_, trust := anchors(t)
	for want, f := range map[int]truststore.Filter{
		3: {}, 2: {Types: []string{"CA/QC"}}, 1: {Types: []string{"TSA/QTST"}, Territories: []string{"AZ"}, Algorithms: []string{"ecdsa"}},
		4: {Statuses: []string{"granted", "withdrawn"}}, 0: {Territories: []string{"KZ"}},
	} {
		if got := truststore.Select(trust, f); len(got) != want {
			t.Errorf("%+v takes %d, want %d", f, len(got), want)
		}
	}
}

// tool runs a program that the formats are made for.
func tool(t *testing.T, packages, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed (Debian: %s)", name, packages)
	}
	output, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, output)
	}
	return string(output)
}

func TestFormats(t *testing.T) {
	all, trust := anchors(t)
	files, err := truststore.Files(truststore.Select(trust, truststore.Filter{}))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.Mkdir(in("hashed"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := os.WriteFile(in(f.Name), f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	leafFile := in("leaf.pem")
	leaf := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Leaf (TEST)"}, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Minute)}
	t.Run("Go", func(t *testing.T) {
		data, err := os.ReadFile(in("anchors.pem"))
		if pool := x509.NewCertPool(); err != nil || !pool.AppendCertsFromPEM(data) || bytes.Count(data, []byte("BEGIN CERTIFICATE")) != len(names) {
			t.Errorf("anchors.pem: %v\n%s", err, data)
		}
	})
	t.Run("openssl, hashed folder", func(t *testing.T) {
		for _, a := range all[:len(names)] {
			der, err := x509.CreateCertificate(rand.Reader, leaf, a.cert, a.key.Public(), a.key)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(leafFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
				t.Fatal(err)
			}
			if out := tool(t, "openssl", "openssl", "verify", "-no-CAfile", "-no-CAstore", "-CApath", in("hashed"), leafFile); !strings.Contains(out, "OK") {
				t.Errorf("%s: %s", a.cert.Subject, out)
			}
		}
	})
	t.Run("openssl, PKCS #7", func(t *testing.T) {
		if out := tool(t, "openssl", "openssl", "pkcs7", "-inform", "DER", "-in", in("anchors.p7b"), "-print_certs", "-noout"); strings.Count(out, "subject=") != len(names) {
			t.Error(out)
		}
	})
	t.Run("openssl, PKCS #12", func(t *testing.T) {
		if out := tool(t, "openssl", "openssl", "pkcs12", "-in", in("anchors.p12"), "-nokeys", "-passin", "pass:"+truststore.Password); strings.Count(out, "BEGIN CERTIFICATE") != len(names) {
			t.Error(out)
		}
	})
	for store, file := range map[string]string{"PKCS12": "anchors.p12", "JKS": "anchors.jks"} {
		t.Run("keytool, "+store, func(t *testing.T) {
			out := tool(t, "default-jre-headless", "keytool", "-list", "-keystore", in(file), "-storetype", store, "-storepass", truststore.Password)
			if strings.Count(out, "trustedCertEntry") != len(names) {
				t.Error(out)
			}
		})
	}
	t.Run("serialized store", func(t *testing.T) {
		data, err := os.ReadFile(in("anchors.sst"))
		if err != nil || !bytes.HasPrefix(data, []byte("\x00\x00\x00\x00CERT")) {
			t.Fatalf("%v %q", err, data[:8])
		}
		count := 0
		for data = data[8:]; binary.LittleEndian.Uint32(data) != 0; count++ {
			n := binary.LittleEndian.Uint32(data[8:])
			if _, err := x509.ParseCertificate(data[12 : 12+n]); err != nil || binary.LittleEndian.Uint32(data) != 32 {
				t.Error(err)
			}
			data = data[12+n:]
		}
		if count != len(names) || len(data) != 12 {
			t.Errorf("%d certificates and %d octets at the end", count, len(data))
		}
	})
	t.Run("inventory", func(t *testing.T) {
		data, err := os.ReadFile(in("anchors.json"))
		var inventory struct {
			Anchors []struct{ SHA256, Key string }
		}
		if err != nil || json.Unmarshal(data, &inventory) != nil || len(inventory.Anchors) != len(names) || inventory.Anchors[0].Key != "ecdsa" {
			t.Errorf("%v %s", err, data)
		}
		table, err := os.ReadFile(in("anchors.csv"))
		if err != nil || bytes.Count(table, []byte("\n")) != len(names)+1 {
			t.Errorf("%v %s", err, table)
		}
	})
}

// The same lists and key make the same octets; the manifest names every file,
// and openssl verifies its signature.
func TestBundle(t *testing.T) {
	_, trust := anchors(t)
	signer := newAuthority(t, pkix.Name{CommonName: "Packages (TEST)", Organization: []string{"Centre (TEST)"}, Country: []string{"AZ"}})
	selected := truststore.Select(trust, truststore.Filter{})
	by := &truststore.Signer{Key: signer.key, Certificate: signer.cert}
	first, err := truststore.Bundle(selected, by)
	if err != nil {
		t.Fatal(err)
	}
	second, err := truststore.Bundle(truststore.Select(trust, truststore.Filter{}), by)
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("made twice, the package differs: %v", err)
	}
	archive, err := zip.NewReader(bytes.NewReader(first), int64(len(first)))
	if err != nil {
		t.Fatal(err)
	}
	contents := map[string][]byte{}
	for _, f := range archive.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if contents[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	var manifest struct {
		SHA256 map[string]string
		Lists  map[string]uint64
	}
	if err := json.Unmarshal(contents["manifest.json"], &manifest); err != nil || len(manifest.SHA256) != len(contents)-2 || manifest.Lists["AZ"] != 7 {
		t.Errorf("the manifest: %v\n%s", err, contents["manifest.json"])
	}
	dir := t.TempDir()
	public, err := x509.MarshalPKIXPublicKey(signer.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	contents["public.pem"] = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	for _, name := range []string{"manifest.json", "manifest.sig", "public.pem"} {
		if err := os.WriteFile(filepath.Join(dir, name), contents[name], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tool(t, "openssl", "openssl", "dgst", "-sha256", "-verify", filepath.Join(dir, "public.pem"), "-signature", filepath.Join(dir, "manifest.sig"), filepath.Join(dir, "manifest.json"))
	// The list of trusted entities says the same, and who signed it.
	v, err := interop.Verify(contents["anchors.lote.jws"], []*interop.Certificate{{Raw: signer.cert.Raw}}, interop.Terms{})
	if err != nil {
		t.Fatal(err)
	}
	again := truststore.Select(interop.NewTrust(v), truststore.Filter{})
	if len(again) != len(selected) || v.Scheme.SequenceNumber != 7 || !bytes.Equal(truststore.PEM(again), truststore.PEM(selected)) {
		t.Errorf("the list of trusted entities has %d services: %+v", len(again), v.Scheme)
	}
	if _, err := truststore.Bundle(nil, nil); err == nil {
		t.Error("a package of nothing is made")
	}
}

// Real lists: every certificate of every list goes into every format, whether
// this build reads its key or not, and openssl names the files as we do.
func TestRealLists(t *testing.T) {
	dir := os.Getenv("ALTAMGA_CORPUS")
	if dir == "" {
		t.Skip("ALTAMGA_CORPUS does not name the folder of real lists")
	}
	names, err := filepath.Glob(filepath.Join(dir, "interop/eu/*.xml"))
	if err != nil {
		t.Fatal(err)
	}
	var lists []*interop.Verified
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		l, err := interop.Read(data)
		if err != nil {
			t.Fatal(err)
		}
		lists = append(lists, &interop.Verified{List: l})
	}
	all := truststore.Select(interop.NewTrust(lists...), truststore.Filter{Statuses: []string{"granted", "withdrawn", "recognisedatnationallevel", "inaccord"}})
	if _, err := truststore.Files(all); err != nil {
		t.Fatal(err)
	}
	hashed := truststore.Hashed(all)
	t.Logf("%d anchors, %d certificates", len(all), len(hashed))
	if len(hashed) < 200 {
		t.Errorf("%d certificates", len(hashed))
	}
	for i, f := range hashed {
		if i%40 != 0 {
			continue // a sample: openssl is started for each
		}
		file := filepath.Join(t.TempDir(), "c.pem")
		if err := os.WriteFile(file, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
		if out := tool(t, "openssl", "openssl", "x509", "-in", file, "-noout", "-subject_hash"); strings.TrimSpace(out) != strings.Split(f.Name, ".")[0] {
			t.Errorf("openssl names it %s, we %s", strings.TrimSpace(out), f.Name)
		}
	}
}

func TestHandler(t *testing.T) {
	_, trust := anchors(t)
	signer := newAuthority(t, pkix.Name{CommonName: "Packages (TEST)", Organization: []string{"Centre (TEST)"}, Country: []string{"AZ"}})
	h := truststore.NewHandler(func() *interop.Trust { return trust }, &truststore.Signer{Key: signer.key, Certificate: signer.cert})
	get := func(method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w
	}
	for _, name := range []string{"anchors.pem", "anchors.p7b", "anchors.p12", "anchors.jks", "anchors.sst", "anchors.json", "anchors.csv", "anchors.zip", "anchors.lote.json", "anchors.lote.jws"} {
		if w := get("GET", "/packages/"+name); w.Code != 200 || w.Body.Len() < 500 || w.Header().Get("ETag") == "" {
			t.Errorf("%s: %d, %d octets", name, w.Code, w.Body.Len())
		}
	}
	for path, want := range map[string]int{
		"/packages/anchors.pem?territory=AZ&type=CA/QC": 200, "/packages/anchors.pem?territory=KZ": 404, "/packages/anchors.pem?color=red": 400, "/packages/none": 404,
	} {
		if w := get("GET", path); w.Code != want {
			t.Errorf("%s: %d, want %d: %s", path, w.Code, want, w.Body)
		}
	}
	if w := get("POST", "/packages/anchors.pem"); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d", w.Code)
	}
}

// ETSI TS 119 602, Section 6.8: the list of trusted entities is its signer's, by
// name and country; a certificate that has neither signs none.
func TestSignerOfLoTE(t *testing.T) {
	_, trust := anchors(t)
	selected := truststore.Select(trust, truststore.Filter{})
	by := func(name pkix.Name) (*interop.Verified, error) {
		a := newAuthority(t, name)
		signed, err := truststore.SignedLoTE(selected, &truststore.Signer{Key: a.key, Certificate: a.cert})
		if err != nil {
			return nil, err
		}
		return interop.Verify(signed, []*interop.Certificate{{Raw: a.cert.Raw}}, interop.Terms{})
	}
	v, err := by(pkix.Name{CommonName: "Packages (TEST)", Organization: []string{"Bank (TEST)"}, Country: []string{"TR"}})
	if err != nil {
		t.Fatal(err)
	}
	if s := &v.Scheme; s.Territory != "TR" || interop.In(s.OperatorName) != "Bank (TEST)" || !strings.HasPrefix(interop.In(s.Name), "AZ: ") {
		t.Errorf("the scheme is %+v", s)
	}
	if _, err := by(pkix.Name{CommonName: "Packages (TEST)"}); err == nil || !strings.Contains(err.Error(), "has to name one of each") {
		t.Errorf("a certificate without an organisation: %v", err)
	}
}
