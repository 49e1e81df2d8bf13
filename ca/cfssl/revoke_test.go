package cfssl_test

import (
	"crypto/x509"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/altamga/altamga/ca/catest"
)

func TestRevoke(t *testing.T) {
	s := newServer(t, true)
	_, e := s.post(t, s.client, "sign", request(t, "web", "www.example"))
	mine := issued(t, e)
	factory := s.as(t, "factory")
	_, e = s.post(t, factory, "sign", request(t, "device", "device-1"))
	theirs := issued(t, e)
	body := func(c *x509.Certificate, reason string) map[string]string {
		return map[string]string{"serial": c.SerialNumber.String(), "authority_key_id": catest.Hex(c.AuthorityKeyId), "reason": reason}
	}
	foreign := body(mine, "")
	foreign["authority_key_id"] = "00ff"
	for _, row := range []struct {
		name   string
		client *http.Client
		body   any
		status int
	}{
		{"by a stranger", s.as(t, ""), body(mine, ""), 401},
		{"by a client who may not", factory, body(theirs, ""), 403},
		{"of another client's certificate", s.client, body(theirs, ""), 404},
		{"of an unknown certificate", s.client, map[string]string{"serial": "12345"}, 404},
		{"of another issuer's certificate", s.client, foreign, 404},
		{"without a serial number", s.client, map[string]string{}, 400},
		{"of a serial number in hexadecimal", s.client, map[string]string{"serial": "0xff"}, 400},
		{"of a negative serial number", s.client, map[string]string{"serial": "-1"}, 400},
		{"for an unknown reason", s.client, body(mine, "boredom"), 400},
		{"as a hold", s.client, body(mine, "certificateHold"), 400},
		{"as a removal", s.client, body(mine, "8"), 400},
		{"rightly", s.client, body(mine, "keycompromise"), 200},
		{"again", s.client, body(mine, "4"), 409},
	} {
		t.Run(row.name, func(t *testing.T) {
			if status, e := s.post(t, row.client, "revoke", row.body); status != row.status {
				t.Errorf("got %d %v, want %d", status, e.Errors, row.status)
			}
		})
	}
	t.Run("with a token", func(t *testing.T) {
		_, e := s.post(t, s.client, "sign", request(t, "web", "www.example"))
		if status, e := s.post(t, s.as(t, ""), "revoke", wrap(t, key, body(issued(t, e), "superseded"))); status != 200 {
			t.Errorf("got %d %v", status, e.Errors)
		}
	})
	if audit := s.Audit(); !strings.Contains(audit, "reason=keyCompromise") {
		t.Errorf("the revocation is not in the audit log:\n%s", audit)
	}
}

func TestCertinfo(t *testing.T) {
	s := newServer(t, true)
	_, e := s.post(t, s.client, "sign", request(t, "web", "www.example", "www.example"))
	mine := issued(t, e)
	bySerial := map[string]string{"serial": mine.SerialNumber.String(), "authority_key_id": catest.Hex(mine.AuthorityKeyId)}
	for _, row := range []struct {
		name   string
		client *http.Client
		body   any
		status int
	}{
		{"of a certificate", s.as(t, ""), map[string]string{"certificate": string(catest.PEM("CERTIFICATE", mine.Raw))}, 200},
		{"of an own serial number", s.client, bySerial, 200},
		{"with a token", s.as(t, ""), wrap(t, key, bySerial), 200},
		{"of a serial number, asked by a stranger", s.as(t, ""), bySerial, 401},
		{"of another client's serial number", s.as(t, "factory"), bySerial, 404},
		{"of a host", s.client, map[string]string{"domain": "127.0.0.1"}, 400},
		{"of garbage", s.client, map[string]string{"certificate": "junk"}, 400},
		{"of nothing", s.client, map[string]string{}, 400},
	} {
		t.Run(row.name, func(t *testing.T) {
			status, e := s.post(t, row.client, "certinfo", row.body)
			if status != row.status {
				t.Fatalf("got %d %v, want %d", status, e.Errors, row.status)
			}
			var result struct {
				Subject struct {
					CommonName string `json:"common_name"`
				}
				SerialNumber string `json:"serial_number"`
				SANs         []string
				SigAlg       string
			}
			if status != 200 {
				return
			}
			if err := json.Unmarshal(e.Result, &result); err != nil || result.Subject.CommonName != "www.example" ||
				result.SerialNumber != mine.SerialNumber.String() || len(result.SANs) != 1 || result.SigAlg != "ECDSAWithSHA256" {
				t.Errorf("got %s, %v", e.Result, err)
			}
		})
	}
}
