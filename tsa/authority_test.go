package tsa_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/tsa"
)

func TestNewRefuses(t *testing.T) {
	key := newKey(t, elliptic.P256())
	purposes := func(critical bool, ids ...asn1.ObjectIdentifier) profile {
		return func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{extKeyUsage(t, critical, ids...)} }
	}
	usage := func(u x509.KeyUsage) profile { return func(c *x509.Certificate) { c.KeyUsage = u } }
	t.Run("TSA-09 the one purpose is timeStamping, critical", func(t *testing.T) {
		for name, p := range map[string]profile{
			"none":                 func(c *x509.Certificate) { c.ExtraExtensions = nil },
			"not critical":         purposes(false, oidTimeStamping),
			"another":              purposes(true, oidCodeSigning),
			"another beside it":    purposes(true, oidTimeStamping, oidCodeSigning),
			"any":                  purposes(true, oidAnyKeyPurpose),
			"any beside it":        purposes(true, oidTimeStamping, oidAnyKeyPurpose),
			"an unknown beside it": purposes(true, oidTimeStamping, oidUnknownPurpose),
			"twice":                purposes(true, oidTimeStamping, oidTimeStamping),
		} {
			config, _ := newHierarchy(t, key, p).config()
			refusesConfig(t, name, config, "extended key usage")
		}
	})
	t.Run("TSA-10 key usage is digitalSignature or nonRepudiation", func(t *testing.T) {
		for _, u := range []x509.KeyUsage{0, x509.KeyUsageKeyAgreement, x509.KeyUsageDigitalSignature | x509.KeyUsageCRLSign} {
			config, _ := newHierarchy(t, key, usage(u)).config()
			refusesConfig(t, "usage", config, "key usage")
		}
		for _, u := range []x509.KeyUsage{x509.KeyUsageContentCommitment, x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment} {
			config, _ := newHierarchy(t, key, usage(u)).config()
			if _, err := tsa.New(config); err != nil {
				t.Errorf("usage %b: %v", u, err)
			}
		}
	})

	h := newHierarchy(t, key)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ed := newHierarchy(t, edKey)
	ca := newHierarchy(t, key, func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true })
	badUsagePeriod := newHierarchy(t, key, usagePeriod("3000"))
	for name, row := range map[string]struct {
		change func(*tsa.Config)
		says   string
	}{
		"no certificate":        {func(c *tsa.Config) { c.Units[0].Certificate = nil }, "no certificate"},
		"no key":                {func(c *tsa.Config) { c.Units[0].Key = nil }, "no key"},
		"no clock":              {func(c *tsa.Config) { c.Clock = nil }, "no clock"},
		"no policy":             {func(c *tsa.Config) { c.Policies = nil }, "no policy"},
		"a policy that is none": {func(c *tsa.Config) { c.Policies = append(c.Policies, tsa.Policy{ID: asn1.ObjectIdentifier{9, 9}}) }, "policy 9.9"},
		"another's key":         {func(c *tsa.Config) { c.Units[0].Key = newKey(t, elliptic.P256()) }, "private key"},
		"a coarse accuracy":     {func(c *tsa.Config) { c.Policies[0].Accuracy = 2 * time.Second }, "accuracy"},
		"a fine accuracy":       {func(c *tsa.Config) { c.Policies[0].Accuracy = 1500 }, "accuracy"},
		"a negative accuracy":   {func(c *tsa.Config) { c.Policies[0].Accuracy = -time.Second }, "accuracy"},
		"accuracy below digits": {func(c *tsa.Config) { c.Policies[0].Accuracy, c.Policies[0].Fraction = 10*time.Millisecond, 1 }, "finer"},
		"seven digits":          {func(c *tsa.Config) { c.Policies[0].Fraction = 7 }, "fraction"},
		"minus one digit":       {func(c *tsa.Config) { c.Policies[0].Fraction = -1 }, "fraction"},
		"negative in flight":    {func(c *tsa.Config) { c.MaxInflight = -1 }, "MaxInflight"},
		"asked without end":     {func(c *tsa.Config) { c.StandingEvery = -1 }, "StandingEvery"},
		"the root in the chain": {func(c *tsa.Config) { c.Units[0].Chain = append(c.Units[0].Chain, h.root) }, "root"},
		"a foreign chain":       {func(c *tsa.Config) { c.Units[0].Chain = []*x509.Certificate{ed.intermediate} }, "not the issuer"},
		"an Ed25519 key":        {func(c *tsa.Config) { c.Units[0] = tsa.Unit{Certificate: ed.certificate, Key: edKey} }, "Ed25519"},
		"a P-224 key":           {func(c *tsa.Config) { k := newKey(t, elliptic.P224()); c.Units[0].Key = k }, "P-224"},
		"a CA":                  {func(c *tsa.Config) { c.Units[0].Certificate, c.Units[0].Chain = ca.certificate, nil }, "CA's"},
		"an odd usage period":   {func(c *tsa.Config) { c.Units[0].Certificate, c.Units[0].Chain = badUsagePeriod.certificate, nil }, "privateKeyUsagePeriod"},
	} {
		config, _ := h.config()
		row.change(&config)
		refusesConfig(t, name, config, row.says)
	}

	t.Run("everything at once", func(t *testing.T) {
		_, err := tsa.New(tsa.Config{Units: make([]tsa.Unit, 1), Policies: []tsa.Policy{{Accuracy: time.Minute, Fraction: 9}}})
		for _, word := range []string{"accuracy", "fraction", "policy", "clock", "certificate"} {
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("%v does not speak of the %s", err, word)
			}
		}
	})
}

