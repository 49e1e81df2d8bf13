package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
)

// tokenLoad sends queries over connections that stay open. It writes HTTP itself:
// a client library would cost the load more than the server has to do, and the
// load would be what is measured.
type tokenLoad struct {
	head []byte
	idle chan *loadConnection
}

type loadConnection struct {
	net.Conn
	r   *bufio.Reader
	out []byte
}

func newTokenLoad(address string, connections int) (*tokenLoad, error) {
	l := &tokenLoad{
		head: []byte("POST / HTTP/1.1\r\nHost: " + address + "\r\nContent-Type: application/timestamp-query\r\nContent-Length: "),
		idle: make(chan *loadConnection, connections),
	}
	for range connections {
		c, err := net.Dial("tcp", address)
		if err != nil {
			l.close()
			return nil, err
		}
		l.idle <- &loadConnection{Conn: c, r: bufio.NewReaderSize(c, 8<<10)}
	}
	return l, nil
}

func (l *tokenLoad) close() {
	for {
		select {
		case c := <-l.idle:
			c.Close()
		default:
			return
		}
	}
}

// post sends a query and returns the body of a 200.
func (l *tokenLoad) post(query []byte) ([]byte, error) {
	c := <-l.idle
	defer func() { l.idle <- c }()
	c.out = append(c.out[:0], l.head...)
	c.out = strconv.AppendInt(c.out, int64(len(query)), 10)
	c.out = append(append(c.out, "\r\n\r\n"...), query...)
	if _, err := c.Write(c.out); err != nil {
		return nil, err
	}
	length := -1
	for first := true; ; first = false {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
			return nil, fmt.Errorf("the server answers %s", bytes.TrimSpace(line))
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return nil, err
			}
		}
		if len(line) == 2 {
			break
		}
	}
	if length < 0 {
		return nil, fmt.Errorf("the answer has no length")
	}
	body := make([]byte, length)
	_, err := io.ReadFull(c.r, body)
	return body, err
}
