package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	peer "golang.org/x/crypto/ocsp"

	"github.com/altamga/altamga/internal/audit"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/loopback"
	"github.com/altamga/altamga/internal/replica"
)

// startBench measures how soon a responder apart from its ca is ready, and how
// much memory it takes, by the number of certificates in its store.
type startBench struct {
	*ocspBench
	request []byte // the bytes of the first certificate's, which others share
	serial  int    // where in it the serial number is
}

// started is what came of one store.
type started struct {
	ready, cpu time.Duration
	// resident octets once it has looked up some statuses, and once all answers
	// are kept, which are so many.
	statuses, answers int64
	kept              int
}

// startAndMemory prints both, of a store without certificates and one of
// b.Statuses.
func (b *ocspBench) startAndMemory(ctx context.Context, w io.Writer, show func(string), wipe func()) error {
	encoded, err := b.centre.requests(1, false)
	if err != nil {
		return err
	}
	s := &startBench{ocspBench: b, request: posted(encoded[0])}
	s.serial = bytes.Index(s.request, benchSerial(0).Bytes())
	var got [2]started
	for i, statuses := range []int{0, b.Statuses} {
		show(fmt.Sprintf("start and memory with %d certificates", statuses))
		if got[i], err = s.measure(ctx, statuses); err != nil {
			return fmt.Errorf("measuring start and memory with %d certificates: %w", statuses, err)
		}
	}
	wipe()
	empty, full := got[0], got[1]
	if full.kept < b.Statuses*99/100 {
		return fmt.Errorf("of %d answers only %d are kept in memory", b.Statuses, full.kept)
	}
	perMillion := func(octets int64) float64 { return float64(octets) / float64(b.Statuses) }
	fmt.Fprintf(w, "Start to ready: %s ms (%s of CPU) with an empty store, %s ms (%s) with %d certificates.\n",
		milliseconds(empty.ready), milliseconds(empty.cpu), milliseconds(full.ready), milliseconds(full.cpu), b.Statuses)
	fmt.Fprintf(w, "Memory: %d MB with an empty store, and per million certificates %.0f MB more for statuses, %.0f MB with all answers ready (of %d, 1 MB = 10⁶).\n",
		empty.statuses/1e6, perMillion(full.statuses-empty.statuses), perMillion(full.answers-empty.answers), b.Statuses)
	return nil
}

// measure starts a responder on a store of so many certificates.
func (b *startBench) measure(ctx context.Context, statuses int) (m started, err error) {
	dir := filepath.Join(b.dir, fmt.Sprint("start", statuses))
	file, c, err := b.found(ctx, dir, statuses)
	if err != nil {
		return m, err
	}
	executable, err := os.Executable()
	if err != nil {
		return m, err
	}
	command := exec.CommandContext(ctx, executable, "ocsp", "serve", "-c", file)
	var log bytes.Buffer
	command.Stderr = &log
	began := time.Now()
	stop, err := b.start(ctx, command)
	if err != nil {
		return m, err
	}
	defer stop()
	admin := "http://" + string(c.Admin.Listen)
	if err := waitServing(ctx, admin+"/ocsp/readyz"); err != nil {
		stop()
		return m, fmt.Errorf("%w\n%s", err, log.Bytes())
	}
	m.ready, m.cpu = time.Since(began), cpuOf(command.Process.Pid)
	load := &epollLoad{
		address: string(c.OCSP.Listen), conns: b.Clients, cpu: func() time.Duration { return cpuOf(command.Process.Pid) }, awake: time.Millisecond,
		request: func(i int) []byte { return b.ask(i, max(1, statuses)) },
		check: func(i int, head, content []byte) error {
			return b.check(i%max(1, statuses), statuses > 0, head, content)
		},
	}
	// What looking up and signing take for themselves is in both.
	if _, err := load.runTo(500, time.Minute); err != nil {
		return m, err
	}
	if m.statuses, err = residentOf(command.Process.Pid); err != nil {
		return m, err
	}
	questions := max(min(20_000, b.Statuses/5), statuses)
	if _, err := load.runTo(questions, 10*time.Minute); err != nil {
		return m, err
	}
	if m.answers, err = residentOf(command.Process.Pid); err != nil || statuses == 0 {
		return m, err
	}
	before, err := keptAnswers(ctx, admin)
	if err != nil {
		return m, err
	}
	if _, err := load.runTo(questions, 10*time.Minute); err != nil {
		return m, err
	}
	after, err := keptAnswers(ctx, admin)
	m.kept = after - before
	return m, err
}

// ask is the request about a certificate of so many, as it goes over the wire.
func (b *startBench) ask(i, of int) []byte {
	copy(b.request[b.serial:], benchSerial(i%of).Bytes())
	return b.request
}

