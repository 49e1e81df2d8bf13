//go:build !linux

package http1

import "net"

// poller is there on Linux alone; elsewhere each connection has a goroutine.
type poller struct{}

func (*Server) newPoller() *poller              { return nil }
func pollable(net.Conn) *net.TCPConn            { return nil }
func (*poller) add(net.Conn, *net.TCPConn) bool { return false }
func (*poller) shed()                           {}
func (*poller) stop()                           {}
func (*poller) cut()                            {}
func (*poller) open() int                       { return 0 }
