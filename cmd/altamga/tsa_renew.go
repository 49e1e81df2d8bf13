package main

import (
	"context"
	"crypto"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/durable"
	"github.com/altamga/altamga/internal/keys"
	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/internal/serve"
	"github.com/altamga/altamga/tsa"
)

// unitProfile is what time-stamping units are issued by.
const unitProfile = "tsa-signer"

// unitRenewal lets the key of a time-stamping unit give way to a new one: before
// the period of its use is over, it makes a key where the unit's is, in a file
// or on a token, has the authority certify it, and lets it make tokens beside
// the old one, which stops by itself.
//
// Certificates and keys are numbered: tsa.pem is followed by tsa-2.pem, the key
// tsa.key, or the object tsa of a token, by tsa-2. None is ever replaced, and the
// certificate, which comes last, makes its key count, so that an interruption
// leaves nothing in between. A key without a certificate is used by the next try.
type unitRenewal struct {
	unit tsaUnitConfig
	dir  string
	// add lets the authority make tokens with a further unit.
	add  func(tsa.Unit) error
	keep func(crypto.Signer)
	log  *slog.Logger

	// number is that of the latest unit.
	number int
	latest atomic.Pointer[tsa.Unit]
	successor
	// added says that the successor makes tokens.
	added bool
}

// numbered returns the name that the file of a later unit has.
func numbered(path string, n int) string {
	if n == 1 {
		return path
	}
	extension := filepath.Ext(path)
	return fmt.Sprintf("%s-%d%s", strings.TrimSuffix(path, extension), n, extension)
}

// numberedKey returns the URI of the key of a later unit. Each counts its own
// signatures.
func numberedKey(uri string, n int) (string, error) {
	u, err := keys.Parse(uri)
	if err != nil || n == 1 {
		return uri, err
	}
	if u.Counter != "" {
		u.Counter = numbered(u.Counter, n)
	}
	if !u.PKCS11 {
		u.Path = numbered(u.Path, n)
	} else {
		if u.Token.Object == "" {
			return "", errors.New("the next key on a token is named after the object, and the key's URI names none")
		}
		u.Token.Object, u.Token.ID = fmt.Sprintf("%s-%d", u.Token.Object, n), ""
	}
	return u.String(), nil
}

// open opens the configured unit and those that have followed it. Of units whose
// period is over only the last is opened: the keys of the others may be destroyed.
func (r *unitRenewal) open(p *process) (units []tsa.Unit, err error) {
	for r.number = 1; ; r.number++ {
		_, err := os.Stat(numbered(string(r.unit.Certificate), r.number+1))
		last := errors.Is(err, fs.ErrNotExist)
		if err != nil && !last {
			return nil, err
		}
		unit, err := p.tsaUnit(r.unit, r.number, !last)
		if err != nil {
			return nil, fmt.Errorf("opening unit %s: %w", numbered(string(r.unit.Certificate), r.number), err)
		}
		if unit != nil {
			units = append(units, *unit)
		}
		if last {
			r.latest.Store(unit)
			return units, nil
		}
	}
}

// tsaUnit opens a unit; nil when its period is over and another one follows.
func (p *process) tsaUnit(c tsaUnitConfig, n int, followed bool) (_ *tsa.Unit, err error) {
	unit := &tsa.Unit{VerifyEach: c.VerifyEach}
	if unit.Certificate, err = readCertificate(config.Path(numbered(string(c.Certificate), n))); err != nil {
		return nil, err
	}
	if _, to, err := tsa.Usable(unit.Certificate); followed && err == nil && time.Now().After(to) {
		return nil, nil
	}
	if c.Chain != "" {
		if unit.Chain, err = readCertificates(c.Chain); err != nil {
			return nil, err
		}
	}
	uri, err := numberedKey(c.Key, n)
	if err != nil {
		return nil, err
	}
	if unit.Key, err = p.key(uri, unit.Certificate); err != nil {
		return nil, err
	}
	if c.VerifyEach == 0 && !keys.OnToken(unit.Key) {
		unit.VerifyEach = verifyEachOfFile
	}
	return unit, nil
}

