package conformance

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Load is how hard servers may be pressed. It takes the consent of whoever runs
// them.
type Load struct {
	// Rate is how many requests are sent per second, at most [MaxLoadRate].
	Rate float64
	// For is how long; default 10 s, at most [MaxLoadTime].
	For time.Duration
	// Slow is how long slow clients wait to be answered or cut off, at most
	// [MaxSlowTime]; 0 leaves them out.
	Slow time.Duration
}

// Bounds of what a server is ever asked to bear.
const (
	MaxLoadRate = 1000
	MaxLoadTime = time.Minute
	MaxSlowTime = 5 * time.Minute
)

func (l *Load) check() error {
	if l.For == 0 {
		l.For = 10 * time.Second
	}
	if l.Rate < 0 || l.Rate > MaxLoadRate || l.For < 0 || l.For > MaxLoadTime || l.Slow < 0 || l.Slow > MaxSlowTime {
		return fmt.Errorf("a load is of at most %d requests per second for %v, and of clients that are slow for at most %v", MaxLoadRate, MaxLoadTime, MaxSlowTime)
	}
	return nil
}

const (
	// loadAtOnce bounds the requests under way at one time.
	loadAtOnce = 64
	// loadPatience is after how many failures in a row the load ends: the server
	// has had enough.
	loadPatience = 50
)

// load is a server under load.
type load struct {
	Load
	client *client
	// honest makes the question of one number.
	honest func(n int) question
	// read says what is wrong with an answer that was not refused by HTTP;
	// errBusy when it is a refusal in the protocol's own words.
	read func(n int, x *Exchange) error

	mu     sync.Mutex
	sent   int
	busy   int // refused in words that say so
	failed int
	row    int // failures in a row
	took   []time.Duration
	kept   []*Exchange // of what went wrong
	wrong  []string
	last   time.Duration // from the first question to the last
	slow   *slow         // nil: not yet
}

// errBusy is a refusal that tells the client to come again.
var errBusy = errors.New("the server is busy")

// loadChecks are what standards say of servers that are asked much; each is of
// one kind of server. How fast one is, is for nobody to judge here: the figures
// stand beside the verdict.
var loadChecks = []check[*load]{
	{"OCSP-61", "RFC 9919, Section 8.4", Should, "a load is answered, or refused by tryLater, 429 or 503, and survived", "with consent, ask at a steady rate", wire, pressed},
	{"CRL-30", "RFC 9110, Section 15.6.4", Should, "a load is answered, or refused by 429 or 503, and survived", "with consent, fetch at a steady rate", wire, pressed},
	{"TSA-46", "RFC 3161, Section 2.4.2", Should, "a load is answered, each token with its own serial number and imprint, or refused by 429 or 503, and survived", "with consent, ask at a steady rate", wire, pressed},
}

// judgeLoad presses one server, if the user has consent for it.
func (t *Tester) judgeLoad(ctx context.Context, id, name string, server func() *load) {
	if t.config.Load.Rate == 0 || ctx.Err() != nil {
		return
	}
	l := server()
	l.Load, l.client = t.config.Load, t.client
	checks := slices.DeleteFunc(slices.Clone(loadChecks), func(c check[*load]) bool { return c.id != id })
	if l.Slow > 0 {
		checks = append(checks, slowChecks...)
	}
	t.section("load", name, judgeAll(ctx, asked(t.config.Profile, checks), l, t.options("load", false)))
}

func pressed(t *trial, l *load) {
	alone := func(name string, n int) error {
		q := l.honest(n)
		q.name = name
		x := l.client.ask(t.ctx, q)
		t.saw(x)
		return l.judge(n, x)
	}
	if err := alone("before the load", 0); err != nil {
		t.couldNot("before the load: %v", err)
	}
	l.press(t.ctx)
	l.client.keep(l.kept...)
	t.saw(l.kept...)
	for _, wrong := range l.wrong {
		t.miss("%s", wrong)
	}
	if l.failed > 0 {
		t.note("%d of %d requests failed", l.failed, l.sent)
	}
	if err := alone("after the load", -1); err != nil && !errors.Is(err, errBusy) {
		t.miss("after the load the server does not answer as before: %v", err)
	}
	t.measured("%s", l.figures())
	if t.ctx.Err() != nil {
		t.couldNot("the time for the whole run is over before the load is")
	}
}

