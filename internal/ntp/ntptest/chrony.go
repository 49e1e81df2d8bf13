// Package ntptest starts real time servers for tests: chrony's, on loopback,
// leaving the machine's clock alone.
package ntptest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/loopback"
	"github.com/altamga/altamga/internal/ntp"
)

// Config says what server to start.
type Config struct {
	// Port on 127.0.0.1; 0 takes a free one.
	Port int
	// Keys is the text of its key file.
	Keys string
	// Offset makes its clock wrong, as in "+5s". It takes the library of
	// faketime, which comes between the server and the system; programs in Go do
	// not go through it.
	Offset string
}

// Server is a running chronyd.
type Server struct {
	// Address is host and port.
	Address string
	Port    int
	// Stop ends it at once, as a cut cable would.
	Stop func()
}

// Start starts a server and waits until it answers. The test is skipped where
// the programs are not installed, and ends the server.
func Start(t testing.TB, c Config) *Server {
	t.Helper()
	path := program(t, "chronyd", "chrony")
	environment := os.Environ()
	if c.Offset != "" {
		libraries, err := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1")
		if err != nil || len(libraries) == 0 {
			t.Skip("libfaketime is not installed (Debian: faketime)")
		}
		environment = append(environment, "LD_PRELOAD="+libraries[0], "FAKETIME="+c.Offset)
	}
	if c.Port == 0 {
		c.Port = freePort(t)
	}
	config, err := configure(t.TempDir(), c)
	if err != nil {
		t.Fatal(err)
	}
	// -x leaves the clock alone, -d keeps it in the foreground, -U lets it run as
	// anybody.
	var log strings.Builder
	process := exec.Command(path, "-x", "-d", "-U", "-f", config)
	process.Env, process.WaitDelay = environment, time.Second
	process.Stdout, process.Stderr = &log, &log
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	s := &Server{Address: fmt.Sprintf("127.0.0.1:%d", c.Port), Port: c.Port, Stop: func() {
		if !stopped {
			process.Process.Kill()
			process.Wait()
			stopped = true
		}
	}}
	t.Cleanup(s.Stop)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err = (&ntp.Server{Address: s.Address}).Query(ctx)
		cancel()
		if err == nil {
			return s
		}
	}
	s.Stop()
	t.Fatalf("chronyd does not answer: %v\n%s", err, log.String())
	return nil
}

func configure(dir string, c Config) (string, error) {
	me, err := user.Current()
	if err != nil {
		return "", err
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	text := fmt.Sprintf("port %d\nbindaddress 127.0.0.1\nallow 127.0.0.1\nlocal stratum 5\ncmdport 0\nbindcmdaddress /\npidfile %s\nkeyfile %s\nuser %s\n",
		c.Port, in("pid"), in("keys"), me.Username)
	if err := os.WriteFile(in("keys"), []byte(c.Keys), 0o600); err != nil {
		return "", err
	}
	return in("chrony.conf"), os.WriteFile(in("chrony.conf"), []byte(text), 0o600)
}

// program finds a program, also where only administrators look.
func program(t testing.TB, name, debian string) string {
	t.Helper()
	for _, candidate := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	t.Skipf("%s is not installed (Debian: %s)", name, debian)
	return ""
}

func freePort(t testing.TB) int {
	t.Helper()
	for {
		address, err := loopback.Address()
		if err != nil {
			t.Fatal(err)
		}
		if socket, err := net.ListenPacket("udp", address); err == nil {
			defer socket.Close()
			return socket.LocalAddr().(*net.UDPAddr).Port
		}
	}
}