func refusesConfig(t *testing.T, name string, config tsa.Config, says string) {
	t.Helper()
	if _, err := tsa.New(config); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: got %v, want something about %q", name, err, says)
	}
}

// usagePeriod adds a privateKeyUsagePeriod of that value in hexadecimal.
func usagePeriod(value string) profile {
	return func(c *x509.Certificate) {
		var v []byte
		for i := 0; i < len(value); i += 2 {
			n, _ := new(big.Int).SetString(value[i:i+2], 16)
			v = append(v, byte(n.Int64()))
		}
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: oidPrivateKeyUse, Value: v})
	}
}

func TestClockRefusals(t *testing.T) {
	t.Run("TSA-41 an unproven clock is timeNotAvailable", func(t *testing.T) {
		a, h, c := newAuthority(t, nil)
		stamp(t, a, h, query())
		c.set(noon, errors.New("no time server answers"))
		want(t, refused(t, a, marshal(t, query())), tsa.TimeNotAvailable)
		if err := a.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "no time server answers") {
			t.Errorf("Ready says %v", err)
		}
		c.set(noon, nil)
		stamp(t, a, h, query())
		if err := a.Ready(t.Context()); err != nil {
			t.Errorf("Ready says %v", err)
		}
	})
	t.Run("TSA-41 a stepped machine", func(t *testing.T) {
		m, clock := newMachine(t)
		a, h, _ := newAuthority(t, func(c *tsa.Config) { c.Clock = clock })
		stamp(t, a, h, query())
		m.step(time.Hour)
		want(t, refused(t, a, marshal(t, query())), tsa.TimeNotAvailable)
		m.step(-time.Hour)
		want(t, refused(t, a, marshal(t, query())), tsa.TimeNotAvailable)
		m.pass(tsa.SettlingTime)
		stamp(t, a, h, query())
	})
	t.Run("TSA-14 genTime is the clock's time", func(t *testing.T) {
		a, h, c := newAuthority(t, func(c *tsa.Config) { c.Policies[0].Fraction = 3 })
		for _, d := range []time.Duration{0, 999 * time.Millisecond, time.Hour} {
			c.set(noon.Add(d), nil)
			if got := stamp(t, a, h, query()).Info.GenTime; !got.Equal(noon.Add(d)) {
				t.Errorf("got %v, want %v", got, noon.Add(d))
			}
		}
	})
	t.Run("TSA-22 never backwards", func(t *testing.T) {
		a, h, c := newAuthority(t, func(c *tsa.Config) { c.Policies[0].Fraction = 3 })
		last := stamp(t, a, h, query()).Info
		for _, d := range []time.Duration{5, -10, -500, -994, 3, -990, 20} {
			c.set(noon.Add(d*time.Millisecond), nil)
			got := stamp(t, a, h, query()).Info
			if got.GenTime.Before(last.GenTime) {
				t.Errorf("genTime %v after %v", got.GenTime, last.GenTime)
			}
			if got.SerialNumber().Cmp(last.SerialNumber()) <= 0 {
				t.Errorf("serial number %x after %x", got.Serial, last.Serial)
			}
			last = got
		}
		// Farther back than the accuracy, one of the two times is wrong.
		c.set(last.GenTime.Add(-time.Second-1), nil)
		want(t, refused(t, a, marshal(t, query())), tsa.TimeNotAvailable)
		if err := a.Ready(t.Context()); !errors.Is(err, tsa.ErrUnproven) {
			t.Errorf("Ready says %v", err)
		}
		c.set(last.GenTime.Add(-time.Second), nil)
		stamp(t, a, h, query())
	})
}

