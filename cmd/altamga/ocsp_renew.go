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

	"github.com/altamga/altamga/internal/durable"
	"github.com/altamga/altamga/internal/keys"
	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/internal/serve"
	"github.com/altamga/altamga/ocsp"
)

// signerProfile is what OCSP signers are issued by.
const signerProfile = "ocsp-signer"

// signerRenewal keeps the certificate of an OCSP signer from running out: it has
// a successor issued before two thirds of the certificate's life have passed,
// writes it to the file, and lets it sign from then on. Nothing is restarted,
// and what the one before has signed stays good until its nextUpdate, which is
// never past that one's end.
type signerRenewal struct {
	// issuer whose signer it is, and the algorithm of its key, of which an
	// issuer has one signer each.
	issuer, algorithm string
	// file of the certificate, and key URI, relative to dir.
	file, key, dir string
	// newKey makes a key for each certificate.
	newKey bool
	// replace lets the responder sign with another certificate and key.
	replace func(*ocsp.Signer) error
	keep    func(crypto.Signer)
	log     *slog.Logger
	current atomic.Pointer[ocsp.Signer]
	successor
}

// renewsSigners adds the loops that renew the signers of a responder, as far as
// there is an authority to ask.
func (p *process) renewsSigners(c *ocspConfig, responder *ocsp.Responder, source *ocspSource, issuers []ocsp.Issuer) {
	var issue signerIssuer
	switch {
	case p.authority != nil:
		issue = issueSignerHere(p.authority, "ocsp.signer")
	case source.client != nil:
		issue = issueSignerOverHTTP(source.client)
	}
	for i, configured := range c.Issuers {
		of, issue := issuers[i], issue
		if configured.List != nil {
			// Another centre's: its authority is not the one that is asked here.
			issue = nil
		}
		p.renewsSigner(of.ID, configured.ocspSignerConfig, of.Signer, issue, func(s *ocsp.Signer) error { return responder.ReplaceSigner(of.ID, s) })
		for at, other := range configured.Others {
			p.renewsSigner(of.ID, other, of.Others[at], issue, func(s *ocsp.Signer) error { return responder.ReplaceOther(of.ID, at, s) })
		}
	}
}

// renewsSigner adds the loop that renews one signer of an issuer, unless issue
// is nil or the configuration says otherwise.
func (p *process) renewsSigner(issuer string, c ocspSignerConfig, signer *ocsp.Signer, issue signerIssuer, replace func(*ocsp.Signer) error) {
	r := &signerRenewal{
		issuer: issuer, algorithm: algorithmWord(signer.Key.Public()), file: string(c.Signer), key: c.SignerKey, dir: p.dir,
		newKey: c.Renew == renewNewKey, replace: replace, keep: p.keep, successor: successor{issue: issue},
	}
	r.log = p.log.With("server", "ocsp", "issuer", issuer, "key", r.algorithm)
	r.current.Store(signer)
	p.admin.Gauge("ocsp", "ocsp_signer_seconds_left", "Time until the certificate of one of the issuer's OCSP signers ends.",
		func() float64 { return time.Until(r.current.Load().Certificate.NotAfter).Seconds() }, "issuer", issuer, "key", r.algorithm)
	if issue == nil || c.Renew == renewOff {
		r.log.Warn("nobody renews the OCSP signer: put the next one into its place in time", "not_after", signer.Certificate.NotAfter)
		return
	}
	p.loops = append(p.loops, serve.Loop{Name: "ocsp signer renewal of " + issuer + " " + r.algorithm, Run: func(ctx context.Context) error { return keepRenewed(ctx, r) }})
	p.admin.Add("ocsp", r.ready)
	p.signers = append(p.signers, r)
}

func (r *signerRenewal) life() lifetime { return lifeOf(r.current.Load().Certificate) }

func (r *signerRenewal) tell(ctx context.Context, err error) {
	current := r.current.Load().Certificate
	if err != nil {
		r.log.ErrorContext(ctx, "OCSP signer was not renewed", "not_after", current.NotAfter, "error", err)
		return
	}
	r.log.InfoContext(ctx, "OCSP signer renewed", "serial", current.SerialNumber.Text(16), "not_after", current.NotAfter)
}

