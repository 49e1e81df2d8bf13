package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	peer "golang.org/x/crypto/ocsp"
)

// ocspBench is one run.
type ocspBench struct {
	benchOCSP
	dir    string
	cpu    int // that servers have, or -1
	centre *ocspCentre
	rsa    *ocspCentre // the same with an RSA key, in its own folder

	encoded, mixed [][]byte
	table          *tabwriter.Writer
	results        map[string]measured
}

// Run measures and prints.
func (c benchOCSP) Run(ctx context.Context, std streams) error {
	dir, err := os.MkdirTemp("", "altamga-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &ocspBench{benchOCSP: c, dir: dir, results: make(map[string]measured), table: tabwriter.NewWriter(std.out, 0, 0, 2, ' ', tabwriter.AlignRight)}
	if err := b.prepare(); err != nil {
		return err
	}
	cpu, restore := apart()
	defer restore()
	if b.cpu = cpu; cpu < 0 {
		fmt.Fprintln(std.out, "Load and servers share the processors: the rates hold the load's share.")
	}
	show, wipe := statusLine(std.err)
	defer wipe()
	// Round by round, so that what disturbs the machine disturbs all alike.
	for round := range c.Rounds {
		for _, m := range b.measurements() {
			show(fmt.Sprintf("round %d of %d: %s", round+1, c.Rounds, m.name))
			took, err := m.measure(ctx, m)
			if errors.Is(err, exec.ErrNotFound) {
				continue
			}
			if err != nil {
				return fmt.Errorf("measuring %s: %w", m.name, err)
			}
			if best, ok := b.results[m.name]; !ok || took.each() < best.each() {
				b.results[m.name] = took
			}
		}
	}
	wipe()
	if err := b.print(std.out); err != nil {
		return err
	}
	if b.Only != "" {
		return nil
	}
	if err := benchChanges(ctx, std.out, b.centre); err != nil || b.Statuses == 0 {
		return err
	}
	return b.startAndMemory(ctx, std.out, show, wipe)
}

func (b *ocspBench) prepare() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if b.centre, err = newOCSPCentre(b.dir, key); err != nil {
		return err
	}
	second := filepath.Join(b.dir, "rsa")
	if err := os.Mkdir(second, 0o700); err != nil {
		return err
	}
	long, err := rsaKey()
	if err != nil {
		return err
	}
	if b.rsa, err = newOCSPCentre(second, long); err != nil {
		return err
	}
	if b.encoded, err = b.centre.requests(b.Certificates, false); err != nil {
		return err
	}
	b.mixed = overWire(b.encoded)
	return nil
}

// measurement is one line of the table.
type measurement struct {
	name string
	// base is the line that the ratio is to, by rate and by processor time.
	base    string
	measure func(context.Context, measurement) (measured, error)
	kind    string
}

const (
	rawLoop   = "raw epoll loop, fixed octets"
	literal   = "nginx, literal"
	rawP256   = "P-256 signature, deterministic"
	rawRSA    = "RSA-2048 signature"
	fromHere  = "altamga, from memory"
	fromRedis = "altamga, from Redis"
)

func (b *ocspBench) measurements() []measurement {
	all := []measurement{
		{rawLoop, literal, b.target, "raw"},
		{literal, literal, b.nginx, "literal"},
		{"nginx, 10,000 files", literal, b.nginx, "files"},
		{"cfssl ocspserve", literal, b.cfssl, ""},
		{fromHere, literal, b.target, "memory"},
		{"altamga, from memory, by net/http", literal, b.target, "nethttp"},
		{fromRedis, fromHere, b.target, "redis"},
		{"one go-redis GET per request", fromHere, b.target, "get"},
		{rawP256, rawP256, b.signing, "p256"},
		{"altamga, signed on a miss", rawP256, b.target, "miss"},
		{"altamga, signed with a nonce", rawP256, b.target, "bypass"},
		{rawRSA, rawRSA, b.signing, "rsa"},
		{"altamga, signed on a miss, RSA-2048", rawRSA, b.target, "missrsa"},
	}
	bases := map[string]bool{}
	for _, m := range all {
		if strings.Contains(m.name, b.Only) {
			bases[m.name], bases[m.base] = true, true
		}
	}
	return slices.DeleteFunc(all, func(m measurement) bool { return !bases[m.name] })
}

func (b *ocspBench) signing(ctx context.Context, m measurement) (measured, error) {
	if m.kind == "rsa" {
		return rawSignatures(ctx, b.rsa.key, b.For)
	}
	return rawSignatures(ctx, b.centre.key, b.For)
}

