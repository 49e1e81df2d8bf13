package http1

import (
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A goroutine for each connection costs a system call more for each request,
// the read that finds nothing and parks it, and two turns of the scheduler.
// Where a request costs eight microseconds in all, that is a third of it. So
// TCP connections on Linux are waited for by a few loops with an epoll
// descriptor of their own, each of which is, to Go's scheduler, one goroutine
// that waits for one readable file. A loop answers what lies ready. It never
// blocks: a request that needs an answer made is given to a goroutine for as
// long as that takes (work_linux.go), and a peer that does not read gets one of
// its own for good (conn.go).

// poller spreads connections over loops.
type poller struct {
	loops []*loop
	next  atomic.Uint64
}

// newPoller starts the loops, or returns nil where the system does not allow
// them.
func (s *Server) newPoller() *poller {
	p := new(poller)
	for range min(runtime.GOMAXPROCS(0), 8) {
		l, err := newLoop(s)
		if err != nil {
			break
		}
		p.loops = append(p.loops, l)
	}
	if len(p.loops) == 0 {
		return nil
	}
	for _, l := range p.loops {
		go l.run()
	}
	return p
}

// pollable returns the TCP connection that can be waited for here, or nil.
func pollable(accepted net.Conn) *net.TCPConn {
	under := accepted
	if wrapped, ok := accepted.(interface{ NetConn() net.Conn }); ok {
		under = wrapped.NetConn()
	}
	tcp, _ := under.(*net.TCPConn)
	return tcp
}

// add gives the connection to a loop and reports whether it did. tcp is what
// pollable returned.
func (p *poller) add(accepted net.Conn, tcp *net.TCPConn) bool {
	// A descriptor of our own: Go's poller would wake for the first one too.
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	fd := -1
	if raw.Control(func(its uintptr) {
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		if fd, err = syscall.Dup(int(its)); err == nil {
			syscall.CloseOnExec(fd)
		}
	}) != nil || err != nil {
		return false
	}
	tcp.Close()
	p.loops[p.next.Add(1)%uint64(len(p.loops))].add(&polled{fd: fd, owner: accepted, since: time.Now()})
	return true
}

// stop wakes the loops, which see that the server stops.
func (p *poller) stop() {
	for _, l := range p.loops {
		_ = l.file.SetReadDeadline(time.Now())
	}
}

// shed lets the loops end the connections that have waited longest.
func (p *poller) shed() {
	for _, l := range p.loops {
		l.crowded.Store(true)
		_ = l.file.SetReadDeadline(time.Now())
	}
}

// cut ends every connection under whoever works on it, who then closes it.
func (p *poller) cut() {
	for _, l := range p.loops {
		l.mu.Lock()
		for _, c := range l.conns {
			_ = syscall.Shutdown(c.fd, syscall.SHUT_RDWR)
		}
		l.mu.Unlock()
	}
}

func (p *poller) open() int {
	n := 0
	for _, l := range p.loops {
		l.mu.Lock()
		n += len(l.conns)
		l.mu.Unlock()
	}
	return n
}

// loop serves connections from one goroutine.
type loop struct {
	server *Server
	file   *os.File // the epoll descriptor
	epoll  int
	// x is used for one connection after another.
	x      exchange
	events []syscall.EpollEvent
	due    []*polled

	mu    sync.Mutex
	conns map[int32]*polled // by descriptor
	// crowded asks to end the connection that has waited longest.
	crowded atomic.Bool

	workers
}

// polled is a connection of a loop.
type polled struct {
	fd int
	// owner is the connection as it was accepted. It is closed already but for
	// what its wrapper counts.
	owner net.Conn
	// in is the beginning of a request.
	in []byte
	// since is when the last octets came, or the first of those in in; when the
	// connection came, while none have.
	since time.Time
	heard bool

	mu sync.Mutex
	// busy: a worker makes an answer. muted: more came meanwhile. gone: the
	// descriptor is no longer this connection's.
	busy, muted, gone bool
}

func newLoop(s *Server) (*loop, error) {
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if err := syscall.SetNonblock(epoll, true); err != nil {
		syscall.Close(epoll)
		return nil, err
	}
	file := os.NewFile(uintptr(epoll), "epoll")
	// A file without deadlines is one that Go's poller does not take.
	if err := file.SetReadDeadline(time.Time{}); err != nil {
		file.Close()
		return nil, err
	}
	return &loop{
		server: s, file: file, epoll: epoll, x: exchange{server: s, in: make([]byte, maxBuffer)},
		events: make([]syscall.EpollEvent, 128), conns: make(map[int32]*polled),
	}, nil
}

// add takes the connection, or closes it when the server stops.
func (l *loop) add(c *polled) {
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.server.stopping.Load() || l.control(syscall.EPOLL_CTL_ADD, c.fd, syscall.EPOLLIN) != nil {
		syscall.Close(c.fd)
		c.owner.Close()
		return
	}
	l.conns[int32(c.fd)] = c
	l.server.serving.Add(1)
}

func (l *loop) control(operation, fd int, events uint32) error {
	return syscall.EpollCtl(l.epoll, operation, fd, &syscall.EpollEvent{Events: events, Fd: int32(fd)})
}

// run serves until the server stops and every connection has ended.
func (l *loop) run() {
	defer l.file.Close()
	defer l.dismiss()
	raw, err := l.file.SyscallConn()
	if err != nil {
		return // the file was just opened
	}
	n := 0
	look := func(fd uintptr) bool {
		n, err = syscall.EpollWait(int(fd), l.events, 0)
		return n != 0
	}
	swept := time.Now()
	_ = l.file.SetReadDeadline(swept.Add(sweepEvery))
	for {
		n = 0
		waited := raw.Read(look)
		now := time.Now()
		for _, c := range l.ready(l.events[:max(0, n)]) {
			l.serve(c, now)
		}
		if waited != nil && (l.server.stopping.Load() || l.crowded.Load()) || now.Sub(swept) >= sweepEvery {
			swept = now
			left := l.sweep(now)
			if l.server.stopping.Load() && left == 0 {
				return
			}
		}
		if waited != nil || swept == now {
			_ = l.file.SetReadDeadline(now.Add(sweepEvery))
		}
		// Let those go on that make answers.
		runtime.Gosched()
	}
}

// ready returns the connections of the events.
func (l *loop) ready(events []syscall.EpollEvent) []*polled {
	l.due = l.due[:0]
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range events {
		if c, ok := l.conns[events[i].Fd]; ok {
			l.due = append(l.due, c)
		}
	}
	return l.due
}

// serve reads from a connection and answers what lies ready.
func (l *loop) serve(c *polled, now time.Time) {
	if c.mute(l) {
		return
	}
	x := &l.x
	x.start, x.end = 0, copy(x.in, c.in)
	n, err := syscall.Read(c.fd, x.in[x.end:])
	if err == syscall.EAGAIN || err == syscall.EINTR {
		return
	}
	if err != nil || n == 0 {
		l.end(c)
		return
	}
	if x.end == 0 {
		c.since = now
	}
	c.heard = true
	x.end += n
	l.proceed(c, x, now, more, false)
}

// mute reports whether the connection is not the loop's: a worker has it,
// and the loop stops hearing of it then, or has ended it since the event was
// seen, and the descriptor may be another's.
func (c *polled) mute(l *loop) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy && !c.muted && !c.gone {
		// Of a connection that its peer has cut off epoll tells whatever it was
		// asked for, again and again: it is taken out.
		c.muted = true
		_ = l.control(syscall.EPOLL_CTL_DEL, c.fd, 0)
	}
	return c.busy || c.gone
}

