package main

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"
	"time"
)

// G6: a token is said to stand by a list that can tell, and by no other.
func TestTokenStandsByAListThatTells(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	indicator := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true}
	number := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 20}}
	indirect := x509.RevocationListEntry{SerialNumber: big.NewInt(1), Extensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 29}, Critical: true}}}
	for name, row := range map[string]struct {
		list x509.RevocationList
		want string
	}{
		"the complete list": {x509.RevocationList{NextUpdate: at, Extensions: []pkix.Extension{number}}, ""},
		"an older one":      {x509.RevocationList{NextUpdate: at.Add(-time.Second)}, "before the token"},
		"a delta list":      {x509.RevocationList{NextUpdate: at, Extensions: []pkix.Extension{number, indicator}}, "not about all"},
		"an indirect one":   {x509.RevocationList{NextUpdate: at, RevokedCertificateEntries: []x509.RevocationListEntry{indirect}}, "not understood"},
	} {
		if err := tellsOf(&row.list, at); (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %q", name, err, row.want)
		}
	}
}
