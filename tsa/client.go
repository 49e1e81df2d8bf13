package tsa

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Client is one who may ask for tokens, and how many. Clients are systems, not
// persons: their names stand in metrics.
type Client struct {
	// Name tells it from the others in counts, and is its user name.
	Name string
	// Secret is the SHA-256 hash of its password (RFC 7617). Passwords are long
	// and random, so a slow hash would protect nothing and cost each token.
	Secret [32]byte
	// Certificate is the common name of its TLS client certificate, which the
	// listener has verified.
	Certificate string
	// Rate is how many tokens a second it may have in the long run, Burst how
	// many at once; 0 means no bound and, for Burst, Rate.
	Rate  float64
	Burst int
	// Daily is how many queries it may make in a day of UTC; 0 means no bound.
	Daily int
}

// open reports whether the client is everybody who shows nothing.
func (c Client) open() bool { return c.Secret == [32]byte{} && c.Certificate == "" }

// client is a Client and what it has had.
type client struct {
	Client
	granted, refused atomic.Uint64

	mu     sync.Mutex
	tokens float64 // of the bucket
	at     time.Time
	day    int64
	today  int
}

// maxRate is above what any machine answers.
const maxRate = 1e9

// Public is the name of everybody, where there are no clients.
const Public = "public"

func newClients(configured []Client) ([]*client, error) {
	if len(configured) == 0 {
		configured = []Client{{Name: Public}}
	}
	var errs []error
	var out []*client
	names, certificates, public := map[string]bool{}, map[string]bool{}, false
	for _, c := range configured {
		switch {
		case c.Name == "" || names[c.Name]:
			errs = append(errs, fmt.Errorf("client %q has no name or another's", c.Name))
		case !(c.Rate >= 0 && c.Rate <= maxRate) || c.Burst < 0 || c.Daily < 0: // NaN compares with nothing
			errs = append(errs, fmt.Errorf("client %q has a negative rate, burst or daily quota, or no number", c.Name))
		case c.open() && public:
			errs = append(errs, errors.New("two clients show neither password nor certificate"))
		case c.Certificate != "" && certificates[c.Certificate]:
			errs = append(errs, fmt.Errorf("two clients have the certificate %q", c.Certificate))
		}
		names[c.Name], certificates[c.Certificate], public = true, true, public || c.open()
		if c.Burst == 0 {
			c.Burst = max(1, int(c.Rate))
		}
		out = append(out, &client{Client: c, tokens: float64(c.Burst)})
	}
	return out, errors.Join(errs...)
}

// identify finds the client that a request comes from; nil when it is none.
// What is shown counts: a wrong password is not the same as none.
func (a *Authority) identify(r *http.Request) *client {
	name, password, basic := r.BasicAuth()
	var common string
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		common = r.TLS.VerifiedChains[0][0].Subject.CommonName
	}
	for _, c := range a.clients {
		switch {
		case basic && c.Secret != [32]byte{}:
			got := sha256.Sum256([]byte(password))
			if c.Name == name && subtle.ConstantTimeCompare(got[:], c.Secret[:]) == 1 {
				return c
			}
		case !basic && c.Certificate != "" && c.Certificate == common:
			return c
		}
	}
	if basic {
		return nil
	}
	for _, c := range a.clients {
		if c.open() {
			return c
		}
	}
	return nil
}

// take counts a query against the client's quotas. When they are used up it
// returns how long until the next one has a chance.
func (c *client) take(now time.Time) (wait time.Duration, ok bool) {
	if c.Rate == 0 && c.Daily == 0 {
		return 0, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	const day = 24 * 60 * 60
	if today := now.Unix() / day; today != c.day {
		c.day, c.today = today, 0
	}
	if c.Daily > 0 && c.today >= c.Daily {
		return time.Unix((c.day+1)*day, 0).Sub(now), false
	}
	if c.Rate > 0 {
		if !c.at.IsZero() {
			c.tokens = min(float64(c.Burst), c.tokens+now.Sub(c.at).Seconds()*c.Rate)
		}
		c.at = now
		if c.tokens < 1 {
			return time.Duration((1 - c.tokens) / c.Rate * float64(time.Second)), false
		}
		c.tokens--
	}
	c.today++
	return 0, true
}

// Count is how many queries of a client were answered with a token and with a
// refusal since the start. It holds nothing about persons.
type Count struct {
	Client           string
	Granted, Refused uint64
}

// Counts returns the counts of all clients, in the order of the configuration.
func (a *Authority) Counts() []Count {
	out := make([]Count, len(a.clients))
	for i, c := range a.clients {
		out[i] = Count{c.Name, c.granted.Load(), c.refused.Load()}
	}
	return out
}
