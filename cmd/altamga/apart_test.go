package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/loopback"
)

// TestServersApart runs each server in a process of its own, with a
// configuration file of its own, and walks the tour against them. Then it kills
// the certification authority and sees the others go on (design rule G9).
func TestServersApart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "centre")
	p, err := loadPlan("")
	if err != nil {
		t.Fatal(err)
	}
	for _, port := range ports(&p.Servers) {
		address := freeAddress(t)
		scheme, _, _ := strings.Cut(string(port.server.URL), ":")
		port.server.Listen, port.server.URL = address, config.URL(scheme+"://"+string(address)+"/")
	}
	ctx := within(t, 2*time.Minute)
	if err := found(ctx, p, dir); err != nil {
		t.Fatal(err)
	}
	whole, err := loadConfigFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	servers := map[string]*exec.Cmd{}
	admin := map[string]config.Address{}
	for _, name := range []string{"ca", "ocsp", "crl", "tsa", "ra", "interop"} {
		admin[name] = freeAddress(t)
		file := splitConfig(t, dir, name, admin[name])
		servers[name] = startServer(t, name, file)
	}
	for name := range servers {
		waitReady(t, ctx, "http://"+string(admin[name])+"/readyz")
	}
	// The ca's audit log is the one that the tour looks at.
	d := &demonstration{dir: dir, out: io.Discard}
	tour, err := d.tour(&process{config: whole, dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	tour.tsaConfig = filepath.Join(dir, "tsa.toml")
	if err := tour.run(ctx); err != nil {
		t.Fatal(err)
	}

	// Killed, not stopped: the others have no chance to prepare.
	if err := servers["ca"].Process.Kill(); err != nil {
		t.Fatal(err)
	}
	servers["ca"].Wait()
	if status, err := tour.party.status(ctx, tour.citizen.signature); err != nil || status != "good" {
		t.Errorf("without the ca, OCSP says %q, %v", status, err)
	}
	if _, reason, err := tour.party.list(ctx, tour.citizen.signature); err != nil || reason != -1 {
		t.Errorf("without the ca, the CRL says %d, %v", reason, err)
	}
	if _, _, err := tour.party.stamp(ctx, tour.at.TSA, []byte("x")); err != nil {
		t.Errorf("without the ca, a time stamp: %v", err)
	}
	if _, err := tour.submit(ctx, person{"Sınaq", "Nümunəyev", "D000001"}); err != nil {
		t.Errorf("without the ca, an application: %v", err)
	}
	err = tour.change(ctx, tour.operator, tour.citizen, "suspend", map[string]string{"owner": "holder"})
	if err == nil || !strings.Contains(err.Error(), "unavailable") {
		t.Errorf("without the ca, a suspension ends with %v", err)
	}

	for _, name := range []string{"ocsp", "crl", "tsa", "ra"} {
		if err := servers[name].Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := servers[name].Wait(); err != nil {
			t.Errorf("%s serve: %v", name, err)
		}
	}
}

// loadConfigFile reads the configuration of a centre.
func loadConfigFile(dir string) (*suiteConfig, error) {
	var c suiteConfig
	return &c, config.Load(filepath.Join(dir, configFile), &c)
}

// splitConfig writes a configuration with one server's section, and an audit
// log and an admin address of its own.
func splitConfig(t *testing.T, dir, name string, admin config.Address) string {
	t.Helper()
	whole, err := os.ReadFile(filepath.Join(dir, configFile))
	if err != nil {
		t.Fatal(err)
	}
	c, err := loadConfigFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	log, origin := "audit.log", c.Audit.Origin
	if name != "ca" {
		log, origin = "audit-"+name+".log", origin+"/"+name
	}
	text := fmt.Sprintf("[register]\npath = \"register.db\"\n[audit]\npath = %q\nkey = \"file:keys/audit.key\"\norigin = %q\n[admin]\nlisten = %q\n", log, origin, admin)
	section := regexp.MustCompile(`(?ms)^\[` + name + `\]$.*?(^\[[a-z]+\]$|\z)`).FindString(string(whole))
	if i := strings.LastIndex(section, "\n["); i > 0 && !strings.HasPrefix(section[i:], "\n[[") {
		section = section[:i]
	}
	file := filepath.Join(dir, name+".toml")
	if err := os.WriteFile(file, []byte(text+section+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func startServer(t *testing.T, name, file string) *exec.Cmd {
	t.Helper()
	return startCommand(t, name, "serve", "-c", file)
}

func startCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command(executable, args...)
	server.Env = append(os.Environ(), "ALTAMGA_TEST_AS_COMMAND=1")
	output := new(transcript)
	server.Stdout, server.Stderr = output, output
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Kill()
		if t.Failed() {
			t.Logf("altamga %s:\n%s", strings.Join(args, " "), output)
		}
	})
	return server
}

func waitReady(t *testing.T, ctx context.Context, url string) {
	t.Helper()
	last := "no answer"
	for ctx.Err() == nil {
		if response, err := http.Get(url); err == nil {
			body, _ := io.ReadAll(response.Body)
			response.Body.Close()
			if last = string(body); response.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s: %s", url, last)
}

// freeAddress is a loopback address for a process that the test starts.
func freeAddress(t *testing.T) config.Address {
	t.Helper()
	address, err := loopback.Address()
	if err != nil {
		t.Fatal(err)
	}
	return config.Address(address)
}
