package keys

import (
	"context"
	"crypto"
	"errors"
	"io"
)

// ErrUnavailable says that a token does not answer now: it is away, busy, or
// its library fails. The next signature tries again; nothing needs a restart.
var ErrUnavailable = errors.New("the token is not available")

// ErrPIN says that a token refused its PIN. It is not given the PIN again until
// [RetryPINs] or a restart, so that no server locks a token by trying.
var ErrPIN = errors.New("the token refused the PIN")

// SignContext signs with a key, within the context's time when the key is on a
// token; keys of other packages are just asked to sign.
func SignContext(ctx context.Context, key crypto.Signer, random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	type contextSigner interface {
		SignContext(context.Context, io.Reader, []byte, crypto.SignerOpts) ([]byte, error)
	}
	if k, ok := key.(contextSigner); ok {
		return k.SignContext(ctx, random, digest, opts)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return key.Sign(random, digest, opts)
}

// Close gives back what a key of this package took: uses that were counted and
// not made. A key that holds nothing, and any other key, is left alone.
func Close(key crypto.Signer) error {
	if k, ok := key.(io.Closer); ok {
		return k.Close()
	}
	return nil
}

// Discard removes a key that [Generate] has just made on a token, for a caller
// whose work failed half-way. Keys that were only opened are refused; files are
// the caller's to remove.
func Discard(key crypto.Signer) error {
	if k, ok := key.(*countedKey); ok {
		key = k.Signer
	}
	if k, ok := key.(interface{ discard() error }); ok {
		return k.discard()
	}
	return nil
}

// Ready reports whether a key can sign now; for a key on a token it asks the
// token, without a signature. Keys in files always can.
func Ready(ctx context.Context, key crypto.Signer) error {
	if k, ok := key.(*countedKey); ok {
		key = k.Signer
	}
	if k, ok := key.(interface{ ready(context.Context) error }); ok {
		return k.ready(ctx)
	}
	return nil
}

// OnToken reports whether a key of this package is on a token.
func OnToken(key crypto.Signer) bool {
	if k, ok := key.(*countedKey); ok {
		key = k.Signer
	}
	_, ok := key.(interface{ ready(context.Context) error })
	return ok
}
