package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	xocsp "golang.org/x/crypto/ocsp"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/keys"
	"github.com/altamga/altamga/internal/register"
	"github.com/altamga/altamga/internal/replica"
	"github.com/altamga/altamga/ocsp"
)

// registerFeed is a register's journal as its authority shows it, over a
// network that loses and delays what it carries.
type registerFeed struct {
	register *register.Register
	lost     atomic.Bool
	delay    func()
}

func (f *registerFeed) Journal(ctx context.Context, after uint64, limit int, wait time.Duration) ([]journal.Entry, error) {
	f.delay()
	defer f.delay()
	if f.lost.Load() {
		return nil, errors.New("the network is away")
	}
	entries, err := f.register.Entries(ctx, after, limit)
	if err != nil || len(entries) > 0 || wait == 0 {
		return entries, err
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if err := f.register.Wait(ctx, after); err != nil && ctx.Err() == nil {
		return nil, err
	}
	if f.lost.Load() {
		return nil, errors.New("the network is away")
	}
	return f.register.Entries(context.WithoutCancel(ctx), after, limit)
}

// remote is a responder behind a replica.
type remote struct {
	t         *testing.T
	dir       string
	issuer    *x509.Certificate
	replica   *replica.Replica
	responder *ocsp.Responder
	stop      func()
}

// newRemote opens the replica in a centre's folder and lets it and a responder
// follow.
func newRemote(t *testing.T, dir string, feed replica.Feed) *remote {
	t.Helper()
	r := &remote{t: t, dir: dir}
	read := func(name string) *x509.Certificate {
		c, err := readCertificate(config.Path(filepath.Join(dir, name)))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	key, err := keys.Open("file:keys/ocsp-ehm.key", dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "replica.db")
	if r.replica, err = replica.Open(t.Context(), path, nil); err != nil {
		if r.replica, err = replica.Create(t.Context(), path, nil); err == nil {
			err = r.replica.Begin(t.Context())
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	r.issuer = read("certificates/ehm.pem")
	r.responder, err = ocsp.New(ocsp.Config{Source: replicaSource{r.replica}, MaxAge: 2 * time.Second, Issuers: []ocsp.Issuer{{
		ID: "ehm", Certificate: r.issuer, Signer: &ocsp.Signer{Certificate: read("certificates/ocsp-ehm.pem"), Key: key},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	head, err := r.replica.Position(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var loops sync.WaitGroup
	loops.Go(func() { _ = r.replica.Follow(ctx, feed) })
	loops.Go(func() { _ = r.responder.Follow(ctx, replicaJournal{r.replica}, head) })
	r.stop = func() {
		cancel()
		loops.Wait()
		if err := r.replica.Close(); err != nil {
			t.Error(err)
		}
	}
	return r
}

// ask returns the answer about a certificate, nil for tryLater.
func (r *remote) ask(c *x509.Certificate) *xocsp.Response {
	in, err := xocsp.CreateRequest(c, r.issuer, &xocsp.RequestOptions{Hash: crypto.SHA256})
	if err != nil {
		r.t.Error(err)
		return nil
	}
	request := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(in))
	request.Header.Set("Content-Type", "application/ocsp-request")
	w := httptest.NewRecorder()
	r.responder.ServeHTTP(w, request)
	answer, err := xocsp.ParseResponse(w.Body.Bytes(), r.issuer)
	if _, ok := errors.AsType[xocsp.ResponseError](err); ok {
		return nil
	}
	if err != nil {
		r.t.Error(err)
		return nil
	}
	if now := time.Now(); answer.ThisUpdate.After(now) || !now.Before(answer.NextUpdate) {
		r.t.Errorf("at %v: certain from %v to %v", now, answer.ThisUpdate, answer.NextUpdate)
	}
	return answer
}

// TestRemoteOutage loses the authority for longer than answers last (design
// rule G9), and the responder's process in the middle of that.
func TestRemoteOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, opened, certificates := smallCentre(t, 2)
		feed := &registerFeed{register: opened, delay: func() {}}
		r := newRemote(t, dir, feed)
		revoke(t, opened, certificates[1], journal.Revoked)
		time.Sleep(time.Second)
		feed.lost.Store(true)
		time.Sleep(10 * time.Second) // until the question that waits is answered
		lost := time.Now()
		// Nobody on this side can know of it.
		revoke(t, opened, certificates[0], journal.Revoked)
		for i := range 58 {
			time.Sleep(time.Minute)
			if i == 30 {
				r.stop()
				r = newRemote(t, dir, feed)
			}
			answer := r.ask(certificates[0])
			if answer == nil || answer.Status != xocsp.Good || answer.ThisUpdate.After(lost) {
				t.Fatalf("after %v: %+v", time.Since(lost), answer)
			}
		}
		time.Sleep(3 * time.Minute)
		if answer := r.ask(certificates[0]); answer != nil {
			t.Errorf("after %v: status %d as of %v until %v", time.Since(lost), answer.Status, answer.ThisUpdate, answer.NextUpdate)
		}
		if answer := r.ask(certificates[1]); answer == nil || answer.Status != xocsp.Revoked {
			t.Errorf("revoked before, after %v: %+v", time.Since(lost), answer)
		}
		feed.lost.Store(false)
		time.Sleep(10 * time.Second)
		if answer := r.ask(certificates[0]); answer == nil || answer.Status != xocsp.Revoked {
			t.Errorf("healed: %+v", answer)
		}
		r.stop()
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestRemoteNeverGoesBack holds and releases certificates while a responder
// behind a network that loses and delays is asked about them, and restarted
// (design rule G2): no answer is older than what the replica knew when it was
// asked, or than the answer before it.
func TestRemoteNeverGoesBack(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dir, opened, certificates := smallCentre(t, 6)
	defer opened.Close()
	feed := &registerFeed{register: opened, delay: func() { time.Sleep(time.Duration(rand.Int64N(int64(3 * time.Millisecond)))) }}
	type version struct {
		position uint64
		state    int
	}
	var mu sync.Mutex
	lives := make([][]version, len(certificates))
	for i := range certificates {
		lives[i] = []version{{0, xocsp.Good}}
	}
	random := rand.New(rand.NewPCG(seed, 2))
	ended := make(chan struct{})
	var changes sync.WaitGroup
	changes.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-ended:
				return
			default:
			}
			i := random.IntN(len(certificates))
			// Under the lock, so that whoever sees the entry sees it here too.
			mu.Lock()
			kind, state := journal.Held, xocsp.Revoked
			if life := lives[i]; life[len(life)-1].state == xocsp.Revoked {
				kind, state = journal.Released, xocsp.Good
			}
			lives[i] = append(lives[i], version{revoke(t, opened, certificates[i], kind), state})
			mu.Unlock()
			feed.lost.Store(n%40 > 35)
			time.Sleep(time.Duration(random.Int64N(int64(2 * time.Millisecond))))
		}
	})
	answers := 0
	least := make([]int, len(certificates)) // the version that was told last, or known to be
	for round := range 4 {
		r := newRemote(t, dir, feed)
		var asking sync.WaitGroup
		for i := range certificates {
			told := make(chan int, 1)
			asking.Go(func() {
				n := 0
				for until := time.Now().Add(600 * time.Millisecond); time.Now().Before(until); n++ {
					followed := r.responder.Position()
					answer := r.ask(certificates[i])
					if answer == nil {
						continue // tryLater is no answer
					}
					mu.Lock()
					life := lives[i]
					mu.Unlock()
					for v := range life {
						if life[v].position <= followed {
							least[i] = max(least[i], v)
						}
					}
					for least[i] < len(life) && life[least[i]].state != answer.Status {
						least[i]++
					}
					if least[i] == len(life) {
						t.Errorf("round %d: certificate %d is %d, which it was not since position %d", round, i, answer.Status, followed)
						break
					}
				}
				told <- n
			})
			defer func() { answers += <-told }()
		}
		asking.Wait()
		r.stop()
	}
	close(ended)
	changes.Wait()
	t.Cleanup(func() { t.Logf("%d answers", answers) })
}

// smallCentre is the folder of a centre and its register with a few
// certificates of ehm.
func smallCentre(t *testing.T, n int) (dir string, opened *register.Register, certificates []*x509.Certificate) {
	t.Helper()
	dir = foundCentre(t)
	p := withSigners(t, t.Context(), dir)
	for i := range n {
		key, err := keys.Generate(fmt.Sprintf("file:keys/holder-%d.key", i), dir, "p256")
		if err != nil {
			t.Fatal(err)
		}
		signer, err := readCertificate(config.Path(filepath.Join(dir, "certificates/ocsp-ehm.pem")))
		if err != nil {
			t.Fatal(err)
		}
		request, err := newSignerRequest(signer, "ehm", signerProfile, key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := issueSignerHere(p.authority, "ocsp.signer")(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		certificates = append(certificates, c)
	}
	if err := p.close(); err != nil {
		t.Fatal(err)
	}
	opened, err := register.Open(t.Context(), filepath.Join(dir, "register.db"))
	if err != nil {
		t.Fatal(err)
	}
	return dir, opened, certificates
}

// revoke changes the status of a certificate and returns the entry's position.
func revoke(t *testing.T, opened *register.Register, c *x509.Certificate, kind journal.Kind) uint64 {
	t.Helper()
	e, _, err := opened.Change(context.WithoutCancel(t.Context()), journal.Entry{Kind: kind, Owner: journal.Holder, Serial: journal.SerialOf(c.SerialNumber)}, nil)
	if err != nil {
		t.Error(err)
	}
	return e.Position
}

// TestListAddresses: a list is fetched from public addresses, from networks that
// were named, and from this host when the URL says so, and from nowhere else.
func TestListAddresses(t *testing.T) {
	for _, row := range []struct {
		url, networks, address string
		ok                     bool
	}{
		{"http://crl.example/a.crl", "", "198.51.100.7", true},
		{"http://crl.example/a.crl", "", "2001:db8::7", true},
		{"http://crl.example/a.crl", "", "10.1.2.3", false},
		{"http://crl.example/a.crl", "10.1.0.0/16", "10.1.2.3", true},
		{"http://crl.example/a.crl", "10.1.0.0/16", "10.2.2.3", false},
		{"http://crl.example/a.crl", "", "192.168.0.1", false},
		{"http://crl.example/a.crl", "", "100.64.0.1", false},
		{"http://crl.example/a.crl", "", "fd00::1", false},
		{"http://crl.example/a.crl", "", "169.254.169.254", false},
		{"http://crl.example/a.crl", "", "fe80::1", false},
		{"http://crl.example/a.crl", "", "fec0::1", false},
		{"http://crl.example/a.crl", "", "::10.0.0.1", false},
		{"http://crl.example/a.crl", "", "::ffff:0:10.0.0.1", false},
		{"http://crl.example/a.crl", "", "64:ff9b::10.0.0.1", false},
		{"http://crl.example/a.crl", "", "0.0.0.0", false},
		{"http://crl.example/a.crl", "", "224.0.0.1", false},
		{"http://crl.example/a.crl", "", "127.0.0.1", false},
		{"http://crl.example/a.crl", "", "::1", false},
		{"http://localhost/a.crl", "", "127.0.0.1", true},
		{"http://127.0.0.1:8080/a.crl", "", "127.0.0.1", true},
		{"http://[::1]/a.crl", "", "::1", true},
		{"http://localhost/a.crl", "", "10.0.0.1", false},
	} {
		c := ocspListConfig{URL: config.URL(row.url)}
		if row.networks != "" {
			c.Networks = []netip.Prefix{netip.MustParsePrefix(row.networks)}
		}
		if got := mayConnect(netip.MustParseAddr(row.address), c); got != row.ok {
			t.Errorf("%s at %s, networks %q: got %v", row.url, row.address, row.networks, got)
		}
	}
}

// TestListFetching: what a server of lists may do to who fetches from it.
func TestListFetching(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.Error("the redirect was followed") }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/large":
			for range 3 {
				_, _ = w.Write(make([]byte, 1000))
			}
		case "/elsewhere":
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		case "/moved":
			http.Redirect(w, r, "/here", http.StatusFound)
		case "/here":
			_, _ = w.Write([]byte("list"))
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	for path, want := range map[string]string{"/large": "more than 2000 octets", "/elsewhere": "redirected to", "/round": "redirected to", "/gone": "404", "/here": "", "/moved": ""} {
		c := ocspListConfig{URL: config.URL(server.URL + path), MaxSize: 2000}
		l := &ocspList{config: c, client: listClient(c)}
		der, err := l.get(t.Context())
		if want == "" && (err != nil || string(der) != "list") || want != "" && (err == nil || !bytes.Contains([]byte(err.Error()), []byte(want))) {
			t.Errorf("%s: %q, %v", path, der, err)
		}
	}
	// A name that leads to this host, and a URL that does not say so.
	c := ocspListConfig{URL: config.URL("http://crl.example/here"), MaxSize: 2000}
	l := &ocspList{config: c, client: listClient(c)}
	l.client.Transport.(*http.Transport).Proxy = nil
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/here", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.client.Do(request); err == nil || !bytes.Contains([]byte(err.Error()), []byte("not a public address")) {
		t.Errorf("connected to this host: %v", err)
	}
}
