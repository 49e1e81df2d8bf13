package main

import (
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/journal"
)

// An export is read by programs, and opened by people in spreadsheets.
func TestExport(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	line := ca.ListedCertificate{
		Serial: "abc", Issuer: "ehm", Profile: "device", Set: "=1+2", Actor: "a,\"b\"", ReservedAt: at, NotBefore: at, NotAfter: at.AddDate(1, 0, 0),
		Status:      journal.Status{State: journal.OnHold, Reason: journal.CertificateHold, Since: at, Holds: []journal.Hold{{Owner: journal.Court}, {Owner: journal.Centre}}},
		Fingerprint: "ff", KeyHash: "ee",
	}
	var text strings.Builder
	e, err := newExport(&text, "csv")
	if err != nil {
		t.Fatal(err)
	}
	if err := e.write(line); err != nil {
		t.Fatal(err)
	}
	if err := e.flush(); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(text.String())).ReadAll()
	if err != nil || len(rows) != 2 || len(rows[0]) != len(rows[1]) {
		t.Fatalf("got %q, %v", rows, err)
	}
	got := map[string]string{}
	for i, name := range rows[0] {
		got[name] = rows[1][i]
	}
	for name, want := range map[string]string{
		"serial": "abc", "set": "'=1+2", "actor": `a,"b"`, "state": "held", "expired": "false", "reason": "certificateHold",
		"since": "2026-01-02T03:04:05Z", "holds": "court centre", "not_after": "2027-01-02T03:04:05Z", "fingerprint": "ff", "key_hash": "ee",
	} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %q", name, got[name], want)
		}
	}
}

func TestProgress(t *testing.T) {
	var text strings.Builder
	// What is no terminal gets nothing.
	quiet := newProgress(&text, "done", 2)
	quiet.step()
	quiet.end()
	if text.Len() > 0 {
		t.Errorf("a pipe got %q", text.String())
	}
	bar := &progress{what: "done", of: 2, show: func(s string) { text.WriteString(s + ";") }, wipe: func() { text.WriteString("wiped") }}
	bar.step()
	bar.step()
	bar.end()
	// The second step comes too soon to be shown.
	if got, want := text.String(), "done 1 of 2;wiped"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
