package ceremony

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/journal"
)

// Audit is called right before a key signs; its error prevents that.
type Audit = func(ctx context.Context, action string, attrs ...slog.Attr) error

// Register is the ceremony machine's own register.
type Register interface {
	ca.Register
	// Unfinished returns the intents whose certificates were not recorded.
	Unfinished(ctx context.Context) ([]journal.Intent, error)
	// List numbers the issuer's next list, durably, and says what is on it.
	List(ctx context.Context, issuer string) (Snapshot, error)
	// Published tells the register that the list of that number is signed. It
	// may be told twice.
	Published(ctx context.Context, issuer string, number uint64) error
	io.Closer
}

// Snapshot is what an issuer's revocation list says at one moment.
type Snapshot struct {
	Number  uint64
	At      time.Time
	Entries []x509.RevocationListEntry
}

// Lists builds and signs revocation lists.
type Lists interface {
	// Prepare builds the list and lints it.
	Prepare(certificate *x509.Certificate, key crypto.Signer, snapshot Snapshot, validity time.Duration) (List, error)
	// Resume returns the list with these to-be-signed bytes, which Prepare made
	// before.
	Resume(certificate *x509.Certificate, key crypto.Signer, toBeSigned []byte) (List, error)
}

// List is a revocation list that may be signed.
type List interface {
	ToBeSigned() []byte
	Sign(ctx context.Context, audit Audit) ([]byte, error)
}

// Keys opens and makes keys by their URIs.
type Keys interface {
	// Open returns the key; the error wraps fs.ErrNotExist when there is none.
	Open(uri string) (crypto.Signer, error)
	// Generate makes the key, durably; it never overwrites one.
	Generate(uri, algorithm string) (crypto.Signer, error)
}

// Stamps writes time-stamp requests and checks what comes back (RFC 3161).
type Stamps interface {
	// Request returns a request for a token over a SHA-256 hash, with a nonce.
	Request(hash [32]byte) ([]byte, error)
	// Check verifies that the response answers the request with a good token
	// over the hash from under the roots, and returns its time.
	Check(hash [32]byte, request, response []byte, roots []*x509.Certificate) (time.Time, error)
}

// Config is what a ceremony is made of.
type Config struct {
	// Plan was read from Text, the contents of the file Name in Dir.
	Plan *Plan
	Text []byte
	Name string
	Dir  string
	// Profiles are those of the plan's folder, or the built-in ones.
	Profiles *ca.Profiles
	// Register opens the machine's register, made if absent; in a dry run a
	// copy of it that will be thrown away. It is called when the ceremony may
	// begin, not before.
	Register func(ctx context.Context) (Register, error)
	Keys     Keys
	// Lint judges certificates before they are signed.
	Lint  func(*x509.Certificate) error
	Lists Lists
	// Stamps may be nil when the plan has no time-stamp.
	Stamps Stamps
	// Tool is the program's version, for the minutes; Host the machine's name.
	Tool, Host string
	// Out is told what is done, or shown what would be.
	Out io.Writer

	// reached is called between durable effects; tests end the process there.
	reached func(point string)
}

// Ceremony carries out one plan.
type Ceremony struct {
	Config
	manifest *Manifest
	officers []officer
	register Register
	minutes  *minutes
	// dry is a rehearsal: nothing is written but to memory.
	dry bool
	// keys are those opened or made so far, by name; throwAway are the names of
	// those that a dry run made.
	keys      map[string]crypto.Signer
	throwAway map[string]bool
	// outputs are the files made so far, as they are or would be on the disk.
	outputs map[string][]byte
	// audited is the step that audit lines belong to.
	audited string
}

// New checks the plan against the clock and its files.
func New(config Config) (*Ceremony, error) {
	c := &Ceremony{Config: config, keys: map[string]crypto.Signer{}, throwAway: map[string]bool{}, outputs: map[string][]byte{}}
	for name, missing := range map[string]bool{
		"plan": config.Plan == nil, "profiles": config.Profiles == nil, "register": config.Register == nil, "keys": config.Keys == nil,
		"lint": config.Lint == nil, "lists": config.Lists == nil, "writer": config.Out == nil,
	} {
		if missing {
			return nil, fmt.Errorf("preparing ceremony: there is no %s", name)
		}
	}
	if faults := config.Plan.Check(); len(faults) > 0 {
		return nil, fmt.Errorf("preparing ceremony: %s %s", faults[0].Key, faults[0].Detail)
	}
	if config.Plan.Timestamp != nil && config.Stamps == nil {
		return nil, errors.New("preparing ceremony: there is nothing to check time-stamps with")
	}
	if c.reached == nil {
		c.reached = func(string) {}
	}
	now := time.Now()
	var err error
	if c.manifest, err = NewManifest(config.Plan, config.Dir, config.Name, config.Text); err != nil {
		return nil, err
	}
	if c.officers, err = loadOfficers(config.Plan, config.Dir, now); err != nil {
		return nil, err
	}
	return c, nil
}

// checkClock refuses a clock outside of the plan's days.
func (c *Ceremony) checkClock(now time.Time) error {
	const advice = "compare the machine's clock with a clock in the room; if it is right, the plan is for another day and must be reviewed again"
	switch {
	case now.Before(c.Plan.NotBefore):
		return refuse(advice, "the clock stands at %s, before the plan's not_before %s", now.UTC().Format(time.RFC3339), c.Plan.NotBefore.UTC().Format(time.RFC3339))
	case now.After(c.Plan.NotAfter):
		return refuse(advice, "the clock stands at %s, after the plan's not_after %s", now.UTC().Format(time.RFC3339), c.Plan.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

// line writes a line of the minutes.
func (c *Ceremony) line(l Line) error {
	if err := c.minutes.append(l); err != nil {
		return err
	}
	c.reached(l.Event + " " + l.Step)
	return nil
}

// audit writes the audit lines of what signs into the minutes.
func (c *Ceremony) audit(_ context.Context, action string, attrs ...slog.Attr) error {
	l := Line{Event: eventAudit, Step: c.audited, Text: action}
	for _, a := range attrs {
		l.Facts = append(l.Facts, Fact{a.Key, a.Value.String()})
	}
	return c.line(l)
}

func (c *Ceremony) say(format string, args ...any) { fmt.Fprintf(c.Out, format+"\n", args...) }
