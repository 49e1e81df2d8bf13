package http1_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// A server that is full ends a connection that waits for its next request, and
// leaves alone one whose answer is being made.
func TestShed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	making, goOn := make(chan struct{}), make(chan struct{})
	s := start(t, l, echo{wait: func(string) {
		close(making)
		<-goOn
	}}, nil)
	dial := func(wire string) (net.Conn, *bufio.Reader) {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		io.WriteString(c, wire)
		return c, bufio.NewReader(c)
	}
	_, working := dial(get("/slow"))
	<-making
	_, waiting := dial(get("/"))
	if _, err := http.ReadResponse(waiting, nil); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, waiting)
		close(ended)
	}()
	// It is not shed before it has waited for a moment.
	for open := true; open; {
		s.Shed()
		select {
		case <-ended:
			open = false
		case <-time.After(50 * time.Millisecond):
		}
	}
	close(goOn)
	if response, err := http.ReadResponse(working, nil); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("the one at work: %v, %v", response, err)
	}
	if err := s.stop(t, 30*time.Second); err != nil {
		t.Error(err)
	}
}
