package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
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
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &centre{t: t, dir: dir, output: new(transcript), exited: make(chan error, 1)}
	// A centre that was killed left this file behind.
	if err := removeEndpoints(dir); err != nil {
		t.Fatal(err)
	}
	c.process = exec.Command(executable, "demo", "--dir", dir, "--base-port", "0")
	c.process.Env = append(os.Environ(), "ALTAMGA_TEST_AS_COMMAND=1")
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

// within gives a test's requests an end.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
