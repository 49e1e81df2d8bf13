package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/altamga/altamga/internal/config"
)

// foundCentre creates a centre in a new folder.
func foundCentre(t *testing.T) (dir string) {
	t.Helper()
	return foundBy(t, builtIn(t))
}

// foundServing creates a centre whose servers have free addresses.
func foundServing(t *testing.T) (dir string, servers planServers) {
	t.Helper()
	p := builtIn(t)
	freePorts(t, p)
	return foundBy(t, p), p.Servers
}

// foundBy creates the centre of a plan.
func foundBy(t *testing.T, p *plan) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "centre")
	if err := found(t.Context(), p, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// builtIn is the plan that `altamga init` has by itself.
func builtIn(t *testing.T) *plan {
	t.Helper()
	p, err := loadPlan("")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// freePorts gives the servers of a plan free addresses.
func freePorts(t *testing.T, p *plan) {
	t.Helper()
	for _, port := range ports(&p.Servers) {
		address := freeAddress(t)
		scheme, _, _ := strings.Cut(string(port.server.URL), ":")
		port.server.Listen, port.server.URL = address, config.URL(scheme+"://"+string(address)+"/")
	}
}

// loadConfigFile reads the configuration of a centre.
func loadConfigFile(dir string) (*suiteConfig, error) {
	var c suiteConfig
	return &c, config.Load(filepath.Join(dir, configFile), &c)
}

// edit replaces a text in the centre's configuration.
func edit(t *testing.T, dir, before, after string) {
	t.Helper()
	file := filepath.Join(dir, configFile)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), before) {
		t.Fatalf("the configuration has no %s", before)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), before, after, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}
