package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/config"
)

// benchCA measures durable issuance over HTTP.
type benchCA struct {
	Clients []int         `help:"How many clients ask at once, one measurement for each." default:"1,16,64"`
	For     time.Duration `help:"How long each measurement takes." default:"2s" aliases:"time"`
	Stores  []string      `help:"Where registers are: ${enum}." default:"sqlite,postgres" enum:"sqlite,postgres"`
	Keys    []string      `help:"Where issuing keys are: ${enum}." default:"file,softhsm" enum:"file,softhsm"`
	Peers   bool          `help:"Measure cfssl's server beside ours, where it is installed." default:"true" negatable:""`
	Limits  bool          `help:"Measure what the machine signs, lints and flushes." default:"true" negatable:""`
	Centre  []string      `help:"The folder of a further centre to measure, made by init for this from the plan of a demonstration, whose configuration names the store and the keys. Its register is filled with certificates. May be repeated." type:"existingdir" placeholder:"DIR"`
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

func (c benchCA) Run(ctx context.Context, std streams) (err error) {
	dir, err := os.MkdirTemp("", "altamga-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cpu, restore := apart()
	defer restore()
	b := &caBench{benchCA: c, dir: dir, cpu: cpu, out: std.out, report: newBenchReport(std.out), cfssl: map[string]float64{}}
	if cpu < 0 {
		fmt.Fprintln(std.out, "Load and server share the processors: the figures over HTTP hold the load's share.")
	}
	if c.Limits {
		limits := filepath.Join(dir, "limits")
		if err := benchCentre(ctx, limits, "", ""); err != nil {
			return err
		}
		if err := benchLimits(ctx, b.report, limits, filepath.Join(dir, "scratch"), c.For); err != nil {
			return err
		}
	}
	if err := b.report.out.Flush(); err != nil {
		return err
	}
	for _, store := range c.Stores {
		if err := b.store(ctx, store); err != nil {
			return fmt.Errorf("measuring on %s: %w", store, err)
		}
	}
	for _, folder := range c.Centre {
		if err := b.centre(ctx, folder, folder, ""); err != nil {
			return fmt.Errorf("measuring %s: %w", folder, err)
		}
	}
	return b.report.out.Flush()
}

// caBench is one run of the measurement.
type caBench struct {
	benchCA
	dir    string
	cpu    int
	out    io.Writer
	report *benchReport
	// cfssl is how many certificates a second it issued, by store and clients.
	cfssl map[string]float64
}

// skip says what is left out because it is not installed; other errors it
// passes on.
func (b *caBench) skip(err error) error {
	if errors.Is(err, errNotInstalled) {
		fmt.Fprintf(b.out, "\nLeft out: %v.\n", err)
		return nil
	}
	return err
}

// store measures on one kind of store: cfssl first, then ours with each kind of
// key.
func (b *caBench) store(ctx context.Context, store string) (err error) {
	var database *benchPostgres
	if store == "postgres" {
		if database, err = startBenchPostgres(ctx); err != nil {
			return b.skip(err)
		}
		defer func() { err = errors.Join(err, database.stop()) }()
	}
	if b.Peers {
		if err := b.skip(b.peer(ctx, store, database)); err != nil {
			return err
		}
	}
	for _, kind := range b.Keys {
		name, token, address := store+"-"+kind, "", ""
		if kind == "softhsm" {
			if token, err = benchToken(ctx, b.dir, name); err != nil {
				if err := b.skip(err); err != nil {
					return err
				}
				continue
			}
		}
		if database != nil {
			if err := database.exec(ctx, "CREATE SCHEMA "+kind); err != nil {
				return err
			}
			address = database.address(kind)
		}
		folder := filepath.Join(b.dir, name)
		if err := benchCentre(ctx, folder, token, address); err != nil {
			return err
		}
		if err := b.centre(ctx, "altamga on "+store+", keys: "+kind, folder, store); err != nil {
			return err
		}
	}
	return nil
}

// centre starts the ca of a centre in a process of its own and issues.
func (b *caBench) centre(ctx context.Context, name, dir, store string) error {
	file, err := unmoderated(filepath.Join(dir, configFile))
	if err != nil {
		return err
	}
	defer os.Remove(file)
	var whole suiteConfig
	if err := config.Load(file, &whole); err != nil {
		return err
	}
	issuer, connection, err := benchClient(dir, &whole)
	if err != nil {
		return err
	}
	server, err := startBenchServer(ctx, "ca", file, &whole, b.cpu)
	if err != nil {
		return err
	}
	defer server.stop()
	url := strings.TrimSuffix(string(whole.RA.CA), "/") + "/v1/certificates"
	return b.clients(ctx, name, store, server.process.Process.Pid, func(clients int) (*benchLoad, error) {
		return newBenchLoad(url, connection, issuer, clients, b.For, func(csr string, n int) any { return benchRequest(whole.RA.Issuer, csr, n) })
	})
}

// peer measures cfssl on the same kind of store.
func (b *caBench) peer(ctx context.Context, store string, database *benchPostgres) error {
	server, err := startCFSSL(ctx, filepath.Join(b.dir, "cfssl-"+store), database, b.cpu)
	if err != nil {
		return err
	}
	defer server.stop()
	return b.clients(ctx, "cfssl on "+store, "", server.process.Process.Pid, func(clients int) (*benchLoad, error) {
		return newBenchLoad("https://"+server.address+"/api/v1/cfssl/sign", server.client, server.issuer, clients, b.For, func(csr string, n int) any {
			return map[string]any{"certificate_request": csr, "subject": map[string]any{"CN": fmt.Sprintf("Nümayiş Nümunəyev %d", n)}}
		})
	}, store)
}

// clients measures a server with each number of clients. Of ours it says how
// many times as fast as cfssl on the same store it is; with peer the figures are
// cfssl's, on that store.
func (b *caBench) clients(ctx context.Context, name, against string, pid int, load func(clients int) (*benchLoad, error), peer ...string) error {
	b.report.heading(name, "of hedged", "load µs", "× cfssl")
	// Other work on the machine comes and goes, so the limit is taken anew.
	if err := benchHedged(ctx, b.report, b.For/4); err != nil {
		return err
	}
	for _, clients := range b.Clients {
		l, err := load(clients)
		if err != nil {
			return err
		}
		before := ownCPU()
		m, err := repeat(ctx, clients, b.For, func() time.Duration { return cpuOf(pid) }, l.issue)
		l.close()
		if err != nil {
			return err
		}
		times := "-"
		for _, store := range peer {
			b.cfssl[fmt.Sprint(store, clients)] = m.perSecond()
		}
		if theirs := b.cfssl[fmt.Sprint(against, clients)]; theirs > 0 {
			times = fmt.Sprintf("%.1f", m.perSecond()/theirs)
		}
		b.report.line(fmt.Sprintf("%d clients", clients), m, fmt.Sprintf("%.0f", float64(ownCPU()-before)/float64(m.n)/float64(time.Microsecond)), times)
	}
	return b.report.out.Flush()
}

// benchClient is how the operator connects, and whose certificates he asks for.
func benchClient(dir string, c *suiteConfig) (*x509.Certificate, *tls.Config, error) {
	p := &process{dir: dir}
	identity, peers, err := p.tls(tlsConfig{
		Certificate: config.Path(filepath.Join(dir, "tls/operator.pem")), Key: "file:keys/tls-operator.key", Peers: config.Path(filepath.Join(dir, "tls/root.pem")),
	})
	if err != nil {
		return nil, nil, err
	}
	connection, err := identity.ClientTLS(peers...)
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(c.CA.Issuers, func(issuer caIssuerConfig) bool { return issuer.ID == c.RA.Issuer })
	if i < 0 {
		return nil, nil, fmt.Errorf("the ca has no issuer %q", c.RA.Issuer)
	}
	issuer, err := readCertificate(c.CA.Issuers[i].Certificate)
	return issuer, connection, err
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
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
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
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// benchRequest asks for the certificate of a demonstration person.
func benchRequest(issuer, csr string, i int) ca.IssueRequest {
	return ca.IssueRequest{
		Issuer: issuer, Profile: "citizen-signature", CSR: csr,
		Subject: map[string]string{"givenName": "Nümayiş", "surname": "Nümunəyev", "fin": fmt.Sprintf("%07d", i%10_000_000)},
	}
}