// renewsUnits adds the loops that let units give way to new ones, as far as
// there is an authority to ask.
func (p *process) renewsUnits(c *tsaConfig, renewals []*unitRenewal, add func(tsa.Unit) error) error {
	var issue signerIssuer
	switch {
	case p.authority != nil:
		issue = issueSignerHere(p.authority, "tsa.unit")
	case c.CA != nil:
		client, err := p.clientOf("tsa", c.CA.URL, c.CA.Client)
		if err != nil {
			return err
		}
		issue = issueSignerOverHTTP(client)
	}
	for _, r := range renewals {
		if r.unit.Issuer == "" {
			continue
		}
		r.issue, r.add = issue, add
		p.admin.Add("tsa", r.ready)
		p.units = append(p.units, r)
		if issue == nil {
			r.log.Warn("nobody is asked for the next unit: there is no [tsa.ca], and no ca in this process")
			continue
		}
		p.loops = append(p.loops, serve.Loop{Name: "tsa unit renewal of " + string(r.unit.Certificate), Run: func(ctx context.Context) error { return keepRenewed(ctx, r) }})
	}
	return nil
}

// life is the period in which the latest unit's key may be used.
func (r *unitRenewal) life() lifetime {
	c := r.latest.Load().Certificate
	from, to, err := tsa.Usable(c)
	if err != nil {
		return lifeOf(c)
	}
	return lifetime{from, to}
}

func (r *unitRenewal) tell(ctx context.Context, err error) {
	until := r.life().to
	if err != nil {
		r.log.ErrorContext(ctx, "time-stamping unit has no successor yet", "until", until, "error", err)
		return
	}
	r.log.InfoContext(ctx, "time-stamping unit has a successor", "serial", r.latest.Load().Certificate.SerialNumber.Text(16), "until", until)
}

// ready is red when the last unit is about to end although it should have had a
// successor long ago.
func (r *unitRenewal) ready(context.Context) error {
	if life := r.life(); life.nearEnd() {
		return fmt.Errorf("the key of the time-stamping unit %s may be used until %s and has no successor",
			numbered(string(r.unit.Certificate), r.number), life.to.UTC().Format(time.RFC3339))
	}
	return nil
}

// renew makes the next unit. What there is of it already is kept for the next
// try.
func (r *unitRenewal) renew(ctx context.Context) error {
	current := r.latest.Load()
	makeKey := func() (crypto.Signer, error) { return r.makeKey(current.Key) }
	if err := r.obtain(ctx, current.Certificate, r.unit.Issuer, unitProfile, makeKey); err != nil {
		return err
	}
	next := &tsa.Unit{Certificate: r.issued, Chain: current.Chain, Key: r.next, VerifyEach: current.VerifyEach}
	if !r.added {
		// The authority checks it as at a start: a certificate that could not be
		// used then must not get into a file. Another one is asked for.
		if err := errors.Join(pki.CheckKeyPair(next.Certificate, next.Key), r.add(*next)); err != nil {
			r.issued, r.next = nil, nil
			return fmt.Errorf("using issued certificate: %w", err)
		}
		r.added = true
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.issued.Raw})
	if err := durable.Write(numbered(string(r.unit.Certificate), r.number+1), text, 0o644); err != nil {
		return err
	}
	r.keep(r.next)
	r.number++
	r.latest.Store(next)
	r.next, r.issued, r.added = nil, nil, false
	return nil
}

// makeKey makes the next key, of the kind of the one before, or takes the one
// that an earlier try has made.
func (r *unitRenewal) makeKey(current crypto.Signer) (crypto.Signer, error) {
	uri, err := numberedKey(r.unit.Key, r.number+1)
	if err != nil {
		return nil, err
	}
	key, err := keys.Open(uri, r.dir)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = keys.Generate(uri, r.dir, algorithmWord(current.Public()))
	}
	if err != nil {
		return nil, fmt.Errorf("making key of next unit: %w", err)
	}
	return key, nil
}
