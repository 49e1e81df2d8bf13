package serve

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// limitListener accepts no more than a number of connections at a time. When
// more than half of them are taken, no network may have more than its share:
// else one host that opens connections and says nothing keeps all others out.
type limitListener struct {
	net.Listener
	free chan struct{} // holds one value for each open connection
	// crowded is called when all are taken, and now and then until one is free.
	crowded func()
	closed  chan struct{}
	once    sync.Once

	// share is how many a network may have then; 0 for no bound.
	share int
	mu    sync.Mutex
	// from counts the open connections of each network.
	from map[netip.Prefix]int
}

const (
	// shares is how many networks it takes to have all connections.
	shares = 8
	// leastShare is the smallest share: a server of fewer connections is
	// none that strangers reach.
	leastShare = 16
)

func newLimitListener(l net.Listener, n int) *limitListener {
	share := n / shares
	if share < leastShare {
		share = 0
	}
	return &limitListener{Listener: l, crowded: func() {}, free: make(chan struct{}, n), closed: make(chan struct{}), share: share, from: make(map[netip.Prefix]int)}
}

func (l *limitListener) Accept() (net.Conn, error) {
	for {
		if err := l.take(); err != nil {
			return nil, err
		}
		c, err := l.Listener.Accept()
		if err != nil {
			<-l.free
			return nil, err
		}
		network := networkOf(c.RemoteAddr())
		if l.enter(network) {
			return &limitConn{Conn: c, release: func() { l.leave(network) }}, nil
		}
		c.Close()
		<-l.free
	}
}

// take waits until a connection more may be open.
func (l *limitListener) take() error {
	select {
	case l.free <- struct{}{}:
		return nil
	default:
	}
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for {
		l.crowded()
		select {
		case l.free <- struct{}{}:
			return nil
		case <-l.closed:
			return net.ErrClosed
		case <-again.C:
		}
	}
}

// enter counts a connection of the network, unless it has its share.
func (l *limitListener) enter(network netip.Prefix) bool {
	if l.share == 0 || !network.IsValid() {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.free) > cap(l.free)/2 && l.from[network] >= l.share {
		return false
	}
	l.from[network]++
	return true
}

func (l *limitListener) leave(network netip.Prefix) {
	if l.share > 0 && network.IsValid() {
		l.mu.Lock()
		if l.from[network]--; l.from[network] == 0 {
			delete(l.from, network)
		}
		l.mu.Unlock()
	}
	<-l.free
}

// networkOf returns who a connection is counted for: an IPv4 address, or the /64
// of an IPv6 address, since whoever has one has all of it. This host itself,
// and what is no address, is nobody.
func networkOf(remote net.Addr) netip.Prefix {
	tcp, ok := remote.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	address := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if address.Is6() {
		bits = 64
	}
	network, err := address.Prefix(bits)
	if err != nil || address.IsLoopback() {
		return netip.Prefix{}
	}
	return network
}

func (l *limitListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitConn struct {
	net.Conn
	release func()
	once    sync.Once
}

// NetConn returns the connection underneath.
func (c *limitConn) NetConn() net.Conn { return c.Conn }

// CloseWrite lets net/http say that nothing follows without cutting off what
// the peer has still to read.
func (c *limitConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

func (c *limitConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.release)
	return err
}
