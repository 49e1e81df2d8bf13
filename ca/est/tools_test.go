package est_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/altamga/altamga/ca/catest"
)

// TestTools enrols and renews with what every machine has: curl and openssl.
func TestTools(t *testing.T) {
	for _, tool := range []string{"curl", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed (Debian package %s)", tool, tool)
		}
	}
	s := newServer(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "root.pem"), catest.PEM("CERTIFICATE", s.Root.Raw), 0o600); err != nil {
		t.Fatal(err)
	}
	catest.Files(t, dir, "gateway", s.Client(t, "gateway"))
	run := func(script string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", "-euc", script)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "EST="+s.url+"/.well-known/est")
		out, err := cmd.CombinedOutput()
		t.Logf("%s\n%s", script, out)
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	t.Run("EST-02 curl and openssl read cacerts", func(t *testing.T) {
		out := run(`curl -sSf --cacert root.pem $EST/cacerts | openssl base64 -d -A | openssl pkcs7 -inform DER -print_certs -out ca.pem
			grep -c BEGIN ca.pem
			openssl verify -CAfile root.pem -untrusted ca.pem gateway.pem`)
		if !strings.HasPrefix(out, "2\n") || !strings.Contains(out, "gateway.pem: OK") {
			t.Errorf("got %s", out)
		}
	})
	t.Run("EST-03 curl and openssl enrol with line breaks in the request", func(t *testing.T) {
		out := run(`openssl ecparam -name prime256v1 -genkey -noout -out device.key
			openssl req -new -key device.key -subj /CN=device-5 -addext subjectAltName=DNS:five.devices.example -outform DER | openssl base64 > device.p10
			curl -sSf --cacert root.pem -u factory:'correct horse' -H 'Content-Type: application/pkcs10' -H 'Content-Transfer-Encoding: base64' \
				--data-binary @device.p10 $EST/simpleenroll | openssl base64 -d -A | openssl pkcs7 -inform DER -print_certs -out device.pem
			openssl verify -CAfile root.pem -untrusted ca.pem device.pem
			openssl x509 -in device.pem -noout -subject -ext subjectAltName`)
		if !strings.Contains(out, "device.pem: OK") || !strings.Contains(out, "CN = device-5") || !strings.Contains(out, "DNS:five.devices.example") {
			t.Errorf("got %s", out)
		}
	})
	t.Run("EST-06 curl and openssl renew with the certificate and a new key", func(t *testing.T) {
		out := run(`cat device.pem ca.pem > chain.pem
			openssl ecparam -name prime256v1 -genkey -noout -out next.key
			openssl req -new -key next.key -subj "/C=AZ/O=$(openssl x509 -in device.pem -noout -subject -nameopt multiline,utf8,-esc_msb | sed -n 's/ *organizationName *= //p')/CN=device-5" -utf8 \
				-addext subjectAltName=DNS:five.devices.example -outform DER | openssl base64 -A > next.p10
			curl -sSf --cacert root.pem --cert chain.pem --key device.key -H 'Content-Type: application/pkcs10' --data-binary @next.p10 \
				$EST/devices/simplereenroll | openssl base64 -d -A | openssl pkcs7 -inform DER -print_certs -out next.pem
			openssl verify -CAfile root.pem -untrusted ca.pem next.pem
			test "$(openssl x509 -in next.pem -noout -subject)" = "$(openssl x509 -in device.pem -noout -subject)"
			test "$(openssl x509 -in next.pem -noout -pubkey)" = "$(openssl pkey -in next.key -pubout)"`)
		if !strings.Contains(out, "next.pem: OK") {
			t.Errorf("got %s", out)
		}
	})
	t.Run("EST-07 curl without authentication is asked for it", func(t *testing.T) {
		out := run(`curl -sS -o why.txt -w '%{http_code} %{content_type}\n' --cacert root.pem -H 'Content-Type: application/pkcs10' --data-binary @device.p10 $EST/simpleenroll
			cat why.txt`)
		if !strings.HasPrefix(out, "401 text/plain") || !strings.Contains(out, "authentication is required") {
			t.Errorf("got %s", out)
		}
		out = run(`curl -sS -o /dev/null -w '%{http_code}\n' --cacert root.pem --cert gateway.pem --key gateway.key -H 'Content-Type: application/pkcs10' --data-binary @device.p10 $EST/people/simpleenroll`)
		if out != "403\n" {
			t.Errorf("got %s", out)
		}
	})
	t.Run("EST-08 curl reads csrattrs", func(t *testing.T) {
		out := run(`curl -sSf --cacert root.pem $EST/linked/csrattrs | openssl base64 -d -A | openssl asn1parse -inform DER`)
		if !strings.Contains(out, "challengePassword") {
			t.Errorf("got %s", out)
		}
	})
	t.Run("EST-09 curl finds no serverkeygen", func(t *testing.T) {
		out := run(`curl -sS -o /dev/null -w '%{http_code}\n' --cacert root.pem -u factory:'correct horse' -H 'Content-Type: application/pkcs10' --data-binary @device.p10 $EST/serverkeygen`)
		if out != "404\n" {
			t.Errorf("got %s", out)
		}
	})
}
