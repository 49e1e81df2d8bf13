// Package loopback finds ports of this machine that nobody uses.
//
// The system gives a listener on port 0, and every outgoing connection, a port of
// its ephemeral range. A port of that range which is free now is soon a
// connection's: a server that is told of it, or comes back to it, may find it
// taken. The ports found here lie below the range of every usual system.
package loopback

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"syscall"
)

// The ports that are tried. Linux begins its ephemeral range at 32768, others
// at 49152; what is below 10000 belongs to well-known servers.
const first, last = 10240, 32767

// tried counts the ports that this process has taken or passed over, so that
// two callers do not find the same one. Each process begins somewhere else.
var tried atomic.Uint32

var begin = rand.Uint32N(last - first + 1)

// Listen opens a free port of 127.0.0.1. The error is that of the last port
// tried, when all of them are taken or the system refuses.
func Listen() (net.Listener, error) {
	var err error
	for range last - first + 1 {
		port := first + (begin+tried.Add(1))%(last-first+1)
		var listener net.Listener
		listener, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EACCES) {
			return listener, err
		}
	}
	return nil, err
}

// Address returns the address of a free port of 127.0.0.1, for another process
// to listen on. No later call in this process returns it before all others
// were tried.
func Address() (string, error) {
	listener, err := Listen()
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
