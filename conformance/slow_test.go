package conformance_test

import (
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/altamga/altamga/conformance"
)

// fed is a connection that is cut off when nothing comes for a while, and not as
// long as something does.
type fed struct{ net.Conn }

func (c *fed) Read(p []byte) (int, error) {
	_ = c.SetReadDeadline(time.Now().Add(slowPatience))
	return c.Conn.Read(p)
}

// single is a connection that the next one waits for.
type single struct {
	net.Conn
	close func()
}

func (c *single) Close() error {
	c.close()
	return c.Conn.Close()
}

// slowListener changes each connection that it accepts.
type slowListener struct {
	net.Listener
	change func(net.Conn) net.Conn
}

func (l slowListener) Accept() (net.Conn, error) {
	connection, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.change(connection), nil
}

// slowPatience is how long the servers here wait that do not wait for ever.
const slowPatience = 2 * time.Second

// slowly judges a server with slow clients that wait so long.
func slowly(t *testing.T, c *centre, wait time.Duration, configure func(*httptest.Server)) *conformance.Report {
	t.Helper()
	server := httptest.NewUnstartedServer(&fakeOCSP{c: c, delegate: c.delegate, began: time.Now()})
	configure(server)
	server.Start()
	defer server.Close()
	tester, err := conformance.New(conformance.Config{NoHostile: true, Timeout: wait / 2, Load: conformance.Load{Rate: 1, For: time.Millisecond, Slow: wait}})
	if err != nil {
		t.Fatal(err)
	}
	if err := tester.OCSP(t.Context(), (&fakeOCSP{c: c}).target(server.URL+"/")); err != nil {
		t.Fatal(err)
	}
	r := tester.Report()
	r.Sections = r.Sections[1:]
	return r
}

// TestSlowClients has servers that end what never ends, and servers that wait.
func TestSlowClients(t *testing.T) {
	c := newCentre(t)
	t.Run("they are cut off", func(t *testing.T) {
		t.Parallel()
		r := slowly(t, c, time.Minute, func(s *httptest.Server) { s.Config.ReadTimeout = slowPatience })
		switchboard.sound(t, r)
		if figures := strings.Join(r.Sections[0].Results[4].Figures, ""); !strings.Contains(figures, "questions of others were answered meanwhile") {
			t.Errorf("there are no figures: %q", figures)
		}
	})
	changed := func(change func(net.Conn) net.Conn) func(*httptest.Server) {
		return func(s *httptest.Server) { s.Listener = slowListener{s.Listener, change} }
	}
	var one sync.Mutex
	for _, row := range []struct {
		planted
		configure func(*httptest.Server)
	}{
		{planted{"SLOW-01 whoever begins a request may stay", []string{"SLOW-02", "SLOW-03"}}, func(*httptest.Server) {}},
		{planted{"SLOW-02 a body is waited for", nil}, func(s *httptest.Server) { s.Config.ReadHeaderTimeout = slowPatience }},
		{planted{"SLOW-03 whoever sends an octet now and then stays", nil}, changed(func(c net.Conn) net.Conn { return &fed{c} })},
		{planted{"SLOW-04 one client at a time", []string{"SLOW-01", "SLOW-02", "SLOW-03"}}, changed(func(c net.Conn) net.Conn {
			one.Lock()
			return &single{c, sync.OnceFunc(one.Unlock)}
		})},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			switchboard.judged(t, row.planted, slowly(t, c, 6*time.Second, row.configure))
		})
	}
}
