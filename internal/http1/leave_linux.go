package http1

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// leave takes the connection from the loop and gives it to do as one of Go's.
func (l *loop) leave(c *polled, x *exchange, do func(net.Conn)) {
	l.forget(c)
	_ = l.control(syscall.EPOLL_CTL_DEL, c.fd, 0)
	file := os.NewFile(uintptr(c.fd), "connection")
	moved, err := net.FileConn(file)
	file.Close()
	if err != nil {
		c.owner.Close()
	} else {
		do(&owned{Conn: moved, owner: c.owner})
	}
	l.server.serving.Done()
}

// slowly serves a connection whose peer does not read, on a goroutine.
func (l *loop) slowly(moved net.Conn, x *exchange, halt step) {
	c := &conn{Conn: moved, heard: true, exchange: exchange{server: l.server, in: make([]byte, maxBuffer)}}
	c.out = append(c.out, x.out...)
	c.end = copy(c.in, x.in[x.start:x.end])
	c.ended = halt == last
	if !l.server.start(c) {
		moved.Close()
	}
}

// owned is a connection that gives back what its owner counts.
type owned struct {
	net.Conn
	owner net.Conn
}

func (o *owned) Close() error { return errors.Join(o.Conn.Close(), ignore(o.owner.Close())) }

// CloseWrite implements what closeWrite looks for.
func (o *owned) CloseWrite() error { return closeWrite(o.Conn) }

// ignore drops the error of closing what is closed.
func ignore(error) error { return nil }
