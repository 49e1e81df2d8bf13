package ntp

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Server is a time server to ask. Its methods may be called by several
// goroutines at once.
type Server struct {
	// Address is "host" or "host:port"; the port is 123 when left out.
	Address string
	// Key authenticates requests and answers; nil for a server that offers
	// none.
	Key *Key
	// Dial opens the connection; nil means UDP by the machine's network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu sync.Mutex
	// silent is until when the server asked to be left alone.
	silent time.Time
}

// Answer is what a server said.
type Answer struct {
	// UTC is the server's time at Taken, which holds a monotonic reading.
	UTC, Taken time.Time
	// Delay is how long request and answer were on their way.
	Delay time.Duration
	// Distance is how far UTC may be from the time said (RFC 5905, Appendix
	// A.5.5.2): half of all delays, and all dispersion; and a tenth of our own
	// delay, since the clock that measures it may be slewed by so much.
	Distance      time.Duration
	Leap          Leap
	Stratum       int
	Reference     string
	Authenticated bool
}

// penalty is how long a server that asks for it is left alone.
const penalty = 5 * time.Minute

// maxDistance is the farthest that a server may be from its reference clock:
// RFC 5905, Appendix A.1.1 calls it MAXDIST and takes 1 s; a server beyond it proves
// nothing to a second.
const maxDistance = time.Second

// WithPort returns an address as [Server] has it with its port.
func WithPort(address string) string {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return net.JoinHostPort(address, "123")
	}
	return address
}

// Query asks the server once.
func (s *Server) Query(ctx context.Context) (Answer, error) {
	a, err := s.query(ctx)
	if err != nil {
		return Answer{}, fmt.Errorf("asking %s: %w", s.Address, err)
	}
	return a, nil
}

func (s *Server) query(ctx context.Context) (Answer, error) {
	s.mu.Lock()
	silent := time.Until(s.silent)
	s.mu.Unlock()
	if silent > 0 {
		return Answer{}, fmt.Errorf("it asked to be left alone for another %v", silent.Round(time.Second))
	}
	dial := s.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	// A connected socket takes answers from that address alone.
	connection, err := dial(ctx, "udp", WithPort(s.Address))
	if err != nil {
		return Answer{}, err
	}
	defer connection.Close()
	stop := context.AfterFunc(ctx, func() { connection.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	// The transmit time of the request is a random number: it tells nothing of
	// our clock, and nobody who does not see the request can answer it.
	var random [8]byte
	rand.Read(random[:])
	request := Packet{Version: 4, Mode: modeClient, Transmit: binary.BigEndian.Uint64(random[:])}
	out := request.Marshal()
	if s.Key != nil {
		if out, err = s.Key.appendMAC(out); err != nil {
			return Answer{}, err
		}
	}
	sent := time.Now()
	if _, err := connection.Write(out); err != nil {
		return Answer{}, err
	}
	return s.receive(ctx, connection, request, sent)
}

// receive waits for the answer. Packets that are none are passed over, so that
// nobody keeps the real one from us by being faster.
func (s *Server) receive(ctx context.Context, connection net.Conn, request Packet, sent time.Time) (Answer, error) {
	buffer := make([]byte, 1024)
	reason := errors.New("no answer")
	for {
		n, err := connection.Read(buffer)
		// Sub takes the monotonic readings, so that a step of the wall clock on
		// the way changes nothing.
		received := time.Now()
		if err != nil {
			if ctx.Err() != nil {
				return Answer{}, reason
			}
			return Answer{}, err
		}
		p, mac, err := ParsePacket(buffer[:n])
		switch {
		case err != nil:
			reason = err
		case p.Origin != request.Transmit || p.Mode != modeServer:
			reason = errors.New("the answer is to another request")
		case s.Key != nil && !s.Key.verify(buffer[:headerSize], mac):
			reason = errors.New("the answer is not authenticated with the key")
		default:
			return s.judge(p, sent, received)
		}
	}
}

// judge computes what an answer says.
func (s *Server) judge(p Packet, sent, received time.Time) (Answer, error) {
	// RFC 5905, Section 7.4: these kiss codes ask clients to go away. The others,
	// and none, say that the server has no time yet: stratum 16 is 0 in a packet.
	if code := printable(p.ReferenceID[:]); p.Stratum == 0 && (code == "DENY" || code == "RSTR" || code == "RATE") {
		s.mu.Lock()
		s.silent = received.Add(penalty)
		s.mu.Unlock()
		return Answer{}, fmt.Errorf("it refuses with the code %q", code)
	}
	if p.Leap == LeapUnknown || p.Stratum == 0 || p.Stratum > 15 {
		return Answer{}, errors.New("it is not synchronised")
	}
	if p.Transmit == 0 || p.Receive == 0 || p.Version < 3 || p.Version > 4 {
		return Answer{}, errors.New("the answer holds no time")
	}
	transmitted, arrived := timeOf(p.Transmit, received), timeOf(p.Receive, received)
	held := transmitted.Sub(arrived)
	delay := received.Sub(sent) - held
	if held < 0 || delay < -time.Millisecond {
		return Answer{}, errors.New("the times in the answer contradict themselves")
	}
	delay = max(delay, 0)
	a := Answer{
		UTC: transmitted.Add(delay / 2), Taken: received, Delay: delay,
		Distance: (p.RootDelay+delay)/2 + delay/10 + p.RootDispersion + precision(p.Precision) + time.Microsecond,
		Leap:     p.Leap, Stratum: int(p.Stratum), Reference: printable(p.ReferenceID[:]), Authenticated: s.Key != nil,
	}
	if p.Stratum > 1 {
		a.Reference = net.IP(p.ReferenceID[:]).String()
	}
	if a.Distance > maxDistance {
		return Answer{}, fmt.Errorf("it may be %v from UTC", a.Distance)
	}
	return a, nil
}

// precision is 2 to the power of n seconds, at most one.
func precision(n int8) time.Duration {
	if n >= 0 {
		return time.Second
	}
	return time.Second >> min(30, -int(n))
}

// printable keeps the letters and digits of a code.
func printable(code []byte) string {
	var out []byte
	for _, c := range code {
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			out = append(out, c)
		}
	}
	return string(out)
}
