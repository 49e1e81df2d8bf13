package ca

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/altamga/altamga/internal/pki"
)

// Config is what an authority is made of.
type Config struct {
	// Issuers are the authorities that this one speaks for, at least one.
	Issuers []Issuer
	// Profiles are the kinds of certificate that it knows.
	Profiles *Profiles
	// Register keeps what was issued.
	Register Register
	// Lint judges every certificate beside our own lints, before the key signs: an
	// error refuses it. Its signature is a throw-away one. Required.
	Lint func(*x509.Certificate) error
	// Shape says of which shape a certificate in DER is, when it has one: of
	// certificates of one shape, profile and issuer Lint, and the standard library's
	// parser, judge the first alone. What it may leave out of a shape is said in
	// judge.go. nil has them judge every certificate.
	Shape func(certificate []byte) (shape [sha256.Size]byte, ok bool)
	// Audit writes a durable audit line before anything is signed or changed.
	// When it fails, the action does not happen. Required.
	Audit func(ctx context.Context, action string, attrs ...slog.Attr) error
	// Allow says whether the authenticated client may do something over HTTP;
	// nil allows every authenticated client everything. Action is one of the
	// Action constants; issuer and profile are empty where they do not apply.
	Allow func(actor, action, issuer, profile string) bool
	// Snapshot writes what a follower of the journal may begin with, so that it
	// need not read years of it: the statuses as of one position, signed. nil
	// offers none.
	Snapshot func(ctx context.Context, w io.Writer) error
	// Access asks for second persons and moderates clients.
	Access Access
	// Actor names the client of an HTTP request, "" for a stranger. nil takes
	// the common name of the verified TLS client certificate.
	Actor func(*http.Request) string
	// RecordFor is how long recording a certificate that is signed already is
	// tried again while the register is away ([journal.ErrUnavailable]).
	// Default 10 seconds.
	RecordFor time.Duration
	// ExpireEvery is how often Run writes Expired entries. Default one minute.
	ExpireEvery time.Duration
	// Log receives what operators should see; nil discards it.
	Log *slog.Logger
	// Observe counts outcomes by a short reason with the time they took; nil
	// counts nothing.
	Observe func(reason string, took time.Duration)
}

// Issuer is an authority with its key.
type Issuer struct {
	// ID is its short name in the register and the HTTP interface ("ehm").
	ID string
	// Certificate is its own certificate. nil while it has none: then it may
	// issue exactly one thing, its own self-signed certificate.
	Certificate *x509.Certificate
	// Chain holds the certificates above Certificate, from its issuer upward.
	// A self-signed one at the end is checked but left out of answers. Empty
	// for a root.
	Chain []*x509.Certificate
	// Key signs. It must be the key of Certificate.
	Key crypto.Signer
	// Profiles names what it may issue.
	Profiles []string
	// PSS makes an RSA key sign with RSASSA-PSS in place of PKCS #1 v1.5.
	PSS bool
	// Unverified leaves out the verification of every signature that Key makes,
	// which costs twice what an ECDSA signature costs. It is for keys with which
	// this process itself computes: those of a token or of another machine come
	// over a wire and are verified. A self-signed certificate always is.
	Unverified bool
	// OCSP, CRL, FreshestCRL and CAIssuers are the http or https addresses that
	// go into what it issues: of the responder, of its revocation list, of the
	// changes since (the delta list) and of its own certificate. An empty one is
	// left out.
	OCSP, CRL, FreshestCRL, CAIssuers string
	// CRLShards, when not 0, is over how many lists the issuer's certificates are
	// spread: {shard} in CRL and FreshestCRL stands for the number of the list,
	// which [pki.Shard] chooses by the serial number.
	CRLShards int
	// CRLSigner is who signs those lists, when it is not the issuer itself: its
	// name goes into what it issues, too.
	CRLSigner *x509.Certificate
}

// Authority issues certificates and changes their status. Its methods may be
// called concurrently.
type Authority struct {
	config  Config
	issuers map[string]*issuer
	// chainKeys are the keys of the authorities above the issuers.
	chainKeys map[[32]byte]bool
	inFlight  sync.Map // idempotency keys being worked on, see idempotency.go
	// See door.go and standing.go.
	hasDoors           bool
	limiter, strangers limiter
	// clients and superiors remember what the register said of certificates: of
	// clients, and of issuers and those above them.
	clients, superiors standings
	// snapshots has one element for each that is being sent.
	snapshots chan struct{}
}

