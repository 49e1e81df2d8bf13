package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// epollLoad asks over a number of connections, each with one request at a time,
// from one thread: the generator costs less than any server that it measures,
// so that the server is what is measured.
type epollLoad struct {
	address string
	conns   int
	// request returns the i-th request as it goes over the wire. check judges
	// the head and the content of its answer.
	request func(i int) []byte
	check   func(i int, head, content []byte) error
	// cpu is the processor time of the server.
	cpu func() time.Duration
	// awake is how long the load looks for an answer before it falls asleep.
	// Waking it costs the server, who would not have that with clients on other
	// machines, several times what sending the answer does.
	awake time.Duration
}

// loadConn is one connection of the load.
type loadConn struct {
	fd      int
	asked   int
	began   time.Time
	in      []byte
	pending int // octets in in
}

// run asks until the time is over and returns what was measured, or the first
// error of a connection or a check. The latencies are of each request.
func (l *epollLoad) run(length time.Duration) (m measured, err error) {
	return l.runTo(math.MaxInt, length)
}

// runTo is run that ends after a number of answers too.
func (l *epollLoad) runTo(most int, length time.Duration) (m measured, err error) {
	poll, err := syscall.EpollCreate1(0)
	if err != nil {
		return m, err
	}
	defer syscall.Close(poll)
	conns := make([]loadConn, l.conns)
	opened := 0
	defer func() {
		for _, c := range conns[:opened] {
			syscall.Close(c.fd)
		}
	}()
	for i := range conns {
		if conns[i].fd, err = connectTo(l.address); err != nil {
			return m, fmt.Errorf("connecting to %s: %w", l.address, err)
		}
		conns[i].in = make([]byte, 64<<10)
		opened++
		event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(i)}
		if err := syscall.EpollCtl(poll, syscall.EPOLL_CTL_ADD, conns[i].fd, &event); err != nil {
			return m, err
		}
	}
	m.latencies = make([]time.Duration, 0, 1<<20)
	before, start := l.cpu(), time.Now()
	next := 0
	for i := range conns {
		if err := l.ask(&conns[i], &next); err != nil {
			return m, err
		}
	}
	events := make([]syscall.EpollEvent, l.conns)
	for end := start.Add(length); len(m.latencies) < most; {
		// On a machine that does much else the first answer may take longer.
		if now := time.Now(); now.After(end) && (len(m.latencies) > 0 || now.After(end.Add(time.Minute))) {
			break
		}
		n, err := l.wait(poll, events)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return m, err
		}
		for i := range max(0, n) {
			c := &conns[events[i].Fd]
			done, err := l.take(c)
			if err != nil {
				return m, fmt.Errorf("request %d: %w", c.asked, err)
			}
			if done {
				m.latencies = append(m.latencies, time.Since(c.began))
				if err := l.ask(c, &next); err != nil {
					return m, err
				}
			}
		}
	}
	m.n, m.took, m.cpu = len(m.latencies), time.Since(start), l.cpu()-before
	if before < 0 {
		m.cpu = -1
	}
	if m.n == 0 {
		return m, errNothing
	}
	slices.Sort(m.latencies)
	return m, nil
}

// wait waits for answers.
func (l *epollLoad) wait(poll int, events []syscall.EpollEvent) (int, error) {
	for began := time.Now(); time.Since(began) < l.awake; {
		if n, err := syscall.EpollWait(poll, events, 0); n != 0 || err != nil {
			return n, err
		}
	}
	return syscall.EpollWait(poll, events, 100)
}

// ask sends the next request.
func (l *epollLoad) ask(c *loadConn, next *int) error {
	c.asked, c.began, c.pending = *next, time.Now(), 0
	*next++
	request := l.request(c.asked)
	n, _, code := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(c.fd), uintptr(unsafe.Pointer(&request[0])), uintptr(len(request)))
	if code != 0 {
		return code
	}
	if int(n) != len(request) {
		return errors.New("the server takes no request")
	}
	return nil
}

