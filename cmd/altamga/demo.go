package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/loopback"
	"github.com/altamga/altamga/internal/serve"
)

// demoCommand creates the centre of the built-in plan, runs all its servers on
// loopback and walks the tour.
type demoCommand struct {
	Dir      string `help:"The folder of the demonstration; one that exists is continued. Default: a temporary one, removed at the end." type:"path" placeholder:"DIR"`
	BasePort int    `help:"The first of ten ports on 127.0.0.1; 0 takes free ones." default:"8440"`
	Once     bool   `help:"Exit after the tour: 0 when every step held, 1 when one did not."`
}

func (c demoCommand) Run(ctx context.Context, std streams) (err error) {
	if c.BasePort < 0 || c.BasePort > 65535-9 {
		return withHint(fmt.Errorf("port %d does not leave room for ten ports", c.BasePort), "take a number up to 65526, or 0 for free ports")
	}
	dir := c.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "altamga-demo-"); err != nil {
			return fmt.Errorf("creating folder: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	d := &demonstration{dir: dir, temporary: c.Dir == "", basePort: c.BasePort, once: c.Once, out: std.out, listeners: map[string]net.Listener{}}
	defer d.release()
	if _, err := os.Stat(filepath.Join(dir, configFile)); errors.Is(err, fs.ErrNotExist) {
		if err := d.create(ctx); err != nil {
			return err
		}
	}
	return d.run(ctx)
}

// demonstration is one run of the demo command.
type demonstration struct {
	dir string
	// temporary: the folder goes when the demonstration does.
	temporary bool
	basePort  int
	once      bool
	out       io.Writer
	// listeners that were opened to learn free ports, by address.
	listeners map[string]net.Listener
}

// release closes the listeners that no server took over.
func (d *demonstration) release() {
	for _, listener := range d.listeners {
		listener.Close()
	}
}

// port is where a server of the plan listens, counted from the base port.
type port struct {
	offset int
	server *planServer
}

// ports of the servers.
func ports(s *planServers) []port {
	all := []port{{0, &s.RA}, {1, &s.CA}, {2, &s.OCSP}, {3, &s.TSA}, {4, &s.CRL}, {9, &s.Admin}}
	if s.Interop != nil {
		all = append(all, port{5, s.Interop})
	}
	return all
}

// create makes the centre, with the ports that this run has.
func (d *demonstration) create(ctx context.Context) error {
	p, err := loadPlan("")
	if err != nil {
		return err
	}
	for _, port := range ports(&p.Servers) {
		listen := loopback.Listen
		if d.basePort != 0 {
			address := config.Address("127.0.0.1:" + strconv.Itoa(d.basePort+port.offset))
			listen = func() (net.Listener, error) { return listenTCP(address) }
		}
		listener, err := listen()
		if err != nil {
			return withHint(err, "choose other ports with --base-port, or let --base-port 0 find free ones")
		}
		address := listener.Addr().String()
		d.listeners[address] = listener
		scheme, _, _ := strings.Cut(string(port.server.URL), ":")
		port.server.Listen = config.Address(address)
		port.server.URL = config.URL(scheme + "://" + address + "/")
	}
	return found(ctx, p, d.dir)
}

// listen hands out a listener that is held, or opens one.
func (d *demonstration) listen(address config.Address) (net.Listener, error) {
	if listener, ok := d.listeners[string(address)]; ok {
		delete(d.listeners, string(address))
		return listener, nil
	}
	listener, err := listenTCP(address)
	if err != nil {
		return nil, withHint(err, "the certificates in "+d.dir+" name this address: end the process that uses it, or start in a new folder")
	}
	if err := serve.LoopbackOnly(listener.Addr()); err != nil {
		listener.Close()
		return nil, err
	}
	return listener, nil
}

// run serves until ctx ends or, with --once, the tour does.
func (d *demonstration) run(ctx context.Context) (err error) {
	started := time.Now()
	logFile, err := os.OpenFile(filepath.Join(d.dir, "servers.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("opening log: %w", err)
	}
	defer func() { err = errors.Join(err, logFile.Close()) }()
	log := slog.New(serve.LogRequestID(slog.NewJSONHandler(logFile, nil)))
	p, err := newProcess(ctx, filepath.Join(d.dir, configFile), log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	p.listen = d.listen
	if err := d.checkPorts(p.config); err != nil {
		return err
	}
	if err := p.addAll(ctx); err != nil {
		return err
	}
	// What an earlier run left behind when it was killed is not true any more.
	if err := removeEndpoints(d.dir); err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() {
		// A server that fails ends the tour, too.
		defer stop()
		served <- p.run(running)
	}()
	toured := d.guide(running, p, started)
	if toured == nil && !d.once {
		fmt.Fprintf(d.out, "\nThe servers stay up. End with Ctrl-C.\n")
		<-running.Done()
	}
	gone := removeEndpoints(d.dir)
	interrupted := running.Err() != nil
	stop()
	failed := <-served
	if toured != nil && interrupted {
		// The tour is not to blame: a server failed, or somebody pressed Ctrl-C.
		toured = nil
		if d.once && failed == nil {
			toured = errors.New("interrupted before the tour was over")
		}
	}
	return errors.Join(toured, failed, gone)
}

// checkPorts refuses to continue a folder on other ports than its certificates
// name.
func (d *demonstration) checkPorts(c *suiteConfig) error {
	if want := "127.0.0.1:" + strconv.Itoa(d.basePort); d.basePort != 0 && c.RA != nil && string(c.RA.Listen) != want {
		return withHint(fmt.Errorf("the demonstration in %s has its first server on %s, not on %s", d.dir, c.RA.Listen, want),
			"leave the ports to the folder with --base-port 0, or start in a new folder")
	}
	return nil
}

// guide waits until every server is ready, says where they are and walks the
// tour.
func (d *demonstration) guide(ctx context.Context, p *process, started time.Time) error {
	t, err := d.tour(p)
	if err != nil {
		return err
	}
	// The samples of an earlier run give way to those of this one.
	for _, file := range []string{t.at.Leaf, t.at.LeafKey, t.at.Chain, t.at.Revoked, t.at.Held} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	waited, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		report, err := p.admin.Ready(waited, "")
		if err == nil {
			break
		}
		select {
		case <-waited.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("waiting for the servers: %s", report)
		case <-time.After(5 * time.Millisecond):
		}
	}
	if err := t.at.write(d.dir); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "DEMONSTRATION: names, keys and data are made up, and nothing here is legally valid.\n")
	fmt.Fprintf(d.out, "All servers listen on loopback only. They were ready after %s.\n\n", time.Since(started).Round(time.Millisecond))
	files := d.dir
	if d.temporary {
		files += " (removed at the end; --dir keeps them)"
	}
	for _, line := range [][2]string{
		{"public page, RA", t.at.RA + "/"}, {"CA (mutual TLS)", t.at.CAAPI}, {"OCSP", t.at.OCSP}, {"CRL", t.at.CRL}, {"delta CRL", t.at.DeltaCRL},
		{"TSA", t.at.TSA}, {"trust list", t.at.TrustList}, {"health, metrics", t.at.Admin["all"]}, {"files", files}, {"all of it", filepath.Join(d.dir, endpointsFile)},
	} {
		fmt.Fprintf(d.out, "    %-16s %s\n", line[0], line[1])
	}
	return t.run(ctx)
}

// tour prepares the guided tour of the process's servers.
func (d *demonstration) tour(p *process) (*tour, error) {
	c := p.config
	dir, err := filepath.Abs(d.dir)
	if err != nil {
		return nil, err
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	issuing := c.CA.Issuers[0]
	crlOf := map[string]string{}
	for _, issuer := range c.CA.Issuers {
		crlOf[issuer.ID] = string(issuer.CRL)
		if issuer.ID == c.RA.Issuer {
			issuing = issuer
		}
	}
	admin := "http://" + string(c.Admin.Listen)
	t := &tour{out: d.out, dir: dir, tsaConfig: in(configFile), citizens: citizens(), at: endpoints{
		Root: in("certificates/root.pem"), Issuer: string(issuing.Certificate),
		Chain: in("sample-chain.pem"), Leaf: in("sample.pem"), LeafKey: in("sample.key"), Revoked: in("revoked.pem"), Held: in("held.pem"),
		OCSP: string(issuing.OCSP), CRL: string(issuing.CRL), RootCRL: crlOf["root"], DeltaCRL: string(issuing.FreshestCRL),
		TSA: "http://" + string(c.TSA.Listen) + "/", TSAPolicy: c.TSA.Policies[0].ID,
		CAAPI: strings.TrimSuffix(string(c.RA.CA), "/"), CAClient: in("tls/operator.pem"), CAKey: in("keys/tls-operator.key"), CARoot: in("tls/root.pem"),
		RA: "http://" + string(c.RA.Listen), Admin: map[string]string{"all": admin},
	}}
	if c.Interop != nil {
		t.lists = c.Interop
		t.at.TrustList, t.at.TrustListSigner = "http://"+string(c.Interop.Listen)+"/"+trustListFile, string(c.Interop.Certificate)
	}
	for _, server := range []string{"ca", "ocsp", "crl", "tsa", "ra", "interop"} {
		t.at.Admin[server] = admin + "/" + server
	}
	if t.register, err = c.Register.address(); err != nil {
		return nil, err
	}
	root, err := readCertificate(config.Path(t.at.Root))
	if err != nil {
		return nil, err
	}
	issuers, err := p.caIssuers(c.CA.Issuers)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Timeout: 30 * time.Second}
	t.party = &party{http: client, root: root}
	for _, issuer := range issuers {
		if issuer.ID == issuing.ID {
			t.party.issuers = append(t.party.issuers, issuer.Certificate)
			// What is above it, without the root.
			t.party.issuers = append(t.party.issuers, issuer.Chain[:len(issuer.Chain)-1]...)
		}
	}
	for name, to := range map[string]*desk{"demo-operator": &t.operator, "demo-officer": &t.officer, "demo-revocation": &t.revocation} {
		token, err := os.ReadFile(in("staff/" + name + ".token"))
		if err != nil {
			return nil, fmt.Errorf("reading token: %w", err)
		}
		*to = desk{http: client, base: t.at.RA, token: strings.TrimSpace(string(token))}
	}
	t.authority, err = p.caClient(t.at.CAAPI, tlsConfig{
		Certificate: config.Path(t.at.CAClient), Key: "file:keys/tls-operator.key", Peers: config.Path(t.at.CARoot),
	})
	return t, err
}
