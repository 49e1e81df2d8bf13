package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/altamga/altamga/conformance"
	"github.com/altamga/altamga/internal/durable"
	"github.com/altamga/altamga/internal/keys"
	"github.com/altamga/altamga/internal/pki"
)

// sealing are the flags that make a report one to be filed.
type sealing struct {
	Sign  string `help:"The key that signs the report: file: or pkcs11: URI. The signature goes beside the report as .sig." placeholder:"KEY"`
	Stamp string `help:"The time-stamping authority that stamps the report. Its reply goes beside the report as .tsr." placeholder:"URL"`
}

// check says what is wrong with the flags before anything is tested. What stands
// where a seal goes is replaced when it is the seal of the report that is
// replaced with it, and nothing else is: it may be the only proof of something.
func (s sealing) check(report string) error {
	if s.Sign == "" && s.Stamp == "" {
		return nil
	}
	if report == "" {
		return withHint(errors.New("a signature and a time stamp stand beside a file"), "name the report's file with --output")
	}
	old, err := os.ReadFile(report)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if s.Sign != "" {
		key, err := keys.Open(s.Sign, ".")
		if err != nil {
			return fmt.Errorf("opening key: %w", err)
		}
		err = keepOtherSeals(report+".sig", "signature by this key", func(seal []byte) bool { return pki.Verify(key.Public(), old, seal) == nil })
		if err != nil {
			return err
		}
	}
	if s.Stamp == "" {
		return nil
	}
	imprint := sha256.Sum256(old)
	return keepOtherSeals(report+".tsr", "time stamp", func(seal []byte) bool { return bytes.Contains(seal, imprint[:]) })
}

// keepOtherSeals refuses to write to path when something is there that is no
// seal of the report beside it.
func keepOtherSeals(path, what string, ours func(seal []byte) bool) error {
	seal, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && ours(seal) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return withHint(fmt.Errorf("writing %s: the file exists and is no %s of the report beside it", path, what), "name a new report with --output")
}

// seal signs and stamps the report in a file.
//
//	openssl dgst -sha256 -verify KEY.pub -signature REPORT.sig REPORT
//	openssl ts -verify -data REPORT -in REPORT.tsr -CAfile ROOT
func (s sealing) seal(ctx context.Context, report string) error {
	if s.Sign == "" && s.Stamp == "" {
		return nil
	}
	data, err := os.ReadFile(report)
	if err != nil {
		return err
	}
	if s.Sign != "" {
		key, err := keys.Open(s.Sign, ".")
		if err != nil {
			return fmt.Errorf("opening key: %w", err)
		}
		signature, err := pki.Sign(rand.Reader, key, data)
		if err != nil {
			return fmt.Errorf("signing report: %w", err)
		}
		if err := durable.Write(report+".sig", signature, 0o644); err != nil {
			return err
		}
	}
	if s.Stamp != "" {
		reply, err := conformance.Stamp(ctx, s.Stamp, data)
		if err != nil {
			return fmt.Errorf("stamping report: %w", err)
		}
		return durable.Write(report+".tsr", reply, 0o644)
	}
	return nil
}