// take reads what has come and reports whether the answer is whole.
func (l *epollLoad) take(c *loadConn) (bool, error) {
	if c.pending == len(c.in) {
		return false, errors.New("the answer is too long")
	}
	n, _, code := syscall.RawSyscall(syscall.SYS_READ, uintptr(c.fd), uintptr(unsafe.Pointer(&c.in[c.pending])), uintptr(len(c.in)-c.pending))
	switch {
	case code == syscall.EAGAIN || code == syscall.EINTR:
		return false, nil
	case code != 0:
		return false, code
	case n == 0:
		return false, errors.New("the server closed the connection")
	}
	c.pending += int(n)
	answer := c.in[:c.pending]
	head := bytes.Index(answer, []byte("\r\n\r\n"))
	if head < 0 {
		return false, nil
	}
	length, err := contentLength(answer[:head+2])
	if err != nil {
		return false, err
	}
	switch whole := head + 4 + length; {
	case len(answer) < whole:
		return false, nil
	case len(answer) > whole:
		return false, errors.New("more came than the answer")
	}
	return true, l.check(c.asked, answer[:head+2], answer[head+4:])
}

// contentLength finds the length in the head of an answer.
func contentLength(head []byte) (int, error) {
	for _, name := range []string{"\r\nContent-Length: ", "\r\ncontent-length: "} {
		at := bytes.Index(head, []byte(name))
		if at < 0 {
			continue
		}
		value := head[at+len(name):]
		return strconv.Atoi(string(value[:bytes.IndexByte(value, '\r')]))
	}
	return 0, fmt.Errorf("an answer without Content-Length: %q", head)
}

// connectTo opens a connection that never blocks once it is open.
func connectTo(address string) (int, error) {
	resolved, err := net.ResolveTCPAddr("tcp4", address)
	if err != nil {
		return 0, err
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	to := syscall.SockaddrInet4{Port: resolved.Port}
	copy(to.Addr[:], resolved.IP.To4())
	for _, step := range []func() error{
		func() error { return syscall.Connect(fd, &to) },
		func() error { return syscall.SetNonblock(fd, true) },
		func() error { return syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1) },
	} {
		if err := step(); err != nil {
			syscall.Close(fd)
			return 0, err
		}
	}
	return fd, nil
}

// epollServe answers every read with the same octets until the listener's
// process is ended: what the machine allows a server at the most.
func epollServe(listener *net.TCPListener, answer []byte) error {
	file, err := listener.File()
	if err != nil {
		return err
	}
	defer file.Close()
	listening := int(file.Fd())
	if err := syscall.SetNonblock(listening, true); err != nil {
		return err
	}
	poll, err := syscall.EpollCreate1(0)
	if err != nil {
		return err
	}
	defer syscall.Close(poll)
	add := func(fd int) error {
		event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}
		return syscall.EpollCtl(poll, syscall.EPOLL_CTL_ADD, fd, &event)
	}
	if err := add(listening); err != nil {
		return err
	}
	events, in := make([]syscall.EpollEvent, 256), make([]byte, 16<<10)
	for {
		n, err := syscall.EpollWait(poll, events, -1)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return err
		}
		for i := range max(0, n) {
			fd := int(events[i].Fd)
			if fd == listening {
				accepted, _, err := syscall.Accept4(fd, syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
				if err == nil {
					err = add(accepted)
				}
				if err != nil && !errors.Is(err, syscall.EAGAIN) {
					return err
				}
				continue
			}
			got, _, code := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&in[0])), uintptr(len(in)))
			if code == syscall.EAGAIN {
				continue
			}
			if code == 0 && got > 0 {
				_, _, code = syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&answer[0])), uintptr(len(answer)))
			}
			if code != 0 || got == 0 {
				syscall.Close(fd)
			}
		}
	}
}
