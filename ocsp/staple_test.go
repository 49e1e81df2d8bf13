package ocsp_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	peer "golang.org/x/crypto/ocsp"

	"github.com/altamga/altamga/internal/loopback"
	"github.com/altamga/altamga/ocsp"
)

// TestStapling: nginx and Apache fetch our answers about their certificates and
// staple them.
func TestStapling(t *testing.T) {
	a := newAuthority(t, "ehm")
	r, g := newResponder(t, a, nil)
	responder := "http://" + listening(t, r, true) + "/"
	key := newKey(t)
	certificate := a.issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Demonstration server"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 1, 0), DNSNames: []string{"localhost"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, OCSPServer: []string{responder},
	}, key.Public())
	g.set(a.id, certificate.SerialNumber, ocsp.Status{State: ocsp.Good})
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, blocks := range map[string][]*pem.Block{
		"key.pem":   {{Type: "PRIVATE KEY", Bytes: private}},
		"chain.pem": {{Type: "CERTIFICATE", Bytes: certificate.Raw}, {Type: "CERTIFICATE", Bytes: a.certificate.Raw}},
		"root.pem":  {{Type: "CERTIFICATE", Bytes: a.certificate.Raw}},
	} {
		var out []byte
		for _, block := range blocks {
			out = append(out, pem.EncodeToMemory(block)...)
		}
		if err := os.WriteFile(filepath.Join(dir, name), out, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, server := range []struct{ name, command, pkg, configuration string }{
		{"nginx", "nginx", "nginx-light", `daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log;
events { }
http { access_log off;
	client_body_temp_path %[1]s/1; proxy_temp_path %[1]s/2; fastcgi_temp_path %[1]s/3; uwsgi_temp_path %[1]s/4; scgi_temp_path %[1]s/5;
	server { listen %[2]s ssl; ssl_certificate %[1]s/chain.pem; ssl_certificate_key %[1]s/key.pem;
		ssl_stapling on; ssl_stapling_verify on; ssl_trusted_certificate %[1]s/root.pem; location / { return 204; } } }
`},
		{"Apache", "apache2", "apache2-bin", `ServerRoot %[1]s
ServerName localhost
PidFile %[1]s/pid
DefaultRuntimeDir %[1]s
ErrorLog %[1]s/error.log
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule socache_shmcb_module /usr/lib/apache2/modules/mod_socache_shmcb.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
User www-data
Group www-data
Listen %[2]s
SSLStaplingCache shmcb:%[1]s/staples(128000)
<VirtualHost %[2]s>
SSLEngine on
SSLCertificateFile %[1]s/chain.pem
SSLCertificateKeyFile %[1]s/key.pem
SSLUseStapling on
</VirtualHost>
`},
	} {
		t.Run("OCSP-63 "+server.name+" staples", func(t *testing.T) {
			path, err := exec.LookPath(server.command)
			if err != nil {
				t.Skipf("%s is not installed (Debian: %s)", server.command, server.pkg)
			}
			address, err := loopback.Address()
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, server.name+".conf")
			if err := os.WriteFile(file, fmt.Appendf(nil, server.configuration, dir, address), 0o644); err != nil {
				t.Fatal(err)
			}
			arguments := []string{"-p", dir, "-e", filepath.Join(dir, "error.log"), "-c", file}
			if server.name == "Apache" {
				arguments = []string{"-f", file, "-DFOREGROUND"}
			}
			command := exec.Command(path, arguments...)
			command.Stderr = os.Stderr
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				command.Process.Signal(syscall.SIGTERM)
				command.Wait()
			}()
			staple := stapled(t, address, a.certificate, filepath.Join(dir, "error.log"))
			got, err := peer.ParseResponseForCert(staple, certificate, a.certificate)
			if err != nil || got.Status != peer.Good {
				t.Errorf("stapled %x: %v", staple, err)
			}
		})
	}
}

// stapled connects until the server staples an answer; the first one it fetches
// only after the first client has asked.
func stapled(t *testing.T, address string, root *x509.Certificate, log string) []byte {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(root)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", address, &tls.Config{RootCAs: roots, ServerName: "localhost"})
		if err != nil {
			continue
		}
		staple := conn.OCSPResponse()
		conn.Close()
		if len(staple) > 0 {
			return staple
		}
	}
	text, _ := os.ReadFile(log)
	t.Fatalf("nothing was stapled: %s", text)
	return nil
}
