package est_test

import (
	"bufio"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/ca/catest"
	"github.com/altamga/altamga/ca/est"
	"github.com/altamga/altamga/internal/pki"
)

var challengePassword = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 7}

// withAttribute makes a certification request with one attribute, which the
// standard library cannot: value is the encoded value.
func withAttribute(t testing.TB, key crypto.Signer, subject []byte, id asn1.ObjectIdentifier, value []byte) []byte {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		b.AddBytes(subject)
		b.AddBytes(spki)
		b.AddASN1(cryptobyte_asn1.Tag(0).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) {
			b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(id)
				b.AddASN1(cryptobyte_asn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(value) })
			})
		})
	})
	info := b.BytesOrPanic()
	digest := sha256.Sum256(info)
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	b = cryptobyte.NewBuilder(nil)
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(info)
		b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(pki.OIDECDSAWithSHA256) })
		b.AddASN1BitString(signature)
	})
	return b.BytesOrPanic()
}

// linked sends a request whose challenge password password makes of the
// connection, and returns the status and text of the answer.
func (s *server) linked(t *testing.T, gateway tls.Certificate, version uint16, label string, password func(tls.ConnectionState) string) (int, string) {
	t.Helper()
	address := strings.TrimPrefix(s.url, "https://")
	connection, err := tls.Dial("tcp", address, &tls.Config{RootCAs: s.Pool(), Certificates: []tls.Certificate{gateway}, MinVersion: version, MaxVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	subject, err := asn1.Marshal(pkix.Name{CommonName: "device-1"}.ToRDNSequence())
	if err != nil {
		t.Fatal(err)
	}
	value, err := asn1.Marshal(password(connection.ConnectionState()))
	if err != nil {
		t.Fatal(err)
	}
	csr := base64.StdEncoding.EncodeToString(withAttribute(t, catest.Key(t), subject, challengePassword, value))
	request, err := http.NewRequest("POST", s.url+est.Prefix+label+"/simpleenroll", strings.NewReader(csr))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/pkcs10")
	if err := request.Write(connection); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(connection), request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func unique(s tls.ConnectionState) string { return base64.StdEncoding.EncodeToString(s.TLSUnique) }

func exporter(s tls.ConnectionState) string {
	// Where TLS 1.2 runs without the extended master secret there is none.
	value, _ := s.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
	return base64.StdEncoding.EncodeToString(value)
}

func TestLink(t *testing.T) {
	s := newServer(t)
	gateway := s.Client(t, "gateway")
	for _, row := range []struct {
		name     string
		version  uint16
		password func(tls.ConnectionState) string
		status   int
	}{
		{"tls-unique of TLS 1.2 is checked and taken", tls.VersionTLS12, unique, 200},
		{"tls-exporter of TLS 1.3 is checked and taken", tls.VersionTLS13, exporter, 200},
		{"tls-exporter is not what TLS 1.2 asks for", tls.VersionTLS12, exporter, 400},
		{"TLS 1.3 has no tls-unique", tls.VersionTLS13, unique, 400},
		{"the value of another connection is refused", tls.VersionTLS12, func(tls.ConnectionState) string { return "AAAAAAAAAAAAAAAA" }, 400},
		{"a password in the old sense is refused", tls.VersionTLS13, func(tls.ConnectionState) string { return "secret" }, 400},
		{"an empty password is refused", tls.VersionTLS13, func(tls.ConnectionState) string { return "" }, 400},
	} {
		t.Run("EST-07 "+row.name, func(t *testing.T) {
			for _, label := range []string{"devices", "linked"} {
				if status, text := s.linked(t, gateway, row.version, label, row.password); status != row.status {
					t.Errorf("%s: got %d %s, want %d", label, status, text, row.status)
				}
			}
		})
	}
	t.Run("EST-07 a label that requires the link refuses a request without", func(t *testing.T) {
		answer, text := s.ask(t, s.client(), "POST", "linked/simpleenroll", csr(t, catest.Key(t), "device-1"), factory)
		if answer.StatusCode != 400 || !strings.Contains(text, "linking of identity") {
			t.Errorf("got %s: %s", answer.Status, text)
		}
	})
}
