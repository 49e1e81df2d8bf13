package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/crl"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/pki"
)

// TestPartitionedCentre runs a centre whose lists are spread over four, and a
// mirror of one of them that has no key: what the ca writes into certificates
// is where the crl publishes, octet by octet.
func TestPartitionedCentre(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	dir, address := partitionedCentre(t)
	file := filepath.Join(dir, configFile)
	whole, err := loadConfigFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	startCommand(t, "up", "-c", file)
	waitReady(t, ctx, "http://"+string(whole.Admin.Listen)+"/readyz")
	tour, err := (&demonstration{dir: dir, out: io.Discard}).tour(&process{config: whole, dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	leaf := issueAndHold(t, tour)
	shard := pki.ShardOf(leaf.SerialNumber, 4)
	if got, want := fmt.Sprint(leaf.CRLDistributionPoints), fmt.Sprintf("[http://%s/ehm-%d.crl]", address, shard); got != want {
		t.Fatalf("the certificate names %s, want %s", got, want)
	}
	listed := waitListed(t, tour.party, leaf)
	t.Run("CRL-20 the certificate's own address serves the list that covers it", func(t *testing.T) {
		if err := listed.Covers(leaf); err != nil {
			t.Error(err)
		}
		foreign, err := tour.party.load(ctx, fmt.Sprintf("http://%s/ehm-%d.crl", address, (shard+1)%4))
		if err != nil {
			t.Fatal(err)
		}
		if foreign.Covers(leaf) == nil {
			t.Error("another list covers it, too")
		}
	})
	t.Run("CRL-13 the list's point is the certificate's octet by octet", func(t *testing.T) {
		for _, x := range leaf.Extensions {
			if x.Id.Equal(pki.OIDCRLDistributionPoints) && !bytes.Contains(x.Value, listed.Scope.Point) || len(listed.Scope.Point) < 20 {
				t.Errorf("the certificate says %x, the list %x", x.Value, listed.Scope.Point)
			}
		}
	})
	t.Run("crl check finds the lists as in the register", func(t *testing.T) {
		var out, fault bytes.Buffer
		if code := run(ctx, []string{"crl", "check", "-c", file}, streams{out: &out, err: &fault}); code != 0 || !strings.Contains(out.String(), "ehm-3.crl: number") {
			t.Errorf("ended with %d\n%s%s", code, &out, &fault)
		}
	})
	t.Run("crl check tells a damaged list from a register that differs", func(t *testing.T) {
		// Of another folder, which no server mends.
		other := filepath.Join(t.TempDir(), "lists")
		if err := os.CopyFS(other, os.DirFS(string(whole.CRL.Dir))); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(other, "ehm.crl"), 100); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		moved := filepath.Join(dir, "moved.toml")
		if err := os.WriteFile(moved, bytes.Replace(text, []byte(`dir = "public"`), fmt.Appendf(nil, "dir = %q", other), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, fault bytes.Buffer
		if code := run(ctx, []string{"crl", "check", "-c", moved}, streams{out: &out, err: &fault}); code == 0 ||
			!strings.Contains(fault.String(), "ehm.crl: reading list") || strings.Contains(fault.String(), "contradicts itself") || !strings.Contains(fault.String(), "hint: ") {
			t.Errorf("ended with %d\n%s%s", code, &out, &fault)
		}
	})
	t.Run("a mirror without key, register and audit log", func(t *testing.T) {
		folder := t.TempDir()
		admin, listen := freeAddress(t), freeAddress(t)
		text := fmt.Sprintf("[admin]\nlisten = %q\n[crl]\nlisten = %q\ndir = %q\npull_interval = \"50ms\"\n[[crl.pull]]\nurl = %q\ncertificate = %q\npath = \"cdp/ehm.crl\"\n",
			admin, listen, folder, leaf.CRLDistributionPoints[0], whole.CA.Issuers[2].Certificate)
		mirror := filepath.Join(t.TempDir(), "mirror.toml")
		if err := os.WriteFile(mirror, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		startServer(t, "crl", mirror)
		waitReady(t, ctx, "http://"+string(admin)+"/readyz")
		response, err := http.Get("http://" + string(listen) + "/cdp/ehm.crl")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		set, err := crl.Load(response.Body, tour.party.issuers[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := set.Lookup(leaf.RawIssuer, leaf.SerialNumber); !ok {
			t.Error("the mirror's list does not have the certificate")
		}
	})
}

// issueAndHold issues a certificate of ehm and holds it.
func issueAndHold(t *testing.T, tour *tour) *x509.Certificate {
	t.Helper()
	_, csr, err := request()
	if err != nil {
		t.Fatal(err)
	}
	answer, err := tour.authority.Issue(t.Context(), benchRequest("ehm", csr, 1), "")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(answer.Certificate))
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tour.authority.Hold(t.Context(), answer.Serial, ca.ChangeRequest{Owner: "holder"}, ""); err != nil {
		t.Fatal(err)
	}
	return leaf
}

// waitListed waits until the certificate is on the list that it names.
func waitListed(t *testing.T, p *party, leaf *x509.Certificate) *crl.Set {
	t.Helper()
	ctx := within(t, time.Minute)
	for ctx.Err() == nil {
		set, err := p.load(ctx, leaf.CRLDistributionPoints[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := set.Lookup(leaf.RawIssuer, leaf.SerialNumber); ok {
			return set
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("the certificate is not on its list")
	return nil
}

// partitionedCentre founds a centre and spreads the lists of ehm over four.
func partitionedCentre(t *testing.T) (dir string, address config.Address) {
	t.Helper()
	dir, servers := foundServing(t)
	address = servers.CRL.Listen
	base := "http://" + string(address) + "/ehm"
	edit(t, dir, `crl = "`+base+`.crl"`, `crl = "`+base+`-{shard}.crl"`+"\ncrl_shards = 4")
	edit(t, dir, `freshest_crl = "`+base+`-delta.crl"`, `freshest_crl = "`+base+`-{shard}-delta.crl"`)
	t.Run("an address that nothing is published at is refused, with a hint", func(t *testing.T) {
		var out, fault bytes.Buffer
		code := run(t.Context(), []string{"up", "-c", filepath.Join(dir, configFile), "--check"}, streams{out: &out, err: &fault})
		if code == 0 || !strings.Contains(fault.String(), "publishes no list there") || !strings.Contains(fault.String(), "hint: ") {
			t.Errorf("ended with %d\n%s%s", code, &out, &fault)
		}
	})
	edit(t, dir, `certificate_path = "ehm.cer"`, `certificate_path = "ehm.cer"

[[crl.issuer.partition]]
shards = 4
path = "ehm-{shard}.crl"
url = "`+base+`-{shard}.crl"
delta_path = "ehm-{shard}-delta.crl"
delta_url = "`+base+`-{shard}-delta.crl"`)
	return dir, address
}

// TestJointCentre runs a centre where one signer's list is about two issuers.
func TestJointCentre(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	dir, servers := foundServing(t)
	whole, err := loadConfigFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	url, file, signer := "http://"+string(servers.CRL.Listen)+"/ehm.crl", filepath.Join(dir, configFile), listSigner(t, dir)
	edit(t, dir, `crl = "`+url+`"`, `crl_signer = "certificates/lists.pem"
crl = "`+url+`"`)
	t.Run("a signer that no list has is refused, with a hint", func(t *testing.T) {
		var out, fault bytes.Buffer
		code := run(ctx, []string{"up", "-c", file, "--check"}, streams{out: &out, err: &fault})
		if code == 0 || !strings.Contains(fault.String(), "another signer") || !strings.Contains(fault.String(), "hint: ") {
			t.Errorf("ended with %d\n%s%s", code, &out, &fault)
		}
	})
	edit(t, dir, `path = "ehm.crl"`, `signer = "certificates/lists.pem"
path = "ehm.crl"
url = "`+url+`"`)
	edit(t, dir, `key = "`+whole.CRL.Issuers[2].Key+`"
signer = `, `key = "file:keys/lists.key"
signer = `)
	edit(t, dir, `certificate_path = "ehm.cer"`, `certificate_path = "ehm.cer"
other = [{ id = "`+whole.CA.Issuers[1].ID+`", certificate = "`+string(whole.CRL.Issuers[1].Certificate)+`" }]`)
	startCommand(t, "up", "-c", file)
	waitReady(t, ctx, "http://"+string(whole.Admin.Listen)+"/readyz")
	tour, err := (&demonstration{dir: dir, out: io.Discard}).tour(&process{config: whole, dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	leaf := issueAndHold(t, tour)
	list := (*crl.Set)(nil)
	for ctx.Err() == nil && list == nil {
		response, err := http.Get(leaf.CRLDistributionPoints[0])
		if err != nil {
			t.Fatal(err)
		}
		set, err := crl.Load(response.Body, signer)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if _, found := set.Lookup(leaf.RawIssuer, leaf.SerialNumber); found {
			list = set
		} else {
			time.Sleep(20 * time.Millisecond)
		}
	}
	t.Run("CRL-18 the certificate names who signed the list, which covers it", func(t *testing.T) {
		if list == nil {
			t.Fatal("the certificate is not on its list")
		}
		if err := list.Covers(leaf); err != nil || !list.Scope.Indirect {
			t.Errorf("indirect: %v, %v", list.Scope.Indirect, err)
		}
	})
	t.Run("crl check finds the list as in the register", func(t *testing.T) {
		var out, fault bytes.Buffer
		if code := run(ctx, []string{"crl", "check", "-c", file}, streams{out: &out, err: &fault}); code != 0 || !strings.Contains(out.String(), "ehm.crl: number") {
			t.Errorf("ended with %d\n%s%s", code, &out, &fault)
		}
	})
}

// listSigner makes a key and a certificate that sign lists.
func listSigner(t *testing.T, dir string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Lists"}, SubjectKeyId: []byte{1, 2, 3, 4},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), KeyUsage: x509.KeyUsageCRLSign}
	encoded, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"certificates/lists.pem": {Type: "CERTIFICATE", Bytes: encoded}, "keys/lists.key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	signer, err := x509.ParseCertificate(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}
