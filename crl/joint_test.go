package crl_test

import (
	"bytes"
	"crypto/x509"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/crl"
)

// joint returns a centre whose lists are about two authorities, "ehm" and
// "two", and the other of them.
func joint(t testing.TB) (root, c, two *centre, signer *x509.Certificate) {
	t.Helper()
	root, below, signer := oneSigner(t)
	c, two = below[0], below[1]
	c.Issuers[0].Others = []crl.Other{{ID: "two", Certificate: two.ca}}
	two.Issuers[0].URL = c.Issuers[0].URL
	return root, c, two, signer
}

// jointLists publishes what a joint list and its delta list can say: 0x100 is
// revoked by both authorities, 0x101 held by both and released by the second,
// and each revokes one more, 0x102 and 0x103, and one after the base, 0x104 and
// 0x105.
func jointLists(t *testing.T, c *centre) *crl.Publisher {
	t.Helper()
	p := c.publisher(t)
	for i, issuer := range []string{"ehm", "two"} {
		c.putOf(issuer, entry(0x100, 1+i))
		c.putOf(issuer, entry(0x101, 6))
		c.putOf(issuer, entry(int64(0x102+i), 4))
	}
	c.publish2(t, p)
	c.putOf("two", entry(0x101, crl.Removed))
	c.put(entry(0x104, 1))
	c.putOf("two", entry(0x105, 1))
	c.publishDelta(t, p)
	return p
}

// said is what a list says of a serial of both authorities; -1 where it says
// nothing.
func said(s *crl.Set, serial int64, authorities ...*centre) (reasons []int) {
	for _, c := range authorities {
		reason := -1
		if e, found := s.Lookup(c.ca.RawSubject, big.NewInt(serial)); found {
			reason = e.Reason
		}
		reasons = append(reasons, reason)
	}
	return reasons
}

