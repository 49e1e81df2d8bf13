//go:build cgo

package keys

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/miekg/pkcs11"
)

// tokenKey is a private key on a token.
type tokenKey struct {
	pool   *pool
	uri    TokenURI
	public crypto.PublicKey
	// generated says that this process made it, and may remove it.
	generated bool

	mu sync.Mutex
	// handle is the key's, while its era lasts.
	handle pkcs11.ObjectHandle
	// always says that the token wants the PIN for each signature.
	always bool
	era    era
	known  bool
	// proven is the last era in which a signature was verified.
	proven era
}

// openToken returns the key of a pkcs11: URI.
func openToken(u URI, baseDir string) (crypto.Signer, error) {
	p, err := poolOf(u, baseDir)
	if err != nil {
		return nil, err
	}
	return p.openKey(u)
}

// poolOf returns the pool of the token that a key's URI names.
func poolOf(u URI, baseDir string) (*pool, error) {
	if u.Token.Object == "" && u.Token.ID == "" {
		return nil, &Error{err: errors.New("opening key: its URI names a token and no key"), hint: "add object=LABEL or id=%.."}
	}
	if u.Token.Token == "" && u.Token.Serial == "" {
		return nil, &Error{err: errors.New("opening key: its URI names no token"), hint: "add token=LABEL or serial=NUMBER; altamga keys list --uri pkcs11: lists them"}
	}
	return tokenPool(u, baseDir)
}

// tokenPool returns the pool of a token, from the first library that sees it.
func tokenPool(u URI, baseDir string) (*pool, error) {
	paths, err := libraryPaths(u.Token)
	if err != nil {
		return nil, err
	}
	if len(paths) == 1 {
		m, err := openModule(paths[0])
		if err != nil {
			return nil, err
		}
		return m.poolFor(u.Token, baseDir)
	}
	var faults []error
	for _, again := range []bool{false, true} {
		faults = nil
		for _, path := range paths {
			m, err := openModule(path)
			if err == nil {
				var seen bool
				if seen, err = m.sees(u.Token, again); seen {
					return m.poolFor(u.Token, baseDir)
				}
			}
			faults = append(faults, err)
		}
	}
	err = fmt.Errorf("opening %s: %w: none of %d modules sees it", u.Token.name(), ErrUnavailable, len(paths))
	if fault := errors.Join(faults...); fault != nil {
		err = fmt.Errorf("%w: %w", err, fault)
	}
	return nil, &Error{
		err:  err,
		hint: "altamga keys list --uri pkcs11: lists the tokens that are there; module-path=/PATH names another module",
	}
}

// sees reports whether the library sees the token; with again after starting
// it once more, as the token may have come later.
func (m *module) sees(t TokenURI, again bool) (seen bool, err error) {
	if again {
		m.mu.Lock()
		generation := m.generation
		m.mu.Unlock()
		if err := m.start(generation); err != nil {
			return false, err
		}
	}
	defer m.leave()
	m.enter()
	err = m.tokens(func(_ uint, info pkcs11.TokenInfo) bool {
		seen = t.matches(info)
		return seen
	})
	return seen, err
}

// openKey finds a key on the token and reads its public half.
func (p *pool) openKey(u URI) (*tokenKey, error) {
	k := &tokenKey{pool: p, uri: u.Token}
	if err := p.do(context.Background(), patience, func(l library, s session) error { _, _, err := k.find(l, s); return err }); err != nil {
		return nil, err
	}
	if err := strong(k.public); err != nil {
		return nil, &Error{err: fmt.Errorf("opening key %s: %w", k.uri.objectName(), err)}
	}
	return k, nil
}

// find returns the key's handle in a session's era.
func (k *tokenKey) find(l library, s session) (handle pkcs11.ObjectHandle, always bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known && k.era == s.era {
		return k.handle, k.always, nil
	}
	if handle, err = findPrivate(l, s, k.uri); err != nil {
		return 0, false, err
	}
	public, err := readPublic(l, s, handle)
	if err != nil {
		return 0, false, err
	}
	if k.public == nil {
		k.public = public
	} else if !k.public.(interface{ Equal(crypto.PublicKey) bool }).Equal(public) {
		// Another token under the same name, or another key: what was built on
		// this one must not be signed with that one.
		return 0, false, &Error{
			err:  fmt.Errorf("using key %s: the token holds another key under this name than before", k.uri.objectName()),
			hint: "bring the right token back; a server that shall use the new key has to be started again",
		}
	}
	ask, err := attributeBool(l, s, handle, pkcs11.CKA_ALWAYS_AUTHENTICATE)
	if err != nil {
		return 0, false, err
	}
	k.handle, k.always, k.era, k.known = handle, ask != nil && *ask, s.era, true
	return k.handle, k.always, nil
}

