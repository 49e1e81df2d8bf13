package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/config"
)

// TestServersApart runs each server in a process of its own, with a
// configuration file of its own, and walks the tour against them. Then it kills
// the certification authority and sees the others go on (design rule G9).
func TestServersApart(t *testing.T) {
	t.Parallel()
	dir, _ := foundServing(t)
	ctx := within(t, 2*time.Minute)
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
