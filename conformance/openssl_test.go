package conformance_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/conformance"
	"github.com/altamga/altamga/internal/loopback"
)

// explained compares what is found with what a peer is known to do.
func explained(t *testing.T, r *conformance.Report, known map[string]string) {
	t.Helper()
	unbroken(t, r)
	ids := found(r)
	slices.Sort(ids)
	if want := slices.Sorted(maps.Keys(known)); !slices.Equal(ids, want) {
		t.Errorf("found %v\nwant  %v%s", ids, want, explain(r))
	}
	for _, id := range ids {
		t.Logf("%s: %s", id, known[id])
	}
	if c := r.Counts(); c.CouldNotTest > 0 {
		t.Errorf("%d could not be tested%s", c.CouldNotTest, explain(r))
	}
}

func openssl(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed (Debian: openssl)")
	}
	return path
}

func writePEM(t *testing.T, path, kind string, raw []byte) string {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func writeKey(t *testing.T, path string, i identity) string {
	t.Helper()
	raw, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, path, "PRIVATE KEY", raw)
}

// opensslOCSPFindings are what `openssl ocsp -port` does otherwise than the
// standards say, and why.
var opensslOCSPFindings = map[string]string{
	"OCSP-15": "it names itself by name unless -resp_key_id is given",
	"OCSP-32": "it does not look at the length of a nonce, and answers an empty one (RFC 9654, Section 2.1)",
	"OCSP-33": "and one of 129 or 4096 octets",
	"OCSP-35": "it answers unknown for authorities that it knows nothing of, as RFC 6960 allowed",
	"OCSP-39": "it ignores extensions that it does not know, critical or not",
	"OCSP-40": "it waits for more of a body that is torn, reads over octets behind a request, and ends itself over others",
	"OCSP-41": "it answers 400 to other methods, and ends itself",
	"OCSP-44": "it takes a slash before the request for a part of it, and does not fill in padding",
	"OCSP-46": "it sends no header besides the media type and the length",
	"OCSP-47": "as OCSP-46",
	"OCSP-48": "as OCSP-46",
	"OCSP-49": "as OCSP-46",
	"OCSP-50": "as OCSP-46",
	"OCSP-51": "as OCSP-46",
	"OCSP-53": "as OCSP-46: there is no ETag",
	"OCSP-54": "it knows GET and POST alone",
}

// TestOpenSSLResponder judges another implementation: each finding is known and
// explained.
func TestOpenSSLResponder(t *testing.T) {
	t.Parallel()
	path, dir, c := openssl(t), t.TempDir(), newCentre(t)
	var index strings.Builder
	date := func(at time.Time) string { return at.UTC().Format("060102150405Z") }
	for _, row := range []struct {
		flag, revoked string
		cert          *x509.Certificate
	}{{"V", "", c.good}, {"R", date(c.revokedAt) + ",keyCompromise", c.revoked}, {"R", date(c.revokedAt) + ",certificateHold", c.held}} {
		fmt.Fprintf(&index, "%s\t%s\t%s\t%X\tunknown\t/CN=x\n", row.flag, date(row.cert.NotAfter), row.revoked, row.cert.SerialNumber)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.txt"), []byte(index.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	address, err := loopback.Address()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(address, ":")
	supervised(t, path, "ocsp", "-index", filepath.Join(dir, "index.txt"), "-port", port, "-nmin", "60", "-timeout", "1",
		"-CA", writePEM(t, filepath.Join(dir, "ca.pem"), "CERTIFICATE", c.issuer.cert.Raw),
		"-rsigner", writePEM(t, filepath.Join(dir, "signer.pem"), "CERTIFICATE", c.delegate.cert.Raw), "-rkey", writeKey(t, filepath.Join(dir, "signer.key"), c.delegate))
	r, err := conformance.New(conformance.Config{Timeout: 1500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeOCSP{c: c}
	target := f.target("http://127.0.0.1:" + port + "/")
	target.Expired = nil
	if err := r.OCSP(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	explained(t, r.Report(), opensslOCSPFindings)
}

// supervised runs a server that says ACCEPT when it listens, and starts it anew
// when it ends.
func supervised(t *testing.T, name string, args ...string) {
	ctx, cancel := context.WithCancel(context.Background())
	listening, over := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(over)
		for ctx.Err() == nil {
			command := exec.CommandContext(ctx, name, args...)
			output, err := command.StdoutPipe()
			if err == nil {
				err = command.Start()
			}
			if err == nil {
				_, err = bufio.NewReader(output).ReadString('\n')
			}
			select {
			case listening <- err:
			default:
			}
			if command.Process != nil {
				command.Wait()
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-over })
	if err := <-listening; err != nil {
		t.Fatal(err)
	}
}

// opensslStampFindings are what `openssl ts -reply` does otherwise.
var opensslStampFindings = map[string]string{
	"TSA-35": "it reads a query and does not look at what follows it",
}

const opensslStampConfig = `
[tsa]
default_tsa = config
[config]
dir = %[1]s
serial = $dir/serial
signer_cert = $dir/unit.pem
signer_key = $dir/unit.key
signer_digest = sha256
default_policy = 2.999.31.3
digests = sha256, sha384, sha512
accuracy = secs:1
ordering = no
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
`

// TestOpenSSLStamps judges the tokens of `openssl ts`, which a small server
// hands queries to.
func TestOpenSSLStamps(t *testing.T) {
	t.Parallel()
	path, dir, c := openssl(t), t.TempDir(), newCentre(t)
	writePEM(t, filepath.Join(dir, "unit.pem"), "CERTIFICATE", c.unit.cert.Raw)
	writeKey(t, filepath.Join(dir, "unit.key"), c.unit)
	config := filepath.Join(dir, "ts.cnf")
	for name, text := range map[string]string{config: fmt.Sprintf(opensslStampConfig, dir), filepath.Join(dir, "serial"): "01\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", "POST")
			http.Error(w, "method", http.StatusMethodNotAllowed)
			return
		}
		query := filepath.Join(dir, "query")
		in, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err := os.WriteFile(query, in, 0o600); err != nil {
			t.Error(err)
		}
		out, err := exec.Command(path, "ts", "-reply", "-config", config, "-queryfile", query).Output()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/timestamp-reply")
		w.Write(out)
	}))
	defer server.Close()
	r := tester(t)
	if err := r.Stamps(t.Context(), conformance.StampTarget{URL: server.URL, Policy: "2.999.31.3", Trust: [][]byte{c.issuer.cert.Raw}}); err != nil {
		t.Fatal(err)
	}
	explained(t, r.Report(), opensslStampFindings)
}
