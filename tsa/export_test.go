package tsa

import (
	"crypto"
	"slices"
	"time"

	"github.com/altamga/altamga/internal/pki"
)

// For tests of the package from outside.
var (
	ParseInfo             = parseInfo
	NewSystemClockReading = newSystemClock
)

// Marshal encodes i.
func (i *Info) Marshal() ([]byte, error) { return i.marshal() }

// Serials draws serial numbers as an authority does.
type Serials struct{ s serials }

// Next returns the next serial number's value octets.
func (s *Serials) Next(now time.Time) []byte { return s.s.next(now) }

// Lint compares an encoded TSTInfo with what it should say.
var Lint = lint

// Resign puts other attributes into a token and signs them with key.
func Resign(token []byte, key crypto.Signer, change func([][]byte) [][]byte) ([]byte, error) {
	d, err := parseSignedData(token)
	if err != nil {
		return nil, err
	}
	d.attributes = sorted(change(slices.Clone(d.attributes))...)
	signed, err := d.marshalAttributes()
	if err != nil {
		return nil, err
	}
	if d.signature, err = pki.Sign(nil, key, signed); err != nil {
		return nil, err
	}
	return d.marshal()
}

// Fit chooses a genTime: see [Policy.fit].
func (p *Policy) Fit(now time.Time, within time.Duration, latest time.Time) (time.Time, error) {
	return p.fit(now, within, latest)
}

// WallOf has a clock read another wall clock.
func WallOf(c ProvenConfig, wall func(now time.Time) time.Time) ProvenConfig {
	c.wall = wall
	return c
}

// Agree takes spans as middle and half width.
func Agree(in [][2]time.Duration, need int) (low, high time.Duration, ok bool) {
	var spans []span
	for _, s := range in {
		spans = append(spans, span{s[0] - s[1], s[0] + s[1]})
	}
	return agree(spans, need)
}
