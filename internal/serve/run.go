package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

// Loop is work that goes on as long as the servers do: a follower of the
// journal, a publisher.
type Loop struct {
	Name string
	// Run works until ctx ends and returns soon after. Returning earlier, with
	// or without an error, is a failure of the whole group.
	Run func(ctx context.Context) error
}

// loopGrace is how long loops may take to return when they are asked to.
const loopGrace = 10 * time.Second

// Run starts all servers and loops and keeps them until ctx ends or the first
// of them fails. Then every server stops accepting and finishes what it
// accepted, within its Grace; after that the loops' contexts end, since requests
// in work may still need them. Run closes all listeners, returns when
// everything has ended, and returns the first failure, or nil for an orderly
// end. A nil log discards.
func Run(ctx context.Context, log *slog.Logger, servers []Server, loops []Loop) error {
	log = cmp.Or(log, slog.New(slog.DiscardHandler))
	servers = slices.Clone(servers)
	if err := checkAll(servers, loops); err != nil {
		for i := range servers {
			if servers[i].Listener != nil {
				servers[i].Listener.Close()
			}
		}
		return err
	}
	g := &group{log: log}
	g.serveCtx, g.stop = context.WithCancel(ctx)
	defer g.stop()
	// Loops outlive ctx until the servers are done.
	loopCtx, stopLoops := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLoops()

	for _, loop := range loops {
		g.startLoop(loopCtx, loop)
	}
	var serving sync.WaitGroup
	for i := range servers {
		servers[i].setDefaults()
		serving.Go(func() { g.serve(&servers[i]) })
	}
	<-g.serveCtx.Done()
	serving.Wait()
	stopLoops()
	g.awaitLoops()

	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failure
}

func checkAll(servers []Server, loops []Loop) error {
	names := make(map[string]bool)
	for i := range servers {
		if err := servers[i].check(); err != nil {
			return err
		}
		if names[servers[i].Name] {
			return fmt.Errorf("two servers are named %s", servers[i].Name)
		}
		names[servers[i].Name] = true
	}
	for _, loop := range loops {
		if loop.Name == "" || loop.Run == nil {
			return fmt.Errorf("a loop has no name or nothing to run (%q)", loop.Name)
		}
	}
	if len(servers)+len(loops) == 0 {
		return errors.New("nothing to serve")
	}
	return nil
}

// group is one call of Run.
type group struct {
	log      *slog.Logger
	serveCtx context.Context // ends when the servers shall stop
	stop     context.CancelFunc

	mu      sync.Mutex
	failure error         // the first one
	loops   []*loopInWork // all that were started
}

type loopInWork struct {
	name string
	done chan struct{}
}

// fail remembers the first failure and stops the group.
func (g *group) fail(err error) {
	g.mu.Lock()
	if g.failure == nil {
		g.failure = err
	} else {
		g.log.Error("another failure", "error", err)
	}
	g.mu.Unlock()
	g.stop()
}

// serve runs one server from its first connection to its last.
func (g *group) serve(s *Server) {
	server := s.httpServer(g.log, g.serveCtx.Done())
	listener := newLimitListener(s.Listener, s.MaxConns)
	g.log.Info("serving", "server", s.Name, "address", s.Listener.Addr().String(), "tls", s.TLS != nil)
	ended := make(chan error, 2)
	front := s.front(g.log, g.serveCtx)
	if front != nil {
		listener.crowded = front.Shed
	}
	go func() {
		switch {
		case front != nil:
			go func() { ended <- front.Serve(listener) }()
			ended <- server.Serve(front)
		case s.TLS != nil:
			ended <- server.ServeTLS(listener, "", "")
		default:
			ended <- server.Serve(listener)
		}
	}()
	select {
	case err := <-ended:
		g.fail(fmt.Errorf("serving %s: %w", s.Name, err))
	case <-g.serveCtx.Done():
	}
	// The grace period is counted from the request to stop; the values of the
	// context that asked are of no use here.
	ctx, cancel := context.WithTimeout(context.Background(), s.Grace)
	defer cancel()
	var err error
	if front != nil {
		// First, since it may still hand connections over.
		listener.Close()
		err = front.Shutdown(ctx)
	}
	if err := errors.Join(err, server.Shutdown(ctx)); err != nil {
		server.Close()
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("requests were still in work after %v", s.Grace)
		}
		g.fail(fmt.Errorf("stopping %s: %w", s.Name, err))
	}
	// A second close is harmless; it matters where Serve never got to run.
	listener.Close()
	g.log.Info("stopped", "server", s.Name)
}

func (g *group) startLoop(ctx context.Context, loop Loop) {
	l := &loopInWork{name: loop.Name, done: make(chan struct{})}
	g.loops = append(g.loops, l)
	go func() {
		defer close(l.done)
		err := g.runLoop(ctx, loop)
		switch {
		case ctx.Err() == nil && err == nil:
			g.fail(fmt.Errorf("running %s: it ended before it was asked to", loop.Name))
		case err != nil && (ctx.Err() == nil || !errors.Is(err, context.Canceled)):
			g.fail(fmt.Errorf("running %s: %w", loop.Name, err))
		}
	}()
}

// runLoop turns a panic into an error, so that the servers still finish what
// they accepted.
func (g *group) runLoop(ctx context.Context, loop Loop) (err error) {
	defer func() {
		if v := recover(); v != nil {
			g.log.Error("loop panicked", "loop", loop.Name, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return loop.Run(ctx)
}

// awaitLoops gives the loops loopGrace to return and reports those that do
// not.
func (g *group) awaitLoops() {
	timer := time.NewTimer(loopGrace)
	defer timer.Stop()
	var stuck []string
	for _, l := range g.loops {
		select {
		case <-l.done:
			continue
		default:
		}
		if len(stuck) > 0 {
			// The time is over for all of them.
			stuck = append(stuck, l.name)
			continue
		}
		select {
		case <-l.done:
		case <-timer.C:
			stuck = append(stuck, l.name)
		}
	}
	if len(stuck) > 0 {
		g.fail(fmt.Errorf("stopping %s: still running after %v", strings.Join(stuck, ", "), loopGrace))
	}
}
