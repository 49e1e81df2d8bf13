package ca_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/pki"
)

// TestShards issues certificates whose lists are several.
func TestShards(t *testing.T) {
	c := newCentre(t, p256)
	ehm := &c.config.Issuers[2]
	ehm.CRL, ehm.FreshestCRL, ehm.CRLShards = "http://127.0.0.1:8444/ehm-{shard}.crl", "http://127.0.0.1:8444/ehm-{shard}-delta.crl", 5
	c.reopen(t)
	t.Run("CRL-13 the shard is chosen at issuance, by the serial number", func(t *testing.T) {
		request := samples(t, p256)["citizen-signature"]
		seen := make(map[string]bool)
		for range 12 {
			request.CSR = newCSR(t, p256())
			certificate := issue(t, c.Authority, request).Certificate
			want := fmt.Sprintf("http://127.0.0.1:8444/ehm-%d.crl", pki.ShardOf(certificate.SerialNumber, 5))
			if got := certificate.CRLDistributionPoints; len(got) != 1 || got[0] != want {
				t.Errorf("serial %x has %v, want %s", certificate.SerialNumber, got, want)
			}
			delta := strings.TrimSuffix(want, ".crl") + "-delta.crl"
			found := false
			for _, x := range certificate.Extensions {
				found = found || x.Id.Equal(pki.OIDFreshestCRL) && strings.Contains(string(x.Value), delta)
			}
			if !found {
				t.Errorf("serial %x does not name %s", certificate.SerialNumber, delta)
			}
			seen[want] = true
		}
		if len(seen) < 2 {
			t.Error("all certificates are on one list")
		}
	})
	for _, row := range []struct {
		name, crl, freshest string
		shards              int
	}{
		{"no mark", "http://127.0.0.1:8444/ehm.crl", "", 5}, {"no number of lists", "http://127.0.0.1:8444/ehm-{shard}.crl", "", 0},
		{"no mark in the delta list's address", "http://127.0.0.1:8444/ehm-{shard}.crl", "http://127.0.0.1:8444/delta.crl", 5},
		{"one list", "http://127.0.0.1:8444/ehm-{shard}.crl", "", 1}, {"too many", "http://127.0.0.1:8444/ehm-{shard}.crl", "", 100_000},
	} {
		ehm.CRL, ehm.FreshestCRL, ehm.CRLShards = row.crl, row.freshest, row.shards
		if _, err := ca.New(c.config); err == nil {
			t.Errorf("%s: taken", row.name)
		}
	}
}
