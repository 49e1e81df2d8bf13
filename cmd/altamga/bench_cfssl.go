package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/loopback"
)

// benchCFSSL is cfssl's server, as its documentation starts it with a database
// of certificates, asked over mutual TLS like ours. Its own certificate is that
// of the authority, which is also what its clients come with.
type benchCFSSL struct {
	benchServer
	address string
	issuer  *x509.Certificate
	client  *tls.Config
}

// cfsslTables is the schema of its database (cfssl 1.2, certdb/*/migrations/001).
const cfsslTables = `CREATE TABLE certificates (serial_number %[1]s NOT NULL, authority_key_identifier %[1]s NOT NULL, ca_label %[1]s,
	status %[1]s NOT NULL, reason int, expiry %[2]s, revoked_at %[2]s, pem %[1]s NOT NULL, PRIMARY KEY (serial_number, authority_key_identifier));
CREATE TABLE ocsp_responses (serial_number %[1]s NOT NULL, authority_key_identifier %[1]s NOT NULL, body %[1]s NOT NULL, expiry %[2]s,
	PRIMARY KEY (serial_number, authority_key_identifier), FOREIGN KEY (serial_number, authority_key_identifier) REFERENCES certificates (serial_number, authority_key_identifier))`

// startCFSSL starts it on a processor of its own, with its database in
// PostgreSQL when there is one and else in SQLite.
func startCFSSL(ctx context.Context, dir string, database *benchPostgres, cpu int) (*benchCFSSL, error) {
	program, err := exec.LookPath("cfssl")
	if err != nil {
		return nil, fmt.Errorf("cfssl %w (Debian: golang-cfssl)", errNotInstalled)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	driver, source := "sqlite3", filepath.Join(dir, "certs.db")
	if database != nil {
		driver, source = "postgres", "host="+database.dir+" user=altamga dbname=cfssl sslmode=disable"
		if err := database.exec(ctx, "CREATE DATABASE cfssl"); err != nil {
			return nil, err
		}
	}
	if err := cfsslDatabase(ctx, driver, source, database); err != nil {
		return nil, fmt.Errorf("making cfssl's database: %w", err)
	}
	s := &benchCFSSL{}
	if s.issuer, s.client, err = cfsslAuthority(dir); err != nil {
		return nil, err
	}
	access, err := json.Marshal(map[string]string{"driver": driver, "data_source": source})
	if err != nil {
		return nil, err
	}
	for name, text := range map[string]string{
		"db.json": string(access), "config.json": `{"signing": {"default": {"usages": ["digital signature"], "expiry": "26280h"}}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	if s.address, err = loopback.Address(); err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(s.address)
	process := exec.CommandContext(ctx, program, "serve", "-address", "127.0.0.1", "-port", port, "-ca", "ca.pem", "-ca-key", "ca.key",
		"-tls-cert", "tls.pem", "-tls-key", "tls.key", "-mutual-tls-ca", "ca.pem", "-config", "config.json", "-db-config", "db.json", "-loglevel", "3")
	process.Dir = dir
	var log strings.Builder
	process.Stdout, process.Stderr = &log, &log
	if err := process.Start(); err != nil {
		return nil, err
	}
	s.process = process
	if err = s.await(ctx); err == nil && cpu >= 0 {
		err = pin(process.Process.Pid, cpu)
	}
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("starting cfssl: %w\n%s", err, log.String())
	}
	return s, nil
}

func (s *benchCFSSL) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
		if err == nil {
			return connection.Close()
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// cfsslDatabase makes its tables, by the drivers that the register brings.
func cfsslDatabase(ctx context.Context, driver, source string, database *benchPostgres) error {
	ours, address, text, moment := "sqlite", "file:"+source, "blob", "timestamp"
	if driver == "postgres" {
		ours, address, text, moment = "pgx", strings.Replace(database.address(""), "/postgres?", "/cfssl?", 1), "text", "timestamptz"
	}
	db, err := sql.Open(ours, address)
	if err != nil {
		return err
	}
	defer db.Close()
	for statement := range strings.SplitSeq(fmt.Sprintf(cfsslTables, text, moment), ";") {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// cfsslAuthority makes an authority with a P-256 key and what its server and a
// client of it prove themselves with.
func cfsslAuthority(dir string) (*x509.Certificate, *tls.Config, error) {
	serial := int64(0)
	make := func(name string, parent *x509.Certificate, by crypto.Signer, more func(*x509.Certificate)) (*x509.Certificate, *ecdsa.PrivateKey, error) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, nil, err
		}
		serial++
		template := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{Country: []string{"AZ"}, Organization: []string{"Demonstration"}, CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0), BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		}
		more(template)
		if parent == nil {
			parent, by = template, key
		}
		raw, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
		if err != nil {
			return nil, nil, err
		}
		encoded, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			return nil, nil, err
		}
		certificate, err := x509.ParseCertificate(raw)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name+".pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o600)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name+".key"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: encoded}), 0o600)
		}
		return certificate, key, err
	}
	authority, key, err := make("ca", nil, nil, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign })
	if err != nil {
		return nil, nil, err
	}
	if _, _, err := make("tls", authority, key, func(c *x509.Certificate) {
		c.IPAddresses, c.ExtKeyUsage = []net.IP{net.IPv4(127, 0, 0, 1)}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}); err != nil {
		return nil, nil, err
	}
	client, own, err := make("client", authority, key, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	if err != nil {
		return nil, nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	return authority, &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{{Certificate: [][]byte{client.Raw}, PrivateKey: own}}}, nil
}