// start runs a server on its processor.
func (b *ocspBench) start(ctx context.Context, command *exec.Cmd) (stop func(), err error) {
	if b.cpu >= 0 {
		command.Env = append(os.Environ(), "GOMAXPROCS=1")
	}
	if command.Stderr == nil {
		command.Stderr = os.Stderr
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	if b.cpu >= 0 {
		if err := pin(command.Process.Pid, b.cpu); err != nil {
			command.Process.Kill()
			command.Wait()
			return nil, err
		}
	}
	return func() {
		command.Process.Kill()
		command.Wait()
	}, nil
}

// target measures a server of this program.
func (b *ocspBench) target(ctx context.Context, m measurement) (measured, error) {
	executable, err := os.Executable()
	if err != nil {
		return measured{}, err
	}
	dir, centre := b.dir, b.centre
	if m.kind == "missrsa" {
		dir, centre = filepath.Join(b.dir, "rsa"), b.rsa
	}
	arguments := []string{"bench", "ocsp-target", "--kind", strings.TrimSuffix(m.kind, "rsa"), "--dir", dir}
	if m.kind == "redis" || m.kind == "get" {
		address, stop, err := b.redis(ctx)
		if err != nil {
			return measured{}, err
		}
		defer stop()
		arguments = append(arguments, "--redis", address)
	}
	command := exec.CommandContext(ctx, executable, arguments...)
	out, err := command.StdoutPipe()
	if err != nil {
		return measured{}, err
	}
	stop, err := b.start(ctx, command)
	if err != nil {
		return measured{}, err
	}
	defer stop()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return measured{}, fmt.Errorf("starting a server: %w", err)
	}
	check, requests := b.checker(centre, m.kind), b.mixed
	if m.kind == "missrsa" || m.kind == "bypass" {
		encoded, err := centre.requests(b.Certificates, m.kind == "bypass")
		if err != nil {
			return measured{}, err
		}
		requests = overWire(encoded)
	}
	return b.load(strings.TrimSpace(line), command.Process.Pid, requests, check, m.kind)
}

// load asks a moment for the server to warm up, then measures.
func (b *ocspBench) load(address string, pid int, requests [][]byte, check func(int, []byte, []byte) error, kind string) (measured, error) {
	if err := waitListening(address); err != nil {
		return measured{}, err
	}
	l := &epollLoad{
		address: address, conns: b.Clients, cpu: func() time.Duration { return cpuOf(pid) },
		request: func(i int) []byte { return requests[i%len(requests)] },
		check:   func(i int, head, content []byte) error { return check(i%len(requests), head, content) },
	}
	if signs(kind) {
		l.awake = time.Millisecond
	}
	if kind == "memory" || kind == "nethttp" || kind == "redis" {
		// Every answer is made and verified once, and kept by then.
		for range 2 {
			if _, err := l.runTo(len(requests), time.Minute); err != nil {
				return measured{}, err
			}
		}
	} else if _, err := l.run(min(b.For/4, 300*time.Millisecond)); err != nil {
		return measured{}, err
	}
	return l.run(b.For)
}

// signs reports whether a server of the kind signs every answer.
func signs(kind string) bool { return kind == "miss" || kind == "bypass" || kind == "missrsa" }

func waitListening(address string) error {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

// checker judges answers: those of a responder by content, each new one by its
// signature (of those that are signed anew all the time every fiftieth), the
// others by status and length.
func (b *ocspBench) checker(centre *ocspCentre, kind string) func(int, []byte, []byte) error {
	if kind == "raw" || kind == "get" {
		return func(_ int, head, content []byte) error {
			if !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) || len(content) == 0 {
				return fmt.Errorf("answered %.60q", head)
			}
			return nil
		}
	}
	known := make([][]byte, b.Certificates)
	made := 0
	return func(i int, head, content []byte) error {
		if !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
			return fmt.Errorf("answered %.60q", head)
		}
		if bytes.Equal(content, known[i]) {
			return nil
		}
		serial := benchSerial(i)
		if made++; signs(kind) && made%50 != 0 {
			if !bytes.Contains(content, serial.Bytes()) || !bytes.HasPrefix(content[4:], []byte{0x0a, 1, 0}) {
				return fmt.Errorf("the answer is about another certificate, or none: %.20x", content)
			}
			return nil
		}
		answer, err := peer.ParseResponse(content, centre.issuer)
		if err != nil {
			return err
		}
		if answer.SerialNumber.Cmp(serial) != 0 || (answer.Status == peer.Revoked) != benchRevoked(serial) || !time.Now().Before(answer.NextUpdate) {
			return fmt.Errorf("the answer about %x says %d about %x", serial, answer.Status, answer.SerialNumber)
		}
		known[i] = bytes.Clone(content)
		return nil
	}
}

// print writes the table.
func (b *ocspBench) print(w io.Writer) error {
	fmt.Fprintf(b.table, "%d connections, one server core\tper s\tCPU µs\tp50 µs\tp99 µs\tp99.9 µs\tratio\tby CPU\tp99 to\tof\t\n", b.Clients)
	var missing []string
	for _, m := range b.measurements() {
		got, ok := b.results[m.name]
		if !ok {
			missing = append(missing, m.name)
			continue
		}
		at := func(perMille int) string {
			if got.n == 0 || slices.Contains([]string{rawP256, rawRSA}, m.name) {
				return "-"
			}
			return fmt.Sprintf("%.0f", float64(got.latencies[min(len(got.latencies)-1, len(got.latencies)*perMille/1000)])/float64(time.Microsecond))
		}
		ratio, byCPU, tail := "-", "-", "-"
		if base, ok := b.results[m.base]; ok {
			ratio = fmt.Sprintf("%.2f", got.perSecond()/base.perSecond())
			byCPU = fmt.Sprintf("%.2f", float64(base.each())/float64(got.each()))
			if base.percentile(99) > 0 && at(990) != "-" && m.base == literal {
				tail = fmt.Sprintf("%.2f", float64(got.percentile(99))/float64(base.percentile(99)))
			}
		}
		fmt.Fprintf(b.table, "%s\t%.0f\t%.1f\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", m.name, got.perSecond(), float64(got.each())/float64(time.Microsecond),
			at(500), at(990), at(999), ratio, byCPU, tail, m.base)
	}
	if err := b.table.Flush(); err != nil {
		return err
	}
	if len(missing) > 0 {
		fmt.Fprintf(w, "Not installed: %s (Debian: nginx-light, golang-cfssl, redis-server)\n", strings.Join(missing, "; "))
	}
	return nil
}
