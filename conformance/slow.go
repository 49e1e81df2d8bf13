package conformance

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	// slowClients is how many slow clients of each kind are connected at once.
	slowClients = 4
	// slowOctets is how often the slowest send an octet.
	slowOctets = 250 * time.Millisecond
	// slowAsks is how often others are asked for meanwhile, at most.
	slowAsks = 10
)

// slowKinds are requests that never end: by which method (that of an honest one
// when empty), what follows the first fields at once, and whether octets follow
// for ever.
var slowKinds = [3]struct {
	name, method, begun string
	drips               bool
}{
	{"a request whose header never ends", "", "", false},
	{"a request whose body never ends", http.MethodPost, "Content-Length: 1000\r\n\r\n0", false},
	{"a request octet by octet", "", "X-Slow: ", true},
}

// slow is what came of slow clients.
type slow struct {
	kinds  [len(slowKinds)][slowClients]slowEnd
	others []*Exchange // honest questions meanwhile, the last one perhaps not served
	refuse error       // what was wrong with the last
}

// slowEnd is how one connection ended.
type slowEnd struct {
	x    *Exchange
	held bool // it did not
}

// slowChecks are what is asked of every server that is pressed.
var slowChecks = []check[*load]{
	{"SLOW-01", "RFC 9110, Section 15.5.9", Should, "a request whose header never ends is answered or its connection closed", "with consent, begin such requests and wait", wire, ends(0)},
	{"SLOW-02", "RFC 9110, Section 15.5.9", Should, "a request whose body never ends is answered or its connection closed", "with consent, begin such requests and wait", wire, ends(1)},
	{"SLOW-03", "RFC 9110, Section 15.5.9", Should, "a request that comes octet by octet is answered or its connection closed", "with consent, send an octet now and then, and wait", wire, ends(2)},
	{"SLOW-04", "RFC 9110, Section 15.6.4", Must, "others are served while slow clients are connected", "with consent, ask as usual meanwhile", wire, func(t *trial, l *load) {
		s := l.slowly(t)
		t.saw(s.others...)
		if s.refuse != nil {
			t.fail("with %d slow clients connected, the server does not answer as before: %v", len(slowKinds)*slowClients, s.refuse)
			return
		}
		t.measured("%d questions of others were answered meanwhile", len(s.others))
	}},
}

// ends judges how the connections of one kind ended.
func ends(kind int) func(*trial, *load) {
	return func(t *trial, l *load) {
		held, longest := 0, time.Duration(0)
		for _, one := range l.slowly(t).kinds[kind] {
			t.saw(one.x)
			longest = max(longest, one.x.Took)
			if one.held {
				held++
			}
		}
		if held > 0 {
			t.miss("%d of %d connections were neither answered nor closed within %v", held, slowClients, l.Slow)
			return
		}
		t.measured("the last of %d connections was answered or closed after %v", slowClients, longest.Round(time.Millisecond))
	}
}

// slowly connects the slow clients, once, and asks as others do while they wait.
func (l *load) slowly(t *trial) *slow {
	if l.slow != nil {
		return l.slow
	}
	q := l.honest(0)
	q.name = "before slow clients"
	x := l.client.ask(t.ctx, q)
	if err := l.judge(0, x); err != nil {
		t.saw(x)
		t.couldNot("before slow clients: %v", err)
	}
	s := &slow{}
	ctx, cancel := context.WithTimeout(t.ctx, l.Slow)
	defer cancel()
	var group sync.WaitGroup
	for kind := range slowKinds {
		for i := range slowClients {
			group.Go(func() { s.kinds[kind][i] = l.dawdle(ctx, kind, q) })
		}
	}
	over := make(chan struct{})
	go func() { group.Wait(); close(over) }()
	l.askMeanwhile(t, s, over)
	<-over
	for _, kind := range s.kinds {
		for _, one := range kind {
			l.client.keep(one.x)
		}
	}
	if t.ctx.Err() != nil {
		t.couldNot("the time for the whole run is over before the slow clients are")
	}
	l.slow = s
	return s
}

// askMeanwhile asks honest questions until the slow clients are over.
func (l *load) askMeanwhile(t *trial, s *slow, over <-chan struct{}) {
	for n := 1; n <= slowAsks && s.refuse == nil; n++ {
		select {
		case <-over:
			if n > 1 {
				return
			}
		case <-time.After(min(time.Second, l.Slow/(slowAsks+1))):
		}
		q := l.honest(n)
		q.name = "beside slow clients"
		x := l.client.ask(t.ctx, q)
		s.others = append(s.others, x)
		if err := l.judge(n, x); err != nil && !errors.Is(err, errBusy) {
			s.refuse = err
		}
	}
}

// dawdle is one slow client, until it is answered or its connection closed, or
// the time for it over.
func (l *load) dawdle(ctx context.Context, kind int, q question) slowEnd {
	how := slowKinds[kind]
	x := &Exchange{Name: how.name, Method: cmp.Or(how.method, q.method), URL: q.url, At: time.Now()}
	end := func(held bool, err error) slowEnd {
		x.Took, x.Err = time.Since(x.At), err
		return slowEnd{x, held}
	}
	u, err := url.Parse(q.url)
	if err != nil {
		return end(false, err)
	}
	connection, err := slowDial(ctx, u)
	if err != nil {
		return end(ctx.Err() != nil, fmt.Errorf("no connection: %w", err))
	}
	defer connection.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = connection.SetDeadline(deadline)
	}
	x.Request = fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nContent-Type: %s\r\n%s",
		x.Method, u.RequestURI(), u.Host, l.client.agent, cmp.Or(q.header["Content-Type"], "text/plain"), how.begun)
	if _, err := connection.Write(x.Request); err != nil {
		return end(false, err)
	}
	if how.drips {
		stop := make(chan struct{})
		defer close(stop)
		go drip(connection, stop)
	}
	answer, err := http.ReadResponse(bufio.NewReader(io.LimitReader(connection, maxHeader)), nil)
	if err != nil {
		timeout, ok := errors.AsType[net.Error](err)
		return end(ok && timeout.Timeout(), fmt.Errorf("no answer: %w", err))
	}
	answer.Body.Close()
	x.Status, x.Header = answer.StatusCode, answer.Header
	return end(false, nil)
}

// drip sends an octet now and then.
func drip(connection net.Conn, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(slowOctets):
		}
		if _, err := connection.Write([]byte("0")); err != nil {
			return
		}
	}
}

func slowDial(ctx context.Context, u *url.URL) (net.Conn, error) {
	if u.Scheme == "https" {
		return (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(ctx, "tcp", hostPort(u))
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", hostPort(u))
}
