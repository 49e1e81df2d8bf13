package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
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

// check says what is wrong with the flags before anything is tested.
func (s sealing) check(output string) error {
	if output == "" && (s.Sign != "" || s.Stamp != "") {
		return withHint(errors.New("a signature and a time stamp stand beside a file"), "name the report's file with --output")
	}
	return nil
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
