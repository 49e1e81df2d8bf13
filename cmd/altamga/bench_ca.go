package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/config"
)

// benchCA measures durable issuance over HTTP.
type benchCA struct {
	Clients []int         `help:"How many clients ask at once, one measurement for each." default:"1,16,64"`
	For     time.Duration `help:"How long each measurement takes." default:"3s"`
	Centre  []string      `help:"The folder of a further centre to measure, made by init for this from the plan of a demonstration, whose configuration names the store and the keys: PostgreSQL, a token. Its register is filled with certificates. May be repeated." type:"existingdir" placeholder:"DIR"`
}

// AfterApply checks the flags.
func (c benchCA) AfterApply() error {
	for _, n := range c.Clients {
		if n < 1 || n > 1024 {
			return fmt.Errorf("--clients: %d is not between 1 and 1024", n)
		}
	}
	if c.For < 100*time.Millisecond || c.For > 10*time.Minute {
		return errors.New("--for: a measurement takes between 100ms and 10m")
	}
	return nil
}

func (c benchCA) Run(ctx context.Context, std streams) error {
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
	if cpu < 0 {
		fmt.Fprintln(std.out, "Load and server share the processors: the figures over HTTP hold the load's share.")
	}
	if err := benchLimits(ctx, report, centre, filepath.Join(dir, "limits"), c.For); err != nil {
		return err
	}
	for i, folder := range append([]string{centre}, c.Centre...) {
		name := "SQLite, file keys"
		if i > 0 {
			name = folder
		}
		if err := c.overHTTP(ctx, report, name, folder, cpu); err != nil {
			return fmt.Errorf("measuring %s: %w", name, err)
		}
	}
	return report.out.Flush()
}

// benchPlan is a centre like that of the demonstration, on free ports.
func benchPlan() (*plan, error) {
	p, err := loadPlan("")
	if err != nil {
		return nil, err
	}
	for _, port := range ports(&p.Servers) {
		listener, err := listenTCP("127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		address := listener.Addr().String()
		listener.Close()
		scheme, _, _ := strings.Cut(string(port.server.URL), ":")
		port.server.Listen, port.server.URL = config.Address(address), config.URL(scheme+"://"+address+"/")
	}
	return p, nil
}

// overHTTP starts the ca of a centre in a process of its own and issues.
func (c benchCA) overHTTP(ctx context.Context, report *benchReport, name, dir string, cpu int) error {
	file, err := unmoderated(filepath.Join(dir, configFile))
	if err != nil {
		return err
	}
	defer os.Remove(file)
	var whole suiteConfig
	if err := config.Load(file, &whole); err != nil {
		return err
	}
	server, err := startBenchServer(ctx, "ca", file, &whole, cpu)
	if err != nil {
		return err
	}
	defer server.stop()
	report.heading("issuance over HTTP, durable: "+name, "of hedged")
	// Other work on the machine comes and goes, so the limit is taken anew.
	if err := benchHedged(ctx, report, c.For/3); err != nil {
		return err
	}
	for _, clients := range c.Clients {
		load, err := newBenchLoad(dir, &whole, clients, c.For)
		if err != nil {
			return err
		}
		m, err := repeat(ctx, clients, c.For, func() time.Duration { return cpuOf(server.process.Process.Pid) }, load.issue)
		if err != nil {
			return err
		}
		report.line(fmt.Sprintf("%d clients", clients), m)
	}
	return nil
}

// unmoderated writes a configuration beside the given one that leaves clients
// as fast as they are.
func unmoderated(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	const operator = "name = \"operator\"\n"
	if !strings.Contains(string(text), operator) {
		return "", withHint(fmt.Errorf("%s has no client \"operator\"", file), "measure a centre that `altamga init` has made")
	}
	without := file + ".bench"
	return without, os.WriteFile(without, []byte(strings.Replace(string(text), operator, operator+"rate = 1e6\nburst = 1000000\n", 1)), 0o600)
}

// benchServer is a server in a process of its own.
type benchServer struct{ process *exec.Cmd }

// startBenchServer starts a server on a processor of its own and waits until it
// is ready.
func startBenchServer(ctx context.Context, name, file string, c *suiteConfig, cpu int) (*benchServer, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &benchServer{exec.CommandContext(ctx, executable, name, "serve", "-c", file)}
	if cpu >= 0 {
		s.process.Env = append(os.Environ(), "GOMAXPROCS=1")
	}
	var log strings.Builder
	s.process.Stderr = &log
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	if err := waitServing(ctx, "http://"+string(c.Admin.Listen)+"/"+name+"/readyz"); err != nil {
		s.stop()
		return nil, fmt.Errorf("starting the %s: %w\n%s", name, err, log.String())
	}
	if cpu >= 0 {
		if err := pin(s.process.Process.Pid, cpu); err != nil {
			s.stop()
			return nil, fmt.Errorf("keeping the %s on processor %d: %w", name, cpu, err)
		}
	}
	return s, nil
}

func (s *benchServer) stop() {
	s.process.Process.Signal(syscall.SIGTERM)
	s.process.Wait()
}

// waitServing waits until a server says that it is ready.
func waitServing(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// benchLoad asks for certificates and checks what comes.
type benchLoad struct {
	client   *ca.Client
	issuer   *x509.Certificate
	id       string
	requests []string // certification requests, each for a key of its own
}

// mostRequests bounds the certification requests that are made beforehand; a
// longer run uses them again.
const mostRequests = 8000

func newBenchLoad(dir string, c *suiteConfig, clients int, length time.Duration) (*benchLoad, error) {
	p := &process{dir: dir, log: slog.New(slog.DiscardHandler)}
	client, err := p.caClient(string(c.RA.CA), tlsConfig{
		Certificate: config.Path(filepath.Join(dir, "tls/operator.pem")), Key: "file:keys/tls-operator.key", Peers: config.Path(filepath.Join(dir, "tls/root.pem")),
	})
	if err != nil {
		return nil, err
	}
	l := &benchLoad{client: client, id: c.RA.Issuer}
	for _, issuer := range c.CA.Issuers {
		if issuer.ID == l.id {
			if l.issuer, err = readCertificate(issuer.Certificate); err != nil {
				return nil, err
			}
		}
	}
	if l.issuer == nil {
		return nil, fmt.Errorf("the ca has no issuer %q", l.id)
	}
	for range min(mostRequests, clients+int(2000*length.Seconds())) {
		_, csr, err := request()
		if err != nil {
			return nil, err
		}
		l.requests = append(l.requests, csr)
	}
	return l, nil
}

// issue asks for one certificate and checks its signature.
func (l *benchLoad) issue(ctx context.Context, i int) error {
	answer, err := l.client.Issue(ctx, benchRequest(l.id, l.requests[i%len(l.requests)], i), "")
	if err != nil {
		return err
	}
	block, _ := pem.Decode([]byte(answer.Certificate))
	if block == nil {
		return errors.New("the answer holds no certificate")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	return certificate.CheckSignatureFrom(l.issuer)
}

// benchRequest asks for the certificate of a demonstration person.
func benchRequest(issuer, csr string, i int) ca.IssueRequest {
	return ca.IssueRequest{
		Issuer: issuer, Profile: "citizen-signature", CSR: csr,
		Subject: map[string]string{"givenName": "Nümayiş", "surname": "Nümunəyev", "fin": fmt.Sprintf("%07d", i%10_000_000)},
	}
}