// check judges an answer: most by whom they are about, some by signature.
func (b *startBench) check(i int, known bool, head, content []byte) error {
	serial := benchSerial(i)
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) || !bytes.Contains(content, serial.Bytes()) {
		return fmt.Errorf("answered %.60q with %.20x", head, content)
	}
	if i%1000 != 0 {
		return nil
	}
	answer, err := peer.ParseResponse(content, b.centre.issuer)
	if err != nil {
		return err
	}
	want := peer.Unknown
	if known {
		if want = peer.Good; benchRevoked(serial) {
			want = peer.Revoked
		}
	}
	if answer.Status != want {
		return fmt.Errorf("the answer about %x says %d", serial, answer.Status)
	}
	return nil
}

// found writes a responder's folder into dir: its store, and its configuration.
// The ca that it is to follow is away.
func (b *startBench) found(ctx context.Context, dir string, statuses int) (file string, c *suiteConfig, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", nil, err
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return "", nil, err
	}
	log, err := audit.NewSigner("bench.example/audit", key)
	if err != nil {
		return "", nil, err
	}
	raw, err := os.ReadFile(filepath.Join(b.dir, "signer.key"))
	if err != nil {
		return "", nil, err
	}
	files := map[string][]byte{
		"log.pub":    []byte(log.Public() + "\n"),
		"issuer.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.centre.issuer.Raw}),
		"signer.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.centre.signer.Raw}),
		"signer.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}),
	}
	var addresses [3]any
	for i := range addresses {
		if addresses[i], err = loopback.Address(); err != nil {
			return "", nil, err
		}
	}
	files["ocsp.toml"] = fmt.Appendf(nil, `admin = { listen = "%s" }
[ocsp]
listen = "%s"
memory = 512
max_age = "50m"
[ocsp.ca]
url = "https://%s/"
client = { certificate = "signer.pem", key = "file:signer.key", peers = "issuer.pem", external = true }
store = "statuses.db"
log = "log.pub"
lost_after = "1h"
[[ocsp.issuer]]
id = "bench"
certificate = "issuer.pem"
signer = "signer.pem"
signer_key = "file:signer.key"
renew = "off"
`, addresses[:]...)
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return "", nil, err
		}
	}
	if err := fillReplica(ctx, filepath.Join(dir, "statuses.db"), log, statuses); err != nil {
		return "", nil, err
	}
	file, c = filepath.Join(dir, "ocsp.toml"), new(suiteConfig)
	return file, c, config.Load(file, c)
}

// fillReplica makes a store of so many statuses, from a snapshot.
func fillReplica(ctx context.Context, path string, log *audit.Signer, statuses int) error {
	store, err := replica.Create(ctx, path, nil)
	if err != nil {
		return err
	}
	defer store.Close()
	in, out := io.Pipe()
	go func() { out.CloseWithError(writeStatuses(out, log, statuses)) }()
	key, err := audit.ParseKey(log.Public())
	if err != nil {
		return err
	}
	_, err = store.Load(ctx, in, key, time.Hour, func(int64, int64) {})
	return errors.Join(err, in.Close())
}

// writeStatuses writes the snapshot of a register in which each certificate has
// one entry.
func writeStatuses(w io.Writer, log *audit.Signer, statuses int) error {
	last := journal.Entry{Position: uint64(statuses) + 1, Kind: journal.Listed, Issuer: "bench", Actor: "bench", EffectiveAt: time.Now()}
	snapshot, err := replica.NewSnapshot(w, log, last, time.Now(), int64(statuses))
	if err != nil {
		return err
	}
	for i := range statuses {
		serial, status := benchSerial(i), journal.Status{State: journal.Valid, Version: uint64(i) + 1}
		if benchRevoked(serial) {
			status.State, status.Reason, status.Since = journal.Gone, journal.KeyCompromise, time.Unix(1_700_000_000, 0).UTC()
		}
		if err := snapshot.Add(journal.Standing{Issuer: "bench", Serial: journal.SerialOf(serial), Profile: "citizen-signature", Status: status}); err != nil {
			return err
		}
	}
	return snapshot.Close()
}

// residentOf is the memory that another process has.
func residentOf(pid int) (int64, error) {
	fields, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	pages, err := strconv.ParseInt(string(bytes.Fields(fields)[1]), 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// keptAnswers is how many requests a responder has answered from memory.
func keptAnswers(ctx context.Context, admin string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, admin+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	_, rest, ok := bytes.Cut(text, []byte(`altamga_results_total{component="ocsp",reason="kept"} `))
	if !ok {
		return 0, nil
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	n, err := strconv.ParseFloat(string(line), 64)
	return int(n), err
}
