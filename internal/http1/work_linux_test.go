package http1_test

import (
	"net"
	"runtime"
	"strings"
	"sync"
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
