package http1_test

import (
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// atWork returns how many workers there are.
func atWork() int {
	stacks := make([]byte, 8<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "http1.(*loop).work(")
}

// TestWorkers lets many requests need an answer made at once: the workers that
// made them are kept up to a bound, make the next ones, and end with the server.
func TestWorkers(t *testing.T) {
	const clients = 700 // more than all loops of two processors keep
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var together sync.WaitGroup
	together.Add(clients)
	s := start(t, l, echo{wait: func(path string) {
		if path == "/slow/together" {
			together.Done()
			together.Wait()
		}
	}}, nil)
	var group sync.WaitGroup
	conns := make([]net.Conn, clients)
	for i := range conns {
		group.Go(func() {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				panic(err) // the others would wait for this one
			}
			conns[i] = c
			if got := exchange(t, conns[i], get("/slow/together"), 1); got[0] != "200 /slow/together" {
				t.Errorf("got %q", got)
			}
		})
	}
	group.Wait()
	bound := min(runtime.GOMAXPROCS(0), 8) * 256
	if !settles(func() bool { n := atWork(); return n > 0 && n <= bound }) {
		t.Errorf("%d workers are kept", atWork())
	}
	before := atWork()
	for range 3 {
		exchange(t, conns[0], get("/slow/alone"), 1)
	}
	if after := atWork(); after > before {
		t.Errorf("%d workers, and %d after three requests that came one by one", before, after)
	}
	for _, c := range conns {
		c.Close()
	}
	if err := s.stop(t, 5*time.Second); err != nil {
		t.Errorf("stopping: %v", err)
	}
	if !settles(func() bool { return atWork() == 0 }) {
		t.Errorf("%d workers outlive the server", atWork())
	}
}

// A peer that cuts the connection off while its answer is made costs nothing
// until the answer is there.
func TestCutOffPeerIsNotPolled(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	begun, release := make(chan struct{}), make(chan struct{})
	s := start(t, l, echo{wait: func(string) { close(begun); <-release }}, nil)
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, get("/slow"))
	<-begun
	c.(*net.TCPConn).SetLinger(0) // a reset
	c.Close()
	time.Sleep(50 * time.Millisecond)
	before := spent(t)
	time.Sleep(500 * time.Millisecond)
	if got := spent(t) - before; got > 50*time.Millisecond {
		t.Errorf("waiting for half a second took %v of the processor", got)
	}
	close(release)
	if err := s.stop(t, 60*time.Second); err != nil || s.Open() != 0 {
		t.Errorf("stopping: %v, %d connections left", err, s.Open())
	}
}

// spent is the processor time that this process has used.
func spent(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// settles waits a moment for what is true soon.
func settles(is func() bool) bool {
	for range 500 {
		if is() {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}