func TestPeriod(t *testing.T) {
	t.Run("TSA-42 no token outside the certificate's validity", func(t *testing.T) {
		h := newHierarchy(t, newKey(t, elliptic.P256()))
		config, c := h.config()
		for _, row := range []struct {
			now time.Time
			ok  bool
		}{
			{h.certificate.NotBefore.Add(-time.Second), false},
			{h.certificate.NotBefore.Add(-1), false},
			{h.certificate.NotBefore, true},
			{h.certificate.NotAfter, true},
			{h.certificate.NotAfter.Add(time.Second), false},
		} {
			a, err := tsa.New(config)
			if err != nil {
				t.Fatal(err)
			}
			c.set(row.now, nil)
			if ready := a.Ready(t.Context()); (ready == nil) != row.ok {
				t.Errorf("%v: Ready says %v", row.now, ready)
			}
			if row.ok {
				stamp(t, a, h, query())
			} else {
				want(t, refused(t, a, marshal(t, query())), tsa.SystemFailure)
			}
		}
	})
	t.Run("TSA-42 no token outside the private key usage period", func(t *testing.T) {
		from, to := "800f"+"32303236303130313030303030305a", "810f"+"32303236313233313233353935395a" // 2026
		for _, row := range []struct {
			name, value string
			now         time.Time
			ok          bool
		}{
			{"within both", "3022" + from + to, noon, true},
			{"before both", "3022" + from + to, noon.AddDate(0, -11, 0), false},
			{"after both", "3022" + from + to, noon.AddDate(0, 2, 0), false},
			{"the last second", "3022" + from + to, time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC), true},
			{"before a beginning", "3011" + from, noon.AddDate(0, -11, 0), false},
			{"after a beginning", "3011" + from, noon.AddDate(1, 0, 0), true},
			{"before an end", "3011" + to, noon.AddDate(0, -11, 0), true},
			{"after an end", "3011" + to, noon.AddDate(0, 2, 0), false},
		} {
			h := newHierarchy(t, newKey(t, elliptic.P256()), usagePeriod(row.value))
			config, c := h.config()
			c.set(row.now, nil)
			a, err := tsa.New(config)
			if err != nil {
				t.Fatal(err)
			}
			if row.ok {
				stamp(t, a, h, query())
			} else {
				want(t, refused(t, a, marshal(t, query())), tsa.SystemFailure)
			}
		}
	})
}

// journal is an Audit and a Journal that remember, and fail when told to.
type journal struct {
	mu      sync.Mutex
	actions []string
	attrs   map[string]string
	records []tsa.Record
	err     error
}

func (j *journal) append(_ context.Context, action string, attrs ...slog.Attr) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	j.actions = append(j.actions, action)
	j.attrs = map[string]string{}
	for _, a := range attrs {
		j.attrs[a.Key] = a.Value.String()
	}
	return nil
}

func (j *journal) record(_ context.Context, r tsa.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil {
		j.records = append(j.records, r)
	}
	return j.err
}