// issuer is an Issuer with what every certificate of it shares.
type issuer struct {
	Issuer
	algorithm []byte // AlgorithmIdentifier of its signatures
	scheme    pki.Scheme
	name      []byte // the encoded issuer Name; nil while Certificate is
	keyID     []byte
	keyHash   [32]byte
	// lintSignature looks like a signature of the issuer and is none: see
	// [issuer.unsigned].
	lintSignature func() ([]byte, error)
	// constant holds what certificates of each profile share.
	constant map[string]constantExtensions
	// shapes are those found good, of each profile.
	shapes map[string]*shapes
	// path holds Certificate and those above it, pathHash the SHA-256 hash of each.
	path     []*x509.Certificate
	pathHash [][32]byte
	// above is path without the self-signed root: the chain of what it issues.
	above []*x509.Certificate
	// began is set when the self-signed certificate is being issued.
	began atomic.Bool
}

var issuerID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// New checks the configuration and returns the authority. It neither reads the
// register nor starts anything.
func New(config Config) (*Authority, error) {
	var failed []error
	if config.Profiles == nil {
		failed = append(failed, errors.New("there are no profiles"))
	}
	if config.Register == nil {
		failed = append(failed, errors.New("there is no register"))
	}
	if config.Lint == nil {
		failed = append(failed, errors.New("there is no lint: nothing is signed unlinted"))
	}
	if config.Audit == nil {
		failed = append(failed, errors.New("there is no audit log: nothing is signed unlogged"))
	}
	if len(config.Issuers) == 0 {
		failed = append(failed, errors.New("there is no issuer"))
	}
	config.Log = cmp.Or(config.Log, slog.New(slog.DiscardHandler))
	if config.Observe == nil {
		config.Observe = func(string, time.Duration) {}
	}
	if config.Allow == nil {
		config.Allow = func(string, string, string, string) bool { return true }
	}
	if config.Actor == nil {
		config.Actor = clientName
	}
	if config.RecordFor <= 0 {
		config.RecordFor = recordFor
	}
	if config.ExpireEvery <= 0 {
		config.ExpireEvery = time.Minute
	}
	hasDoors := config.Access.Rate != nil
	config.Access.setDefaults()
	a := &Authority{config: config, issuers: map[string]*issuer{}, chainKeys: map[[32]byte]bool{}, hasDoors: hasDoors, snapshots: make(chan struct{}, maxSnapshots)}
	keys := map[[32]byte]string{}
	for _, given := range config.Issuers {
		built, err := newIssuer(given, config.Profiles)
		if err != nil {
			failed = append(failed, fmt.Errorf("issuer %q: %w", given.ID, err))
			continue
		}
		if _, ok := a.issuers[given.ID]; ok {
			failed = append(failed, fmt.Errorf("issuer %q stands twice", given.ID))
		}
		if other, ok := keys[built.keyHash]; ok {
			failed = append(failed, fmt.Errorf("issuers %q and %q share a key", other, given.ID))
		}
		a.issuers[given.ID], keys[built.keyHash] = built, given.ID
		for _, above := range given.Chain {
			a.chainKeys[sha256.Sum256(above.RawSubjectPublicKeyInfo)] = true
		}
	}
	if err := errors.Join(failed...); err != nil {
		return nil, fmt.Errorf("configuring authority: %w", err)
	}
	return a, nil
}

func newIssuer(given Issuer, profiles *Profiles) (*issuer, error) {
	if !issuerID.MatchString(given.ID) {
		return nil, errors.New("the id is not 1 to 32 lower-case letters, digits and hyphens")
	}
	if given.Key == nil {
		return nil, errors.New("there is no key")
	}
	scheme := pki.PKCS1
	if given.PSS {
		if _, ok := given.Key.Public().(*rsa.PublicKey); !ok {
			return nil, errors.New("only an RSA key signs with RSASSA-PSS (RFC 4055, Section 3.1)")
		}
		scheme = pki.PSS
	}
	algorithm, _, err := pki.SignatureAlgorithm(given.Key.Public(), scheme)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(given.Key.Public())
	if err != nil {
		return nil, fmt.Errorf("encoding key: %w", err)
	}
	keyID, err := pki.KeyIdentifier(spki)
	if err != nil {
		return nil, err
	}
	b := cryptobyte.NewBuilder(nil)
	pki.AddAlgorithm(b, algorithm)
	encoded, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding algorithm: %w", err)
	}
	i := &issuer{Issuer: given, algorithm: encoded, scheme: scheme, keyID: keyID, keyHash: sha256.Sum256(spki)}
	i.lintSignature = sync.OnceValues(func() ([]byte, error) { return signatureLike(given.Key.Public(), scheme) })
	if err := i.certified(); err != nil {
		return nil, err
	}
	if err := given.checkAddresses(); err != nil {
		return nil, err
	}
	if err := given.checkProfiles(profiles); err != nil || profiles == nil {
		return i, err
	}
	i.constant, i.shapes = make(map[string]constantExtensions, len(given.Profiles)), make(map[string]*shapes, len(given.Profiles))
	for _, name := range given.Profiles {
		i.shapes[name] = new(shapes)
		profile, _ := profiles.Lookup(name)
		if i.constant[name], err = profile.constant(i); err != nil {
			return nil, fmt.Errorf("encoding extensions of profile %q: %w", name, err)
		}
	}
	return i, nil
}

