package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/journal"
	zlint "github.com/altamga/altamga/internal/lint"
	"github.com/altamga/altamga/internal/pki/lint"
)

// caRelint holds everything that was ever issued to the lints of today.
type caRelint struct {
	Config string `short:"c" required:"" help:"The configuration file (TOML): its section [register], and [ca] for the issuers." type:"path" placeholder:"FILE"`
}

func (c caRelint) Run(ctx context.Context, std streams) (err error) {
	var parsed suiteConfig
	if err := config.Load(c.Config, &parsed); err != nil {
		return err
	}
	if parsed.Register == nil {
		return noSection("register")
	}
	// A server may be running: its audit log and its keys are left alone.
	p := &process{config: &suiteConfig{Register: parsed.Register}, dir: filepath.Dir(c.Config), log: slog.New(slog.DiscardHandler)}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.open(ctx); err != nil {
		return err
	}
	var issuers []*x509.Certificate
	if parsed.CA != nil {
		for _, issuer := range parsed.CA.Issuers {
			certificate, err := readCertificate(issuer.Certificate)
			if err != nil {
				return err
			}
			issuers = append(issuers, certificate)
		}
	}
	r := &relinter{register: p.register, out: std.out, progress: progressOn(std.err)}
	for _, certificate := range issuers {
		r.know(certificate)
	}
	if err := r.run(ctx); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%d certificates, %d findings\n", r.certificates, r.findings)
	if r.findings > 0 {
		return withHint(fmt.Errorf("%d of %d certificates do not meet the lints", r.faulty, r.certificates),
			"see what each finding's clause asks; a certificate that is wrong is revoked and issued anew")
	}
	return nil
}

// issuedRegister is what a relinter reads.
type issuedRegister interface {
	Head(context.Context) (uint64, error)
	Entries(ctx context.Context, after uint64, limit int) ([]journal.Entry, error)
	Record(context.Context, journal.Serial) (journal.Record, error)
}

// relinter walks the journal and judges each certificate where its Issued entry
// stands. Authorities stand before what they issued, so one pass knows them.
// However large the register, it holds one page of it.
type relinter struct {
	register issuedRegister
	out      io.Writer
	progress func(done, all uint64)

	issuers                        []*x509.Certificate
	certificates, findings, faulty int
}

// relintPage is how many entries of the journal are read at a time.
const relintPage = 1000

// run judges everything up to the head that the journal has now.
func (r *relinter) run(ctx context.Context) error {
	head, err := r.register.Head(ctx)
	if err != nil {
		return err
	}
	defer r.progress(head, head)
	for after := uint64(0); after < head; {
		r.progress(after, head)
		entries, err := r.register.Entries(ctx, after, int(min(head-after, relintPage)))
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return fmt.Errorf("reading journal: it ends at %d and was at %d", after, head)
		}
		if err := r.page(ctx, entries); err != nil {
			return err
		}
		after = entries[len(entries)-1].Position
	}
	return nil
}

// judged is a certificate with what was found.
type judged struct {
	record      journal.Record
	certificate *x509.Certificate
	issuer      *x509.Certificate
	found       []string
}

// page judges the certificates that were issued by some entries, side by side,
// and prints what was found in the order of the journal.
func (r *relinter) page(ctx context.Context, entries []journal.Entry) error {
	var all []*judged
	for _, entry := range entries {
		if entry.Kind != journal.Issued {
			continue
		}
		record, err := r.register.Record(ctx, entry.Serial)
		if err != nil {
			return err
		}
		j := &judged{record: record}
		if j.certificate, err = x509.ParseCertificate(record.Certificate); err == nil {
			r.know(j.certificate)
			j.issuer = r.issuerOf(j.certificate)
		} else {
			j.found = append(j.found, "unreadable: "+err.Error())
		}
		all = append(all, j)
	}
	queue := make(chan *judged)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for j := range queue {
				j.judge()
			}
		})
	}
	for _, j := range all {
		queue <- j
	}
	close(queue)
	workers.Wait()
	for _, j := range all {
		r.certificates++
		r.findings += len(j.found)
		if len(j.found) > 0 {
			r.faulty++
		}
		for _, found := range j.found {
			fmt.Fprintf(r.out, "%s %s %s: %s\n", j.record.Serial, j.record.Issuer, j.record.Profile, found)
		}
	}
	return ctx.Err()
}

// know takes an authority's certificate among the issuers.
func (r *relinter) know(certificate *x509.Certificate) {
	if certificate.IsCA {
		r.issuers = append(r.issuers, certificate)
	}
}

// issuerOf finds the certificate of whoever issued one, nil when it is not
// known.
func (r *relinter) issuerOf(certificate *x509.Certificate) *x509.Certificate {
	for _, issuer := range r.issuers {
		if bytes.Equal(issuer.RawSubject, certificate.RawIssuer) && bytes.Equal(issuer.SubjectKeyId, certificate.AuthorityKeyId) {
			return issuer
		}
	}
	return nil
}

// judge runs our own lints and those of zlint, and compares the certificate
// with its record and its issuer's key.
func (j *judged) judge() {
	if j.certificate == nil {
		return
	}
	if journal.SerialOf(j.certificate.SerialNumber) != j.record.Serial {
		j.found = append(j.found, "record: the certificate has another serial number")
	}
	if j.issuer == nil {
		j.found = append(j.found, "signature: no certificate of its issuer is known")
	} else if err := j.issuer.CheckSignature(j.certificate.SignatureAlgorithm, j.certificate.RawTBSCertificate, j.certificate.Signature); err != nil {
		j.found = append(j.found, "signature: its issuer's key did not make it")
	}
	for _, finding := range lint.Certificate(j.record.Certificate, j.issuer) {
		j.found = append(j.found, finding.String())
	}
	err := zlint.Certificate(j.certificate)
	if broken, ok := errors.AsType[*zlint.Error](err); ok {
		for _, name := range broken.Lints {
			j.found = append(j.found, "zlint: "+name)
		}
	} else if err != nil {
		j.found = append(j.found, "zlint: "+err.Error())
	}
}

// progressOn returns what shows how far the journal has been walked.
func progressOn(w io.Writer) func(done, all uint64) {
	show, wipe := statusLine(w)
	var last time.Time
	return func(done, all uint64) {
		switch {
		case done == all:
			wipe()
		case time.Since(last) > 100*time.Millisecond:
			last = time.Now()
			show(fmt.Sprintf("journal entry %d of %d", done, all))
		}
	}
}