// signer is a key that counts, fails, or signs something else.
type signer struct {
	crypto.Signer
	signed int
	sign   func(digest []byte) ([]byte, error)
}

func (s *signer) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.signed++
	if s.sign != nil {
		return s.sign(digest)
	}
	return s.Signer.Sign(random, digest, opts)
}

func TestJournal(t *testing.T) {
	j := new(journal)
	h := newHierarchy(t, newKey(t, elliptic.P256()))
	config, _ := h.config()
	key := &signer{Signer: h.key}
	config.Units[0].Key, config.Journal = key, j.record
	a, err := tsa.New(config)
	if err != nil {
		t.Fatal(err)
	}
	token := stamp(t, a, h, query())
	info, err := token.Info.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if len(j.records) != 1 || !bytes.Equal(j.records[0].Serial, token.Info.Serial) || !j.records[0].GenTime.Equal(token.Info.GenTime) ||
		j.records[0].Statement != sha256.Sum256(info) || j.records[0].Unit != sha256.Sum256(h.certificate.Raw) {
		t.Errorf("recorded %v", j.records)
	}
	refused(t, a, []byte{0})
	if len(j.records) != 1 {
		t.Error("a refused query was recorded")
	}
	// What cannot be recorded is not signed.
	j.err = errors.New("disk full")
	signed := key.signed
	want(t, refused(t, a, marshal(t, query())), tsa.SystemFailure)
	if key.signed != signed {
		t.Error("the key signed what could not be recorded")
	}
	if err := a.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("Ready says %v", err)
	}
	j.err = nil
	stamp(t, a, h, query())
	if err := a.Ready(t.Context()); err != nil {
		t.Errorf("Ready says %v", err)
	}
	// What is signed is on record before: a key that fails leaves its intent.
	key.sign = func([]byte) ([]byte, error) { return nil, errors.New("pulled out") }
	want(t, refused(t, a, marshal(t, query())), tsa.SystemFailure)
	if len(j.records) != 3 {
		t.Errorf("%d records, want 3", len(j.records))
	}
}

// The clock's losses and finds are recorded once each, and a find that cannot
// be recorded is none.
func TestAudit(t *testing.T) {
	j := new(journal)
	a, h, c := newAuthority(t, func(c *tsa.Config) { c.Audit = j.append })
	stamp(t, a, h, query())
	c.set(noon, errors.New("lost"))
	want(t, refused(t, a, marshal(t, query())), tsa.TimeNotAvailable)
	want(t, refused(t, a, marshal(t, query())), tsa.TimeNotAvailable)
	c.set(noon, nil)
	j.err = errors.New("disk full")
	want(t, refused(t, a, marshal(t, query())), tsa.SystemFailure)
	j.err = nil
	stamp(t, a, h, query())
	if got := []string{"tsa.clock_lost", "tsa.clock_found"}; !slices.Equal(j.actions, got) {
		t.Errorf("recorded %v, want %v", j.actions, got)
	}
	c.set(noon, errors.New("lost"))
	j.err = errors.New("disk full")
	want(t, refused(t, a, marshal(t, query())), tsa.TimeNotAvailable)
}

func TestBrokenKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHierarchy(t, newKey(t, elliptic.P256()))
		other := newKey(t, elliptic.P256())
		key := &signer{Signer: h.key}
		config, _ := h.config()
		config.Units[0].Key = key
		a, err := tsa.New(config)
		if err != nil {
			t.Fatal(err)
		}
		for name, sign := range map[string]func([]byte) ([]byte, error){
			"an error":              func([]byte) ([]byte, error) { return nil, errors.New("the token was pulled out") },
			"another key signature": func(d []byte) ([]byte, error) { return other.Sign(rand.Reader, d, crypto.SHA256) },
			"nothing":               func([]byte) ([]byte, error) { return nil, nil },
			"garbage":               func([]byte) ([]byte, error) { return []byte("signature"), nil },
		} {
			key.sign = sign
			if got := refused(t, a, marshal(t, query())); got != tsa.SystemFailure {
				t.Errorf("%s: failInfo is %v, want systemFailure", name, got)
			}
			if err := a.Ready(t.Context()); err == nil {
				t.Errorf("%s: ready", name)
			}
		}
		// It is asked again after a while even when no query came.
		time.Sleep(time.Minute)
		if err := a.Ready(t.Context()); err != nil {
			t.Errorf("after a minute: %v", err)
		}
		key.sign = nil
		stamp(t, a, h, query())
		if err := a.Ready(t.Context()); err != nil {
			t.Error(err)
		}

		// Without the check a wrong signature goes out: that is what it is for.
		config.Units[0].VerifyEach = -1
		key.sign = func(d []byte) ([]byte, error) { return other.Sign(rand.Reader, d, crypto.SHA256) }
		if a, err = tsa.New(config); err != nil {
			t.Fatal(err)
		}
		token, err := tsa.ParseResponse(a.Respond(t.Context(), marshal(t, query())))
		if err != nil {
			t.Fatal(err)
		}
		if err := token.Verify(h.certificate); err == nil {
			t.Error("another key's signature verifies")
		}
	})
}

// TestLint hands Stamp what ParseRequest would not have let through.
func TestLint(t *testing.T) {
	h := newHierarchy(t, newKey(t, elliptic.P256()))
	config, _ := h.config()
	key := &signer{Signer: h.key}
	config.Units[0].Key = key
	a, err := tsa.New(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, nonce := range [][]byte{{}, {0, 1}, {0xff, 0xff}} {
		r := query()
		r.Nonce = nonce
		_, err := a.Stamp(t.Context(), r)
		if rejection, ok := errors.AsType[*tsa.Rejection](err); !ok || rejection.Failure != tsa.SystemFailure {
			t.Errorf("nonce %x: got %v", nonce, err)
		}
	}
	if _, err := a.Stamp(t.Context(), new(tsa.Request)); err == nil {
		t.Error("an empty request was stamped")
	}
	if key.signed != 0 {
		t.Errorf("the key signed %d times", key.signed)
	}
}

func TestOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHierarchy(t, newKey(t, elliptic.P256()))
		config, _ := h.config()
		release := make(chan struct{})
		key := &signer{Signer: h.key, sign: func(d []byte) ([]byte, error) {
			<-release
			return h.key.Sign(nil, d, crypto.SHA256)
		}}
		config.Units[0].Key, config.MaxInflight = key, 1
		a, err := tsa.New(config)
		if err != nil {
			t.Fatal(err)
		}
		var first *tsa.Token
		var wait sync.WaitGroup
		wait.Go(func() { first, err = tsa.ParseResponse(a.Respond(t.Context(), marshal(t, query()))) })
		synctest.Wait()

		start := time.Now()
		want(t, refused(t, a, marshal(t, query())), tsa.SystemFailure)
		if took := time.Since(start); took != time.Second {
			t.Errorf("refused after %v, want 1s", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := a.Stamp(ctx, query()); !errors.Is(err, context.Canceled) {
			t.Errorf("an abandoned query got %v", err)
		}
		// One that waits gets the place as soon as it is free.
		var second *tsa.Token
		var secondErr error
		wait.Go(func() { second, secondErr = tsa.ParseResponse(a.Respond(t.Context(), marshal(t, query()))) })
		synctest.Wait()
		close(release)
		wait.Wait()
		if first == nil || second == nil {
			t.Errorf("got %v and %v", err, secondErr)
		}
	})
}

func TestLog(t *testing.T) {
	var b strings.Builder
	a, h, c := newAuthority(t, func(c *tsa.Config) { c.Log = slog.New(slog.NewTextHandler(&b, nil)) })
	stamp(t, a, h, query())
	if b.Len() > 0 {
		t.Errorf("a token logged %q", b.String())
	}
	c.set(noon, errors.New("lost"))
	refused(t, a, marshal(t, query()))
	refused(t, a, marshal(t, query()))
	if got := strings.Count(b.String(), "clock lost"); got != 1 {
		t.Errorf("the loss was logged %d times:\n%s", got, b.String())
	}
}