// proceed answers what x holds of the connection, of which halt is known: slow,
// or more when nothing is. blocking says that it may wait for answers, being on
// a worker.
func (l *loop) proceed(c *polled, x *exchange, now time.Time, halt step, blocking bool) {
	kept := true
	defer func() {
		if v := recover(); v != nil {
			x.failed(v, debug.Stack())
			_ = c.send(x)
			x.sent()
			if kept {
				l.end(c)
			}
		}
	}()
	for {
		if halt == more || halt == full {
			halt = x.answer(now)
		}
		var err error
		for halt == slow && blocking {
			if err = c.send(x); err != nil {
				break
			}
			halt = x.make()
			now = time.Now()
		}
		// What failed is not tried again: leaving and going on exclude each other.
		if err == nil {
			err = c.send(x)
		}
		if err != nil {
			kept = false
			if err == syscall.EAGAIN {
				l.leave(c, x, func(moved net.Conn) { l.slowly(moved, x, halt) })
			} else {
				l.end(c)
			}
			x.sent()
			return
		}
		switch halt {
		case last:
			kept = false
			l.end(c)
			return
		case handOver:
			kept = false
			rest := append([]byte(nil), x.in[x.start:x.end]...)
			l.leave(c, x, func(moved net.Conn) { l.server.Handover(&replay{Conn: moved, rest: rest}) })
			return
		case slow:
			c.keep(x)
			c.mu.Lock()
			c.busy = true
			c.mu.Unlock()
			l.hand(c)
			return
		case more:
			answered := x.start > 0
			c.keep(x)
			if c.in != nil && (blocking || answered) {
				c.since = now
			}
			return
		}
	}
}

// keep leaves with the connection what was read and not answered.
func (c *polled) keep(x *exchange) {
	c.in = nil
	if x.start < x.end {
		c.in = append([]byte(nil), x.in[x.start:x.end]...)
	}
}

// send writes what is pending. With EAGAIN, what could not be sent is pending
// still.
func (c *polled) send(x *exchange) error {
	if len(x.out) == 0 {
		return nil
	}
	for sent := 0; ; {
		n, err := syscall.Write(c.fd, x.out[sent:])
		if err == syscall.EINTR {
			continue
		}
		if sent += max(0, n); sent == len(x.out) {
			x.sent()
			return nil
		}
		if err != nil {
			x.out = x.out[:copy(x.out, x.out[sent:])]
			return err
		}
	}
}

// end closes the connection.
func (l *loop) end(c *polled) {
	l.forget(c)
	syscall.Close(c.fd)
	c.owner.Close()
	l.server.serving.Done()
}

// forget makes the descriptor somebody else's.
func (l *loop) forget(c *polled) {
	l.mu.Lock()
	delete(l.conns, int32(c.fd))
	l.mu.Unlock()
	c.mu.Lock()
	c.gone = true
	c.mu.Unlock()
}
