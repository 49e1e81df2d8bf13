package main

import (
	"fmt"
	"os"

	"github.com/altamga/altamga/internal/audit"
)

type auditCommands struct {
	Verify auditVerify `cmd:"" help:"Check that no line of an audit log was changed, removed or moved."`
}

type auditVerify struct {
	Log string `arg:"" help:"The audit log." type:"existingfile"`
}

func (c auditVerify) Run(std streams) error {
	file, err := os.Open(c.Log)
	if err != nil {
		return err
	}
	defer file.Close()
	entries, last, err := audit.Verify(file)
	if err != nil {
		return withHint(fmt.Errorf("verifying %s: %d entries are whole: %w", c.Log, entries, err),
			"keep the file as it is, and compare it with the copies and hashes that were noted elsewhere")
	}
	fmt.Fprintf(std.out, "%s: %d entries, unbroken, up to %x\n", c.Log, entries, last)
	return nil
}
