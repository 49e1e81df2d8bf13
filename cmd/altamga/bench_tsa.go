package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/digitorus/timestamp"

	"github.com/altamga/altamga/internal/audit/tokenlog"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/tsa"
)

// benchTSA measures time stamps, in process and over HTTP.
type benchTSA struct {
	Clients []int         `help:"How many clients ask at once, one measurement for each." default:"1,16,64"`
	For     time.Duration `help:"How long each measurement takes." default:"3s"`
}

// AfterApply checks the flags.
func (c benchTSA) AfterApply() error { return benchCA{Clients: c.Clients, For: c.For}.AfterApply() }

func (c benchTSA) Run(ctx context.Context, std streams) error {
	dir, err := os.MkdirTemp("", "altamga-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	plan, err := benchPlan()
	if err != nil {
		return err
	}
	centre := filepath.Join(dir, "centre")
	if err := found(ctx, plan, centre); err != nil {
		return err
	}
	cpu, restore := apart()
	defer restore()
	report := newBenchReport(std.out)
	if cpu >= 0 {
		// A second scheduler on the same processor would only get in the way.
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	}
	if cpu < 0 {
		fmt.Fprintln(std.out, "Load and server share the processors: the figures over HTTP hold the load's share.")
	}
	b := &tokenBench{dir: centre, report: report, length: c.For}
	if err := b.open(); err != nil {
		return err
	}
	if err := b.inProcess(ctx, filepath.Join(dir, "journal")); err != nil {
		return err
	}
	if err := b.openssl(ctx); err != nil {
		return err
	}
	for _, each := range []struct {
		verify int
		name   string
	}{{-1, "not verified"}, {verifyEachOfFile, "1 in 64 verified"}, {1, "each verified"}} {
		if err := b.overHTTP(ctx, each.verify, each.name, c.Clients, cpu); err != nil {
			return fmt.Errorf("measuring over HTTP: %w", err)
		}
	}
	return report.out.Flush()
}

// tokenBench measures with the unit of a centre.
type tokenBench struct {
	dir    string
	report *benchReport
	length time.Duration
	unit   *tsa.Unit
	policy asn1.ObjectIdentifier
	// query asks for a token with a nonce of eight octets, which stand at nonce,
	// and the certificates.
	query []byte
	nonce int
}

func (b *tokenBench) open() error {
	var c suiteConfig
	if err := config.Load(filepath.Join(b.dir, configFile), &c); err != nil {
		return err
	}
	p := &process{config: &c, dir: b.dir}
	var err error
	if b.unit, err = p.tsaUnit(c.TSA.Units[0], 1, false); err != nil {
		return err
	}
	if b.policy, err = parseOID(c.TSA.Policies[0].ID); err != nil {
		return err
	}
	sum := sha256.Sum256([]byte("altamga"))
	mark := []byte{0x5a, 1, 2, 3, 4, 5, 6, 7}
	r := &tsa.Request{Imprint: tsa.Imprint{HashAlgorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, HashedMessage: sum[:]}, Nonce: mark, CertReq: true}
	if b.query, err = r.Marshal(); err != nil {
		return err
	}
	b.nonce = bytes.Index(b.query, mark)
	return nil
}

// ask returns the query with the nonce of this number.
func (b *tokenBench) ask(n int) []byte {
	query := bytes.Clone(b.query)
	copy(query[b.nonce+1:], big.NewInt(int64(n)).FillBytes(make([]byte, 7)))
	return query
}

// check reads an answer to the query of this number, and verifies one in so
// many.
func (b *tokenBench) check(answer []byte, n, each int) error {
	token, err := tsa.ParseResponse(answer)
	if err != nil {
		return err
	}
	if !bytes.Equal(token.Info.Nonce, b.ask(n)[b.nonce:b.nonce+8]) || len(token.Certificates) == 0 {
		return errors.New("the token answers another query")
	}
	if n%each == 0 {
		return token.Verify(b.unit.Certificate)
	}
	return nil
}

// authority makes one in process.
func (b *tokenBench) authority(verifyEach int, journal func(context.Context, tsa.Record) error) (*tsa.Authority, error) {
	clock, err := tsa.NewSystemClock(0)
	if err != nil {
		return nil, err
	}
	unit := *b.unit
	unit.VerifyEach = verifyEach
	return tsa.New(tsa.Config{Units: []tsa.Unit{unit}, Policies: []tsa.Policy{{ID: b.policy, Fraction: 3}}, Clock: clock, Journal: journal})
}

// rounds is how often a figure is measured.
const rounds = 3

// least measures a few times and returns the round that other work on the
// machine disturbed least.
func least(measure func() (measured, error)) (best measured, err error) {
	for range rounds {
		m, err := measure()
		// A disk that stood still for a short round is no failure.
		if err != nil && !errors.Is(err, errNothing) {
			return m, err
		}
		if m.n > 0 && (best.n == 0 || m.each() < best.each()) {
			best = m
		}
	}
	if best.n == 0 {
		return best, errNothing
	}
	return best, nil
}

// inProcess measures signing and what a token adds to it.
func (b *tokenBench) inProcess(ctx context.Context, scratch string) error {
	if err := os.Mkdir(scratch, 0o700); err != nil {
		return err
	}
	signer, err := tokenSigner(&auditConfig{Key: "file:keys/audit.key", Origin: "bench"}, b.dir)
	if err != nil {
		return err
	}
	log, err := tokenlog.Open(tokenlog.Config{Dir: scratch, Key: signer})
	if err != nil {
		return err
	}
	defer log.Close()
	plain, err := b.authority(-1, nil)
	if err != nil {
		return err
	}
	recorded, err := b.authority(-1, (&journalOfTokens{log: log}).append)
	if err != nil {
		return err
	}
	verified, err := b.authority(1, nil)
	if err != nil {
		return err
	}
	b.report.heading("one core, in process", "of raw")
	if err := b.raw(ctx); err != nil {
		return err
	}
	respond := func(a *tsa.Authority) func(context.Context, int) error {
		return func(_ context.Context, n int) error {
			return b.check(a.Respond(context.Background(), b.ask(n)), n, 256)
		}
	}
	for _, line := range []struct {
		name    string
		workers int
		op      func(context.Context, int) error
	}{
		{"P-256 verification", 1, b.verification()},
		{"token", 1, respond(plain)},
		{"token, each verified", 1, respond(verified)},
		{"token, journal, 16 at once", 16, respond(recorded)},
		{"token, journal, 64 at once", 64, respond(recorded)},
		{"digitorus' token", 1, b.digitorus()},
	} {
		m, err := least(func() (measured, error) { return repeat(ctx, line.workers, b.length/rounds, ownCPU, line.op) })
		if err != nil {
			return fmt.Errorf("measuring %s: %w", line.name, err)
		}
		b.report.line(line.name, m)
	}
	return nil
}

// raw measures what the other lines are ratios of: deterministic signatures as
// tokens have them.
func (b *tokenBench) raw(ctx context.Context) error {
	digest := sha256.Sum256([]byte("altamga"))
	var err error
	b.report.base, err = least(func() (measured, error) {
		return repeat(ctx, 1, b.length/rounds, ownCPU, func(context.Context, int) error {
			_, err := b.unit.Key.Sign(nil, digest[:], crypto.SHA256)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("measuring signatures: %w", err)
	}
	b.report.line("P-256 signature, deterministic", b.report.base)
	return nil
}

func (b *tokenBench) verification() func(context.Context, int) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	digest := sha256.Sum256([]byte("altamga"))
	var signature []byte
	if err == nil {
		signature, err = key.Sign(nil, digest[:], crypto.SHA256)
	}
	return func(context.Context, int) error {
		if err == nil && !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
			return errors.New("an own signature is wrong")
		}
		return err
	}
}

// digitorus makes such tokens with the library of that name. They carry the
// unit's certificate alone: given the one above it, the library verifies that one's
// signature for every token.
func (b *tokenBench) digitorus() func(context.Context, int) error {
	return func(_ context.Context, n int) error {
		query := b.ask(n)
		request, err := timestamp.ParseRequest(query)
		if err != nil {
			return err
		}
		var serial [16]byte
		rand.Read(serial[:])
		serial[0] &= 0x7f
		stamp := timestamp.Timestamp{
			HashAlgorithm: request.HashAlgorithm, HashedMessage: request.HashedMessage, Time: time.Now(), Nonce: request.Nonce,
			Policy: b.policy, Accuracy: time.Second, AddTSACertificate: request.Certificates,
			SerialNumber: new(big.Int).SetBytes(serial[:]),
		}
		answer, err := stamp.CreateResponseWithOpts(b.unit.Certificate, b.unit.Key, crypto.SHA256)
		if err == nil && n%256 == 0 {
			_, err = timestamp.ParseResponse(answer)
		}
		return err
	}
}

// openssl measures a process of `openssl ts -reply` for each token, which is how
// it is used behind a web server.
func (b *tokenBench) openssl(ctx context.Context) error {
	if _, err := exec.LookPath("openssl"); err != nil {
		return nil
	}
	in := func(name string) string { return filepath.Join(b.dir, name) }
	configuration := fmt.Sprintf("[tsa]\ndefault_tsa = one\n[one]\nserial = %s\ndefault_policy = %s\ndigests = sha256\nsigner_digest = sha256\naccuracy = secs:1\ness_cert_id_alg = sha256\n", in("serial"), b.policy)
	for name, data := range map[string][]byte{"openssl.cnf": []byte(configuration), "serial": []byte("01\n"), "query.tsq": b.ask(0)} {
		if err := os.WriteFile(in(name), data, 0o600); err != nil {
			return err
		}
	}
	children := func() time.Duration {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &usage); err != nil {
			return -1
		}
		return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	m, err := repeat(ctx, 1, b.length/3, children, func(ctx context.Context, n int) error {
		out, err := exec.Command("openssl", "ts", "-reply", "-config", in("openssl.cnf"), "-queryfile", in("query.tsq"), "-signer", in("certificates/tsa.pem"),
			"-inkey", in("keys/tsa.key"), "-chain", in("certificates/policy.pem"), "-out", in("reply.tsr")).CombinedOutput()
		if err != nil {
			return fmt.Errorf("openssl ts: %w: %s", err, out)
		}
		answer, err := os.ReadFile(in("reply.tsr"))
		if err == nil {
			_, err = timestamp.ParseResponse(answer)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("measuring openssl ts: %w", err)
	}
	b.report.line("openssl ts -reply, a process each", m)
	return nil
}

// configure writes a configuration beside the centre's that verifies so many
// tokens. Roots are signed as often as usual, not as for a demonstration.
func (b *tokenBench) configure(verify int) (string, error) {
	text, err := os.ReadFile(filepath.Join(b.dir, configFile))
	if err != nil {
		return "", err
	}
	const unit = "[[tsa.unit]]\n"
	changed := strings.Replace(string(text), unit, fmt.Sprintf("%sverify_each = %d\n", unit, verify), 1)
	changed = strings.Replace(changed, "journal_interval =", "# journal_interval =", 1)
	file := filepath.Join(b.dir, fmt.Sprintf("bench%d.toml", verify))
	return file, os.WriteFile(file, []byte(changed), 0o600)
}
