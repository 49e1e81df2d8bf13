package conformance

import (
	"context"
	"errors"
)

// TrustListTarget is a trust list and who may have signed it.
type TrustListTarget struct {
	URL string
	// Signers are certificates in DER, known beforehand and not from the list.
	Signers [][]byte
}

// TrustList tests a published trust list.
func (t *Tester) TrustList(ctx context.Context, target TrustListTarget) error {
	if err := t.give(target.URL); err != nil {
		return err
	}
	return t.judgeTrustList(ctx, target.URL, &trustList{client: t.client, url: target.URL}, target.Signers)
}

// TrustListFile tests a trust list out of a file.
func (t *Tester) TrustListFile(ctx context.Context, name string, raw []byte, signers [][]byte) error {
	return t.judgeTrustList(ctx, name, &trustList{x: t.file(name, raw)}, signers)
}

func (t *Tester) judgeTrustList(ctx context.Context, name string, l *trustList, signers [][]byte) error {
	if t.config.TrustList == nil {
		return errors.New("nobody reads trust lists here")
	}
	l.read = func(list []byte) []TrustListFinding { return t.config.TrustList(list, signers) }
	t.section("trust list", name, judgeAll(ctx, asked(t.config.Profile, trustListChecks), l, t.options("trust list", l.client == nil)))
	return nil
}
