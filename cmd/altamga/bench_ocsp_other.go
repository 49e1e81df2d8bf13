//go:build !linux

package main

import (
	"context"
	"errors"
	"net"
)

// Run says that the load needs Linux.
func (c benchOCSP) Run(context.Context, streams) error {
	return withHint(errors.New("the load of this measurement waits with epoll"), "run it on Linux")
}

func epollServe(*net.TCPListener, []byte) error { return errors.ErrUnsupported }