// ready is red when the signer is about to end although it should have been
// renewed long ago.
func (r *signerRenewal) ready(context.Context) error {
	if life := r.life(); life.nearEnd() {
		return fmt.Errorf("the certificate of the OCSP signer of %s (%s) ends at %s and was not renewed", r.issuer, r.algorithm, life.to.UTC().Format(time.RFC3339))
	}
	return nil
}

// renew has the successor issued, writes it, and lets it sign. What was issued
// and is not in use yet is kept for the next try.
func (r *signerRenewal) renew(ctx context.Context) error {
	current := r.current.Load()
	makeKey := func() (crypto.Signer, error) { return r.makeKey(current.Key) }
	if err := r.obtain(ctx, current.Certificate, r.issuer, signerProfile, makeKey); err != nil {
		return err
	}
	if err := pki.CheckKeyPair(r.issued, r.next); err != nil {
		r.issued, r.next = nil, nil
		return fmt.Errorf("checking issued certificate: %w", err)
	}
	next := &ocsp.Signer{Certificate: r.issued, Key: r.next, Chain: current.Chain}
	// The responder checks it as at a start: a certificate that could not be
	// used then must not get into the file.
	if err := r.replace(next); err != nil {
		if time.Now().After(r.issued.NotBefore) {
			r.issued, r.next = nil, nil
		}
		return err
	}
	if err := r.write(); err != nil {
		return fmt.Errorf("writing OCSP signer: %w", err)
	}
	if r.keep != nil && r.newKey {
		r.keep(r.next)
	}
	r.current.Store(next)
	r.next, r.issued = nil, nil
	return nil
}

// A new key and its certificate cannot be put into two files in one step. So
// both are written beside the old ones first; from then on the new ones count,
// and whatever interrupts the renaming is made up for at the next start.

// coming is what the files of the next signer are called.
func coming(path string) string { return path + ".next" }

func comingKey(uri string) (string, keys.URI, error) {
	u, err := keys.Parse(uri)
	if err != nil || u.PKCS11 || u.MaxUses > 0 {
		return "", u, errors.Join(err, errors.New("only a key in a file without a counter is made anew"))
	}
	rest := strings.TrimPrefix(uri, "file:")
	path, query, _ := strings.Cut(rest, "?")
	next := "file:" + coming(path)
	if query != "" {
		next += "?" + query
	}
	return next, u, nil
}

func (r *signerRenewal) inDir(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(r.dir, path)
}

// makeKey makes the next key, of the kind of the one before, unless that stays.
// One that was made and never used gives way.
func (r *signerRenewal) makeKey(current crypto.Signer) (crypto.Signer, error) {
	if !r.newKey {
		return current, nil
	}
	uri, u, err := comingKey(r.key)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(coming(r.inDir(u.Path))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return keys.Generate(uri, r.dir, algorithmWord(current.Public()))
}

// write puts the issued certificate, and its key when that is new, in the place
// of those before.
func (r *signerRenewal) write() error {
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.issued.Raw})
	if !r.newKey {
		return durable.Write(r.file, text, 0o644)
	}
	if err := durable.Write(coming(r.file), text, 0o644); err != nil {
		return err
	}
	return r.finish()
}

// finish renames the files of the next signer, as far as they are there.
func (r *signerRenewal) finish() error {
	_, u, err := comingKey(r.key)
	if err != nil {
		return err
	}
	key := r.inDir(u.Path)
	if err := os.Rename(coming(key), key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := durable.SyncDir(filepath.Dir(key)); err != nil {
		return err
	}
	if err := os.Rename(coming(r.file), r.file); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(r.file))
}

// finishSigner makes up for an interruption while a signer with a new key was
// put into place, before its files are read.
func (p *process) finishSigner(c ocspSignerConfig) error {
	if c.Renew != renewNewKey {
		return nil
	}
	if _, err := os.Stat(coming(string(c.Signer))); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	r := &signerRenewal{file: string(c.Signer), key: c.SignerKey, dir: p.dir}
	if err := r.finish(); err != nil {
		return fmt.Errorf("finishing renewal of OCSP signer: %w", err)
	}
	return nil
}
