package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/loopback"
)

// The test binary is the command, too: stories and crash tests start it under
// this name.
func TestMain(m *testing.M) {
	if os.Getenv("ALTAMGA_TEST_AS_COMMAND") != "" {
		main()
		return
	}
	// A process with the race detector lingers for a second at its end, and the
	// tests start hundreds: 20 ms are enough for what a command leaves running.
	if os.Getenv("GORACE") == "" {
		os.Setenv("GORACE", "atexit_sleep_ms=20")
	}
	testscript.Main(m, map[string]func(){"altamga": main})
}

// ownCommand is a command of ours, in a process of its own.
func ownCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(executable, args...)
	command.Env = append(os.Environ(), "ALTAMGA_TEST_AS_COMMAND=1")
	return command
}

// startCommand runs a command of ours until the test is over.
func startCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	server := ownCommand(t, args...)
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

func startServer(t *testing.T, name, file string) *exec.Cmd {
	t.Helper()
	return startCommand(t, name, "serve", "-c", file)
}

// centre is a demonstration in a process of its own.
type centre struct {
	t       *testing.T
	dir     string
	process *exec.Cmd
	output  *transcript
	at      endpoints
	exited  chan error
}

// startCentre runs `altamga demo` on the folder and waits until its servers
// are ready.
func startCentre(t *testing.T, dir string) *centre {
	t.Helper()
	c := &centre{t: t, dir: dir, output: new(transcript), exited: make(chan error, 1)}
	// A centre that was killed left this file behind.
	if err := removeEndpoints(dir); err != nil {
		t.Fatal(err)
	}
	c.process = ownCommand(t, "demo", "--dir", dir, "--base-port", "0")
	c.process.Stdout, c.process.Stderr = c.output, c.output
	if err := c.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.exited <- c.process.Wait() }()
	t.Cleanup(c.kill)
	for deadline := time.Now().Add(60 * time.Second); ; {
		data, err := os.ReadFile(filepath.Join(dir, endpointsFile))
		if err == nil {
			if err := json.Unmarshal(data, &c.at); err != nil {
				t.Fatal(err)
			}
			return c
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		select {
		case err := <-c.exited:
			c.exited <- err
			t.Fatalf("the centre ended: %v\n%s", err, c.output)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("the centre is not ready after a minute")
		}
	}
}

// transcript collects what a process prints while a test reads it.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *transcript) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *transcript) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// toured waits until the centre has walked its tour and returns what it
// printed.
func (c *centre) toured() string {
	c.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-c.exited:
			c.exited <- err
			c.t.Fatalf("the centre ended: %v\n%s", err, c.output)
		default:
		}
		if text := c.output.String(); strings.Contains(text, "End with Ctrl-C") {
			return text
		}
	}
	c.t.Fatalf("the tour does not end\n%s", c.output)
	return ""
}

// kill ends the centre as a power cut would.
func (c *centre) kill() {
	c.process.Process.Kill()
	c.exited <- <-c.exited
}

// stop ends the centre as an operator would and checks that it left in order.
func (c *centre) stop() {
	c.t.Helper()
	if err := c.process.Process.Signal(os.Interrupt); err != nil {
		c.t.Fatal(err)
	}
	err := <-c.exited
	c.exited <- err
	if err != nil {
		c.t.Fatalf("stopping: %v\n%s", err, c.output)
	}
	if _, err := os.Stat(filepath.Join(c.dir, endpointsFile)); !errors.Is(err, fs.ErrNotExist) {
		c.t.Fatalf("endpoints.json is still there: %v", err)
	}
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

// freePort is the port of a free address.
func freePort(t *testing.T) string {
	t.Helper()
	_, port, _ := strings.Cut(string(freeAddress(t)), ":")
	return port
}

// within gives a test's requests an end.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
