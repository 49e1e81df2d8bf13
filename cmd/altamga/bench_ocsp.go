package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/ocsp"
)

// benchOCSP measures the responder over HTTP beside what the machine and its
// peers can do.
type benchOCSP struct {
	For          time.Duration `help:"How long each measurement takes." default:"2s"`
	Rounds       int           `help:"How often each server is measured; the round that other work disturbed least is reported." default:"3"`
	Clients      int           `help:"How many connections ask at once." default:"64"`
	Certificates int           `help:"How many certificates are asked about." default:"10000"`
	Statuses     int           `help:"How many certificates a responder knows whose start and memory are measured; 0 measures neither." default:"100000"`
	Only         string        `help:"Measure only the lines whose names hold this text, and what they are compared with." placeholder:"TEXT"`
}

// AfterApply checks the flags.
func (c benchOCSP) AfterApply() error {
	switch {
	case c.For < 100*time.Millisecond || c.For > time.Minute:
		return errors.New("--for: a measurement takes between 100ms and 1m")
	case c.Rounds < 1 || c.Rounds > 100:
		return fmt.Errorf("--rounds: %d is not between 1 and 100", c.Rounds)
	case c.Clients < 1 || c.Clients > 1024:
		return fmt.Errorf("--clients: %d is not between 1 and 1024", c.Clients)
	case c.Certificates < 1 || c.Certificates > 100_000:
		return fmt.Errorf("--certificates: %d is not between 1 and 100000", c.Certificates)
	case c.Statuses < 0 || c.Statuses > 0 && c.Statuses < 1000 || c.Statuses > 10_000_000:
		return fmt.Errorf("--statuses: %d is neither 0 nor between 1000 and 10000000", c.Statuses)
	}
	return nil
}

// ocspCentre is an issuer and its delegate, made for one run and shared with
// the servers over a folder.
type ocspCentre struct {
	issuer, signer *x509.Certificate
	key            crypto.Signer
}

// newOCSPCentre makes a centre whose delegate signs with key, and writes it
// into dir.
func newOCSPCentre(dir string, key crypto.Signer) (*ocspCentre, error) {
	issuing, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	c := &ocspCentre{key: key}
	now := time.Now()
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Demonstration issuer of a measurement"}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	delegate := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "Demonstration OCSP signer"}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(0, 1, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
		ExtraExtensions: []pkix.Extension{{Id: pki.OIDOCSPNoCheck, Value: asn1.NullBytes}},
	}
	for _, made := range []struct {
		name     string
		template *x509.Certificate
		public   crypto.PublicKey
		to       **x509.Certificate
	}{{"issuer.der", root, issuing.Public(), &c.issuer}, {"signer.der", delegate, key.Public(), &c.signer}} {
		parent := root
		raw, err := x509.CreateCertificate(rand.Reader, made.template, parent, made.public, issuing)
		if err != nil {
			return nil, err
		}
		if *made.to, err = x509.ParseCertificate(raw); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, made.name), raw, 0o600); err != nil {
			return nil, err
		}
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return c, os.WriteFile(filepath.Join(dir, "signer.key"), raw, 0o600)
}

// openOCSPCentre reads the centre back.
func openOCSPCentre(dir string) (*ocspCentre, error) {
	c := new(ocspCentre)
	for name, to := range map[string]**x509.Certificate{"issuer.der": &c.issuer, "signer.der": &c.signer} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		if *to, err = x509.ParseCertificate(raw); err != nil {
			return nil, err
		}
	}
	raw, err := os.ReadFile(filepath.Join(dir, "signer.key"))
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(raw)
	if err != nil {
		return nil, err
	}
	c.key = key.(crypto.Signer)
	return c, nil
}

func (c *ocspCentre) issuers() []ocsp.Issuer {
	return []ocsp.Issuer{{ID: "bench", Certificate: c.issuer, Signer: &ocsp.Signer{Certificate: c.signer, Key: c.key}}}
}

// benchSerial is the serial number of the i-th certificate.
func benchSerial(i int) *big.Int {
	return new(big.Int).SetBytes(binary.BigEndian.AppendUint64([]byte("\x40measured"), uint64(i)))
}

// benchRevoked says which certificates are revoked: one of sixteen.
func benchRevoked(serial *big.Int) bool {
	return serial.Bit(0)|serial.Bit(1)|serial.Bit(2)|serial.Bit(3) == 0
}

// requests encodes a request about each certificate, by its SHA-256 hashes or,
// every fourth, by SHA-1, and with a nonce when asked to.
func (c *ocspCentre) requests(n int, nonce bool) ([][]byte, error) {
	key, err := pki.SubjectPublicKey(c.issuer.RawSubjectPublicKeyInfo)
	if err != nil {
		return nil, err
	}
	out := make([][]byte, n)
	for i := range out {
		hash := crypto.SHA256
		if i%4 == 3 {
			hash = crypto.SHA1
		}
		name, of := hash.New(), hash.New()
		name.Write(c.issuer.RawSubject)
		of.Write(key)
		r := ocsp.Request{List: []ocsp.Single{{CertID: ocsp.CertID{
			Hash: pki.HashAlgorithm(hash), IssuerNameHash: name.Sum(nil), IssuerKeyHash: of.Sum(nil), Serial: benchSerial(i).Bytes(),
		}}}}
		if nonce {
			r.Extensions = append(r.Extensions, ocsp.NewNonce(binary.BigEndian.AppendUint64(make([]byte, 24), uint64(i))))
		}
		if out[i], err = r.Marshal(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// overWire makes HTTP requests of encoded ones: every other by GET, as clients
// do it, the rest by POST.
func overWire(encoded [][]byte) [][]byte {
	out := make([][]byte, len(encoded))
	for i, in := range encoded {
		if i%2 == 1 {
			out[i] = posted(in)
			continue
		}
		path := url.QueryEscape(base64.StdEncoding.EncodeToString(in))
		out[i] = fmt.Appendf(nil, "GET /%s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: altamga-bench\r\nAccept: */*\r\n\r\n", path)
	}
	return out
}

func posted(in []byte) []byte {
	return fmt.Appendf(nil, "POST / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: altamga-bench\r\nContent-Type: application/ocsp-request\r\nContent-Length: %d\r\n\r\n%s", len(in), in)
}

// benchSource is a register in memory: what reading a status costs is measured
// elsewhere.
type benchSource struct{}

// Status implements [ocsp.Source].
func (s benchSource) Status(_ context.Context, _ string, serial *big.Int) (ocsp.Status, error) {
	status := ocsp.Status{State: ocsp.Good, Version: 1, Position: 1}
	if benchRevoked(serial) {
		status.State, status.Reason, status.RevokedAt = ocsp.Revoked, 1, time.Unix(1_700_000_000, 0)
	}
	return status, nil
}

// rawSignatures measures what signing alone costs.
func rawSignatures(ctx context.Context, key crypto.Signer, length time.Duration) (measured, error) {
	digest := sha256.Sum256([]byte("altamga"))
	return repeat(ctx, 1, length, ownCPU, func(context.Context, int) error {
		_, err := key.Sign(nil, digest[:], crypto.SHA256)
		return err
	})
}

// rsaKey is one of the length that the miss is measured with.
func rsaKey() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) }