// ready asks the token for the key, past what is remembered of it.
func (k *tokenKey) ready(ctx context.Context) error {
	return k.pool.do(ctx, patience, func(l library, s session) error {
		_, err := findPrivate(l, s, k.uri)
		return err
	})
}

// Public returns the public half.
func (k *tokenKey) Public() crypto.PublicKey { return k.public }

// Sign has the token sign a digest, or for Ed25519 the message itself, within
// ten seconds. The token has its own random numbers, so random is not used.
func (k *tokenKey) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return k.SignContext(context.Background(), random, digest, opts)
}

// SignContext signs within the context's time.
func (k *tokenKey) SignContext(ctx context.Context, _ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	w, err := workFor(k.public, digest, opts)
	if err != nil {
		return nil, fmt.Errorf("signing with key %s: %w", k.uri.objectName(), err)
	}
	// Handed over by a channel: a call that outlives the context writes to
	// nothing that the caller still reads.
	signed := make(chan []byte, 1)
	err = k.pool.do(ctx, patience, func(l library, s session) error {
		signature, err := k.sign(l, s, w)
		if err == nil {
			signed <- signature
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("signing with key %s: %w", k.uri.objectName(), err)
	}
	return <-signed, nil
}

// sign makes one signature in a session.
func (k *tokenKey) sign(l library, s session, w work) ([]byte, error) {
	handle, always, err := k.find(l, s)
	if err != nil {
		return nil, err
	}
	if err := l.SignInit(s.handle, []*pkcs11.Mechanism{w.mechanism}, handle); err != nil {
		return nil, err
	}
	if always {
		if err := k.pool.confirm(s); err != nil {
			return nil, err
		}
	}
	raw, err := l.Sign(s.handle, w.input)
	if err != nil {
		return nil, err
	}
	signature, err := w.encode(raw)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	proven := k.proven == s.era
	k.mu.Unlock()
	if proven {
		return signature, nil
	}
	// The first signature after the key was found: is this its public half, and
	// does the token compute right?
	if !w.verify(signature) {
		return nil, &Error{
			err:  errors.New("the token's signature does not verify with the key's public half"),
			hint: "the public key or certificate beside the private key belongs to another one, or the token is broken",
		}
	}
	k.mu.Lock()
	k.proven = s.era
	k.mu.Unlock()
	return signature, nil
}

// makingTime bounds making a key: some tokens need minutes for an RSA key.
const makingTime = 15 * time.Minute

// generateToken has the token make a key. It is told never to give it out.
func generateToken(u URI, baseDir, algorithm string) (crypto.Signer, error) {
	if !slices.Contains(Algorithms(), algorithm) {
		return nil, unknownAlgorithm(algorithm)
	}
	if u.Token.Object == "" {
		return nil, &Error{err: errors.New("generating key: its URI names no label"), hint: "add object=LABEL"}
	}
	p, err := poolOf(u, baseDir)
	if err != nil {
		return nil, err
	}
	err = p.do(context.Background(), makingTime, func(l library, s session) error {
		found, err := findObjects(l, s, pkcs11.CKO_PRIVATE_KEY, u.Token.Object, "", 1)
		if err == nil && len(found) == 0 && u.Token.ID != "" {
			found, err = findObjects(l, s, pkcs11.CKO_PRIVATE_KEY, "", u.Token.ID, 1)
		}
		if err != nil {
			return err
		}
		if len(found) > 0 {
			return &Error{
				err:  fmt.Errorf("generating key %s: %w", u.Token.objectName(), fs.ErrExist),
				hint: "a key is never overwritten; choose another label, or remove the old key with the token's own tool if it is not needed",
			}
		}
		return generatePair(l, s, u.Token, algorithm)
	})
	if err != nil {
		return nil, err
	}
	k, err := p.openKey(u)
	if err != nil {
		return nil, err
	}
	k.generated = true
	return k, nil
}

// discard removes a key that this process made.
func (k *tokenKey) discard() error {
	if !k.generated {
		return fmt.Errorf("removing key %s: it was not made here", k.uri.objectName())
	}
	return k.pool.do(context.Background(), patience, func(l library, s session) error {
		return destroyPair(l, s, k.uri, func(public crypto.PublicKey) bool {
			return k.public.(interface{ Equal(crypto.PublicKey) bool }).Equal(public)
		})
	})
}

// curveOctets is the length of one half of an ECDSA signature.
func curveOctets(key *ecdsa.PublicKey) int { return (key.Curve.Params().N.BitLen() + 7) / 8 }