func (c *centre) loadJoint(t *testing.T, path string) *crl.Set {
	t.Helper()
	s, err := crl.Load(bytes.NewReader(readFile(t, filepath.Join(c.Dir, path))), c.Issuers[0].Signer)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestJoint(t *testing.T) {
	root, c, two, signer := joint(t)
	p := jointLists(t, c)
	base, delta := c.loadJoint(t, "ehm.crl"), c.loadJoint(t, "ehm-delta.crl")
	want := func(t *testing.T, s *crl.Set, want map[int64][2]int) {
		t.Helper()
		entries := 0
		for serial, reasons := range want {
			if got := said(s, serial, c, two); got[0] != reasons[0] || got[1] != reasons[1] {
				t.Errorf("serial %x: got reasons %v, want %v", serial, got, reasons)
			}
			for _, reason := range reasons {
				if reason >= 0 {
					entries++
				}
			}
		}
		if s.Len() != entries {
			t.Errorf("%d entries, want %d", s.Len(), entries)
		}
	}
	t.Run("CRL-18 certificateIssuer is critical, and stands where the authority changes and nowhere else", func(t *testing.T) {
		for path, first := range map[string]map[int]*centre{"ehm.crl": {0: c, 3: two}, "ehm-delta.crl": {0: c, 1: two}} {
			for i, e := range decode(t, readFile(t, filepath.Join(c.Dir, path))).TBS.Revoked {
				x, of := among(e.Extensions, "2.5.29.29"), first[i]
				if (x != nil) != (of != nil) || x != nil && (!x.Critical || !bytes.Contains(x.Value, of.ca.RawSubject)) {
					t.Errorf("%s: entry %d has %+v", path, i, x)
				}
			}
		}
	})
	t.Run("CRL-18 each entry is about its authority's certificate", func(t *testing.T) {
		want(t, base, map[int64][2]int{0x100: {1, 2}, 0x101: {6, 6}, 0x102: {4, -1}, 0x103: {-1, 4}})
		want(t, delta, map[int64][2]int{0x101: {-1, 8}, 0x104: {1, -1}, 0x105: {-1, 1}})
	})
	now := map[int64][2]int{0x100: {1, 2}, 0x101: {6, -1}, 0x102: {4, -1}, 0x103: {-1, 4}, 0x104: {1, -1}, 0x105: {-1, 1}}
	t.Run("CRL-25 base and delta are the complete list", func(t *testing.T) {
		together, err := base.Apply(delta)
		if err != nil {
			t.Fatal(err)
		}
		want(t, together, now)
		c.publish2(t, p)
		want(t, c.loadJoint(t, "ehm.crl"), now)
	})
	t.Run("openssl tells the authorities apart", func(t *testing.T) {
		args := []string{"verify", "-x509_strict", "-crl_check", "-extended_crl", "-use_deltas", "-CAfile", writePEM(t, "root.pem", "CERTIFICATE", root.ca.Raw)}
		for _, between := range []*x509.Certificate{signer, c.ca, two.ca} {
			args = append(args, "-untrusted", writePEM(t, "ca.pem", "CERTIFICATE", between.Raw))
		}
		args = append(args, "-CRLfile", writePEM(t, "crl.pem", "X509 CRL", readFile(t, filepath.Join(c.Dir, "ehm.crl"))))
		for serial, reasons := range now {
			for i, of := range []*centre{c, two} {
				want := map[bool]string{true: "certificate revoked", false: ": OK"}[reasons[i] >= 0]
				if out, _ := openssl(t, append(args[:len(args):len(args)], of.indirectLeaf(t, serial))...); !strings.Contains(out, want) {
					t.Errorf("authority %d, serial %x: want %q: %s", i, serial, want, out)
				}
			}
		}
	})
	t.Run("a new process compares the list with the table", func(t *testing.T) {
		c.spoil = func(entries []crl.Entry) []crl.Entry { return entries[1:] }
		if err := c.publisher(t).Publish(t.Context(), "ehm"); err == nil || !strings.Contains(err.Error(), "not in the table") {
			t.Errorf("error %v", err)
		}
		c.spoil = nil
		c.publish2(t, c.publisher(t))
		want(t, c.loadJoint(t, "ehm.crl"), now)
	})
	t.Run("an authority leaves, and joins", func(t *testing.T) {
		others := c.Issuers[0].Others
		c.Issuers[0].Others = nil
		c.publish2(t, c.publisher(t))
		want(t, c.loadJoint(t, "ehm.crl"), map[int64][2]int{0x100: {1, -1}, 0x101: {6, -1}, 0x102: {4, -1}, 0x104: {1, -1}})
		c.Issuers[0].Others = others
		c.publish2(t, c.publisher(t))
		want(t, c.loadJoint(t, "ehm.crl"), now)
	})
	t.Run("what cannot be joined is refused", func(t *testing.T) {
		for what, row := range map[string]struct {
			change func(*crl.Issuer)
			want   string
		}{
			"no signer":    {func(i *crl.Issuer) { i.Signer, i.Key = nil, c.key }, "no signer"},
			"twice":        {func(i *crl.Issuer) { i.Others = append(i.Others, i.Others[0]) }, "twice"},
			"its own name": {func(i *crl.Issuer) { i.Others[0].Certificate = i.Certificate }, "twice"},
			"no authority": {func(i *crl.Issuer) { i.Others[0].Certificate = signer }, "not an authority's"},
		} {
			config := c.Config
			config.Issuers = append([]crl.Issuer(nil), c.Issuers...)
			config.Issuers[0].Others = append([]crl.Other(nil), c.Issuers[0].Others...)
			row.change(&config.Issuers[0])
			if _, err := crl.New(config); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("%s: error %v", what, err)
			}
		}
	})
	t.Run("a change of any authority is published", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, c, _, _ := joint(t)
			p := c.publisher(t)
			defer run(t, p)()
			for i, issuer := range []string{"two", "ehm"} {
				synctest.Wait()
				c.putOf(issuer, entry(0x10, 1))
				time.Sleep(2 * crl.DefaultDelay)
				synctest.Wait()
				if list, _ := p.Current("ehm"); list.Entries != i+1 {
					t.Errorf("%d entries after a change of %s, want %d", list.Entries, issuer, i+1)
				}
			}
		})
	})
}