// certified checks the authority's own certificate and those above it, and takes
// over what they say. There may be none.
func (i *issuer) certified() error {
	c := i.Certificate
	switch {
	case c == nil && len(i.Chain) > 0:
		return errors.New("there is a chain but no certificate")
	case c == nil:
		return nil
	}
	if err := pki.CheckKeyPair(c, i.Key); err != nil {
		return err
	}
	// RFC 5280, Section 4.2.1.9 and Section 4.2.1.3.
	if !c.BasicConstraintsValid || !c.IsCA || c.KeyUsage&x509.KeyUsageCertSign == 0 {
		return errors.New("the certificate is not one of an authority")
	}
	if len(c.SubjectKeyId) == 0 {
		return errors.New("the certificate has no subject key identifier (RFC 5280, Section 4.2.1.2)")
	}
	i.name, i.keyID = c.RawSubject, c.SubjectKeyId
	i.path = append([]*x509.Certificate{c}, i.Chain...)
	i.above = slices.Clip(slices.DeleteFunc(slices.Clone(i.path), selfIssued))
	for _, certificate := range i.path {
		i.pathHash = append(i.pathHash, sha256.Sum256(certificate.Raw))
	}
	child := c
	for n, above := range i.Chain {
		if err := child.CheckSignatureFrom(above); err != nil || !bytes.Equal(child.RawIssuer, above.RawSubject) {
			return fmt.Errorf("certificate %d of the chain did not issue the one before it", n+1)
		}
		child = above
	}
	return nil
}

// checkAddresses checks what goes into certificates as URI.
func (i *Issuer) checkAddresses() error {
	if i.CRLShards < 0 || i.CRLShards == 1 || i.CRLShards > 4096 {
		return fmt.Errorf("lists are spread over 2 to 4096 of them and not over %d", i.CRLShards)
	}
	for _, address := range []string{i.CRL, i.FreshestCRL} {
		if address != "" && strings.Contains(address, pki.ShardMark) != (i.CRLShards > 0) {
			return fmt.Errorf("the address %s and the number of lists, %d, do not fit each other: %s stands for the number of a list", address, i.CRLShards, pki.ShardMark)
		}
	}
	for _, place := range []struct{ name, address string }{{"OCSP", i.OCSP}, {"CRL", i.CRL}, {"freshest CRL", i.FreshestCRL}, {"CA issuers", i.CAIssuers}} {
		if place.address == "" {
			continue
		}
		// ETSI EN 319 412-2, Section 4.4.1: http or https.
		u, err := url.Parse(place.address)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || !isASCII(place.address) {
			return fmt.Errorf("the %s address is not an http or https URL", place.name)
		}
	}
	return nil
}

// checkProfiles checks that the issuer may issue what its profiles say.
func (i *Issuer) checkProfiles(profiles *Profiles) error {
	if profiles == nil {
		return nil
	}
	for _, name := range i.Profiles {
		profile, ok := profiles.Lookup(name)
		if !ok {
			return fmt.Errorf("profile %q is unknown", name)
		}
		c := i.Certificate
		if c == nil {
			continue
		}
		if profile.CA && !profile.SelfSigned && c.MaxPathLen == 0 && c.MaxPathLenZero {
			return fmt.Errorf("profile %q makes an authority, which the path length of the certificate forbids (RFC 5280, Section 4.2.1.9)", name)
		}
		if fault := profile.issuedIn(c.Subject.Country); fault != "" {
			return fmt.Errorf("profile %q %s", name, fault)
		}
	}
	return nil
}

func selfIssued(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, c.RawIssuer) }

// Run writes Expired entries for certificates whose time is over, and tends the
// requests that wait for a second person, until ctx ends. A register that does not answer is tried again at the next turn.
func (a *Authority) Run(ctx context.Context) error {
	ticker := time.NewTicker(a.config.ExpireEvery)
	defer ticker.Stop()
	for {
		for {
			n, err := a.config.Register.Expire(ctx, time.Now())
			if err != nil && ctx.Err() == nil {
				a.config.Log.ErrorContext(ctx, "expired certificates were not recorded", "error", err)
			}
			if err != nil || n == 0 {
				break
			}
		}
		a.tendPending(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