// press sends questions at the rate, whether or not answers come as fast.
func (l *load) press(ctx context.Context) {
	var group sync.WaitGroup
	slots := make(chan struct{}, loadAtOnce)
	ticks := time.NewTicker(max(time.Duration(float64(time.Second)/l.Rate), time.Millisecond))
	defer ticks.Stop()
	began := time.Now()
	for n := 1; n == 1 || time.Since(began) < l.For && ctx.Err() == nil && !l.enough(); n++ {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			x := l.client.once(ctx, l.honest(n))
			l.note(x, l.judge(n, x))
		})
		l.last = time.Since(began)
		<-ticks.C
	}
	group.Wait()
}

func (l *load) enough() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.row >= loadPatience
}

// judge says what is wrong with an answer.
func (l *load) judge(n int, x *Exchange) error {
	switch {
	case x.Err != nil:
		return x.Err
	case x.Status == http.StatusTooManyRequests, x.Status == http.StatusServiceUnavailable:
		return errBusy
	case x.Status != http.StatusOK:
		return fmt.Errorf("the server answers HTTP %d", x.Status)
	}
	return l.read(n, x)
}

func (l *load) note(x *Exchange, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent++
	switch {
	case err == nil:
		l.took, l.row = append(l.took, x.Took), 0
		return
	case errors.Is(err, errBusy):
		l.busy, l.row = l.busy+1, 0
	default:
		l.failed, l.row = l.failed+1, l.row+1
		if text := err.Error(); !slices.Contains(l.wrong, text) && len(l.wrong) < maxDetails {
			l.wrong = append(l.wrong, text)
		}
	}
	if len(l.kept) < maxDetails {
		l.kept = append(l.kept, x)
	}
}

// figures says how it went.
func (l *load) figures() string {
	rate := float64(l.sent) / max(l.last.Seconds(), 1)
	text := fmt.Sprintf("%d requests in %v, %.0f per second: %d answered, %d refused as busy, %d failed", l.sent, l.last.Round(time.Millisecond), rate, len(l.took), l.busy, l.failed)
	if len(l.took) == 0 {
		return text
	}
	slices.Sort(l.took)
	at := func(percent int) time.Duration {
		return l.took[(len(l.took)-1)*percent/100].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("%s; answers took %v in the middle, 95 of 100 at most %v, 99 of 100 at most %v, all at most %v", text, at(50), at(95), at(99), at(100))
}

// underLoad asks for the status of the good certificate, as it was found out
// that the server can be asked.
func (r *responder) underLoad() *load {
	hash := r.hash
	if hash == 0 {
		hash = crypto.SHA256
	}
	id := idOf(r.issuer, r.good.serial, hash, false)
	return &load{
		honest: func(int) question {
			return question{name: "status under load", method: http.MethodPost, url: r.url, body: inquiry{ids: [][]byte{id}}.marshal(), header: map[string]string{"Content-Type": requestType, "Accept": responseType}}
		},
		read: func(_ int, x *Exchange) error {
			a, err := parseAnswer(x.Response)
			switch {
			case err != nil:
				return err
			case a.status == statusTryLater:
				return errBusy
			case a.status != statusSuccessful || !a.has(id):
				return fmt.Errorf("the answer is %s, or about another certificate", statusName(a.status))
			}
			return nil
		},
	}
}

// underLoad fetches the list.
func (l *lists) underLoad() *load {
	return &load{
		honest: func(int) question {
			return question{name: "the list under load", method: http.MethodGet, url: l.url, limit: maxDownload}
		},
		read: func(_ int, x *Exchange) error {
			_, err := parseList(x.Response)
			return err
		},
	}
}

// underLoad has one imprint after the other stamped.
func (a *authority) underLoad() *load {
	var mu sync.Mutex
	serials := map[string]bool{}
	numbered := func(n int) stampQuery {
		q := a.bare()
		q.digest = bytes.Repeat([]byte{byte(n >> 8), byte(n)}, len(q.digest)/2)
		return q
	}
	return &load{
		honest: func(n int) question {
			return question{name: "a time stamp under load", method: http.MethodPost, url: a.url, body: numbered(n).marshal(), header: map[string]string{"Content-Type": queryType, "Accept": replyType}}
		},
		read: func(n int, x *Exchange) error {
			r, err := parseReply(x.Response)
			switch {
			case err != nil:
				return err
			case !r.granted():
				return fmt.Errorf("the query is refused: %s", r.refusal())
			case r.tokenErr != nil:
				return r.tokenErr
			case r.tst == nil:
				return errors.New("there is no token")
			case !bytes.Equal(r.tst.info.imprint, numbered(n).imprint()):
				return errors.New("the token is of another query")
			}
			mu.Lock()
			defer mu.Unlock()
			if key := string(r.tst.info.serial); serials[key] {
				return errors.New("two tokens have one serial number")
			} else {
				serials[key] = true
			}
			return nil
		},
	}
}
