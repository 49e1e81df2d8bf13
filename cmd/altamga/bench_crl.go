package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/altamga/altamga/internal/register"
)

// benchCRL measures the making and reading of revocation lists.
type benchCRL struct {
	Entries []int `help:"How many entries the lists have, one table for each." default:"100000,1000000"`
	// Part and Dir make the process one of those that are measured.
	Part string `hidden:""`
	Dir  string `hidden:""`
}

// AfterApply checks the flags.
func (c benchCRL) AfterApply() error {
	for _, n := range c.Entries {
		if n < 1000 || n > 20_000_000 {
			return fmt.Errorf("--entries: %d is not between 1,000 and 20,000,000", n)
		}
	}
	return nil
}

func (c benchCRL) Run(ctx context.Context, std streams) error {
	if c.Part != "" {
		return c.measure(ctx, std)
	}
	for _, n := range c.Entries {
		if err := c.table(ctx, std, n); err != nil {
			return fmt.Errorf("measuring lists of %d entries: %w", n, err)
		}
	}
	return nil
}

// benchPart is what one process measured: its work alone, and the memory that
// all of it had at its peak, which holds the program itself.
type benchPart struct {
	Wall, CPU time.Duration
	Peak      int64 // octets; negative where the system does not tell
	Size      int64 // of the list, in octets
}

// benchParts are measured in processes of their own, one after the other. In
// each group the last but for openssl is what the others are compared with.
var benchParts = []struct{ heading, part, name, than string }{
	{"making", "create", "x509.CreateRevocationList, entries in memory", ""},
	{"making", "openssl", "openssl ca -gencrl", "create"},
	{"making", "table", "altamga: from the register's table", "create"},
	{"making", "next", "altamga: from the list before and the journal", "create"},
	{"making", "delta", "altamga: delta list of 100 changes", "create"},
	{"reading", "parse", "x509.ParseRevocationList, verified", ""},
	{"reading", "read", "altamga: read and verified", "parse"},
	{"reading", "load", "altamga: read, verified and kept for look-ups", "parse"},
}

func (c benchCRL) table(ctx context.Context, std streams, entries int) error {
	dir, err := os.MkdirTemp("", "altamga-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := prepareBenchLists(ctx, dir, entries); err != nil {
		return err
	}
	out := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	done := map[string]benchPart{}
	heading := ""
	for _, p := range benchParts {
		if p.heading != heading {
			heading = p.heading
			fmt.Fprintf(out, "\n%s a list of %d entries\ts\tCPU s\tpeak MiB\ttimes as fast\tby CPU\tof its memory\t\n", heading, entries)
		}
		m, err := runBenchPart(ctx, dir, p.part, entries)
		if errors.Is(err, exec.ErrNotFound) {
			fmt.Fprintf(out, "%s\tnot installed\t\t\t\t\t\t\n", p.name)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		done[p.part] = m
		fast, byCPU, memory := "-", "-", "-"
		if than, ok := done[p.than]; ok {
			fast, byCPU = fmt.Sprintf("%.1f", than.Wall.Seconds()/m.Wall.Seconds()), fmt.Sprintf("%.1f", than.CPU.Seconds()/max(m.CPU.Seconds(), .001))
			memory = fmt.Sprintf("%.3f", float64(m.Peak)/float64(than.Peak))
		}
		fmt.Fprintf(out, "%s\t%.3f\t%.3f\t%d\t%s\t%s\t%s\t\n", p.name, m.Wall.Seconds(), m.CPU.Seconds(), m.Peak>>20, fast, byCPU, memory)
	}
	return out.Flush()
}

// prepareBenchLists makes an authority, a register whose certificates are all
// revoked, and openssl's account of as many.
func prepareBenchLists(ctx context.Context, dir string, entries int) (err error) {
	if err := makeBenchAuthority(dir); err != nil {
		return err
	}
	opened, err := register.Open(ctx, filepath.Join(dir, "register.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	if err := opened.Populate(ctx, benchIssuer, entries); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(dir, "public"), 0o700); err != nil {
		return err
	}
	index, err := os.Create(filepath.Join(dir, "index.txt"))
	if err != nil {
		return err
	}
	w := bufio.NewWriter(index)
	serial := make([]byte, 15)
	for range entries {
		rand.Read(serial)
		fmt.Fprintf(w, "R\t391231235959Z\t260101000000Z,keyCompromise\t4A%X\tunknown\t/CN=x\n", serial)
	}
	return errors.Join(w.Flush(), index.Close(), os.WriteFile(filepath.Join(dir, "openssl.cnf"),
		[]byte("[ca]\ndefault_ca = this\n[this]\ndatabase = index.txt\ndefault_md = sha256\ncrlnumber = number\ncrl_extensions = extensions\n[extensions]\nauthorityKeyIdentifier = keyid\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "number"), []byte("01\n"), 0o600))
}

const benchIssuer = "bench"

func makeBenchAuthority(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Country: []string{"AZ"}, CommonName: "Measurement"}, SubjectKeyId: []byte{1, 2, 3, 4},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600),
		os.WriteFile(filepath.Join(dir, "ca.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), 0o600))
}

// runBenchPart measures one part in a process of its own.
func runBenchPart(ctx context.Context, dir, part string, entries int) (benchPart, error) {
	if part == "openssl" {
		return runOpenSSL(ctx, dir)
	}
	self, err := os.Executable()
	if err != nil {
		return benchPart{}, err
	}
	cmd := exec.CommandContext(ctx, self, "bench", "crl", "--part", part, "--dir", dir, "--entries", fmt.Sprint(entries))
	// As servers are measured: on one processor, and openssl uses no more.
	cmd.Env = append(cmd.Environ(), "GOMAXPROCS=1")
	var fault bytes.Buffer
	cmd.Stderr = &fault
	out, err := cmd.Output()
	if err != nil {
		return benchPart{}, fmt.Errorf("%w: %s", err, &fault)
	}
	var m benchPart
	return m, json.Unmarshal(out, &m)
}

// runOpenSSL measures openssl, start and reading of its account included.
func runOpenSSL(ctx context.Context, dir string) (benchPart, error) {
	cmd := exec.CommandContext(ctx, "openssl", "ca", "-gencrl", "-config", "openssl.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-crldays", "1", "-out", "openssl.crl")
	cmd.Dir = dir
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return benchPart{}, fmt.Errorf("%w: %s", err, out)
	}
	m := benchPart{Wall: time.Since(began), CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), Peak: -1}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		m.Peak = usage.Maxrss << 10
	}
	return m, nil
}
