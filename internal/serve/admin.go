package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// readyTimeout bounds one answer of /readyz.
const readyTimeout = 3 * time.Second

// Admin answers operators: is the process alive, can each component do its
// job, what has it done. It belongs on a listener of its own that the public
// cannot reach.
type Admin struct {
	metrics *metrics

	mu     sync.Mutex
	checks []*check // in the order of Add
}

// check is one condition of one component's readiness.
type check struct {
	component string
	ready     func(context.Context) error
	// running is full while ready has not returned, so that a check that
	// hangs is started once and not once for every probe.
	running chan struct{}
}

// NewAdmin returns an Admin without components.
func NewAdmin() *Admin { return &Admin{metrics: newMetrics()} }

// Add makes component known, with a condition of its readiness: ready returns
// nil, or what is in the way, in words for an operator and without personal
// data, within the time of its context. Nil is a component that is always
// ready. A component added several times must meet all of its conditions.
func (a *Admin) Add(component string, ready func(ctx context.Context) error) {
	if ready == nil {
		ready = func(context.Context) error { return nil }
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.checks = append(a.checks, &check{component: component, ready: ready, running: make(chan struct{}, 1)})
}

// Handler answers /healthz, /readyz and /metrics, and the same paths below
// /{component} for one component's health and readiness; metrics are always
// those of the whole process. /readyz answers 503 while something is in the
// way and says what, one line for each condition.
func (a *Admin) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", a.health)
	mux.HandleFunc("GET /readyz", a.readiness)
	mux.Handle("GET /metrics", a.metrics.handler())
	mux.HandleFunc("GET /{component}/healthz", a.known(a.health))
	mux.HandleFunc("GET /{component}/readyz", a.known(a.readiness))
	mux.HandleFunc("GET /{component}/metrics", a.known(a.metrics.handler().ServeHTTP))
	return mux
}

// known answers 404 for a component that was never added.
func (a *Admin) known(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if len(a.checksOf(r.PathValue("component"))) == 0 {
			http.NotFound(w, r)
			return
		}
		next(w, r)
	}
}

// checksOf returns the checks of one component, or all for "".
func (a *Admin) checksOf(component string) []*check {
	a.mu.Lock()
	defer a.mu.Unlock()
	checks := slices.Clone(a.checks)
	if component == "" {
		return checks
	}
	return slices.DeleteFunc(checks, func(c *check) bool { return c.component != component })
}

func (a *Admin) health(w http.ResponseWriter, _ *http.Request) {
	text(w, http.StatusOK, "ok\n")
}

func (a *Admin) readiness(w http.ResponseWriter, r *http.Request) {
	report, err := a.Ready(r.Context(), r.PathValue("component"))
	status := http.StatusOK
	if err != nil {
		status = http.StatusServiceUnavailable
	}
	text(w, status, report)
}

// Ready asks the component, or all components for "", and returns the text of
// /readyz, and an error unless everything is ready.
func (a *Admin) Ready(ctx context.Context, component string) (report string, err error) {
	checks := a.checksOf(component)
	if len(checks) == 0 {
		return "nothing is set up yet\n", errors.New("nothing is set up yet")
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	problems := make([]error, len(checks))
	var asking sync.WaitGroup
	for i, c := range checks {
		asking.Go(func() { problems[i] = c.ask(ctx) })
	}
	asking.Wait()

	var b strings.Builder
	for i, c := range checks {
		if problems[i] == nil {
			fmt.Fprintf(&b, "%s: ready\n", c.component)
			continue
		}
		// One condition, one line, whatever the error's text looks like.
		problems[i] = fmt.Errorf("%s: not ready: %s", c.component, strings.Join(strings.Fields(problems[i].Error()), " "))
		fmt.Fprintln(&b, problems[i])
	}
	return b.String(), errors.Join(problems...)
}

// ask runs the check, unless it is running still, and waits no longer than ctx
// lasts.
func (c *check) ask(ctx context.Context) error {
	select {
	case c.running <- struct{}{}:
	case <-ctx.Done():
		return errors.New("an earlier check has not returned")
	}
	answer := make(chan error, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				answer <- fmt.Errorf("the check panicked: %v", v)
			}
			<-c.running
		}()
		answer <- c.ready(ctx)
	}()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("no answer within %v", readyTimeout)
	}
}

func text(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	io.WriteString(w, body)
}
