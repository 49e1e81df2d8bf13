package journal_test

import (
	"encoding/json"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/altamga/altamga/internal/journal"
)

func TestParseSerial(t *testing.T) {
	for in, want := range map[string]journal.Serial{
		"1":                     "1",
		"0f":                    "f",
		"00000a":                "a",
		"DEADBEEF":              "deadbeef",
		"de:ad:BE:ef":           "deadbeef",
		"0xdeadbeef":            "deadbeef",
		"0XDEADBEEF":            "deadbeef",
		" deadbeef\n":           "deadbeef",
		strings.Repeat("f", 40): journal.Serial(strings.Repeat("f", 40)),
	} {
		if got, err := journal.ParseSerial(in); err != nil || got != want {
			t.Errorf("%q: got %q, error %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", " ", ":", "0x", "0", "00", "0x0", "-1", "+1", "1.5", "xyz", "0x0x1", "dead beef", "1\x00", "é", "٣",
		strings.Repeat("f", 41), strings.Repeat("0", 41), "'; DROP TABLE certificate",
	} {
		if got, err := journal.ParseSerial(in); err == nil {
			t.Errorf("%q: got %q, want an error", in, got)
		}
	}
}

func TestSerialOf(t *testing.T) {
	for n, want := range map[int64]journal.Serial{1: "1", 15: "f", 16: "10", 255: "ff", 4096: "1000"} {
		got := journal.SerialOf(big.NewInt(n))
		if got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
		if back := got.Int(); back.Int64() != n {
			t.Errorf("%q: got %v, want %d", got, back, n)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("the number of a malformed serial: no panic")
		}
	}()
	journal.Serial("no number").Int()
}

// FuzzParseSerial: what parses is in the one form that the register uses, and
// is the number that was written.
func FuzzParseSerial(f *testing.F) {
	for _, seed := range []string{"1", "0f", "DE:AD:be:ef", "0xdeadbeef", " 7 ", "", "0", "-1", "0x:1", "1:::", strings.Repeat("f", 40), strings.Repeat("0", 50)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		serial, err := journal.ParseSerial(in)
		if err != nil {
			if serial != "" {
				t.Errorf("%q: got %q beside error %v", in, serial, err)
			}
			return
		}
		n := serial.Int()
		if n.Sign() <= 0 || n.BitLen() > 160 {
			t.Errorf("%q: got %v, want a positive number of at most 20 octets", in, n)
		}
		if again := journal.SerialOf(n); again != serial {
			t.Errorf("%q: got %q, whose number is written %q", in, serial, again)
		}
		if again, err := journal.ParseSerial(string(serial)); err != nil || again != serial {
			t.Errorf("%q: got %q, which parses to %q, error %v", in, serial, again, err)
		}
		digits := strings.TrimPrefix(strings.ReplaceAll(strings.ToLower(strings.TrimSpace(in)), ":", ""), "0x")
		if want, ok := new(big.Int).SetString(digits, 16); !ok || want.Cmp(n) != 0 {
			t.Errorf("%q: got %v, want %v", in, n, want)
		}
	})
}

func TestParseOwner(t *testing.T) {
	for _, want := range []journal.Owner{journal.Holder, journal.Organisation, journal.Court, journal.Centre} {
		if got, err := journal.ParseOwner(string(want)); err != nil || got != want {
			t.Errorf("%s: got %q, error %v", want, got, err)
		}
	}
	for _, in := range []string{"", "Court", "holder ", "neighbour"} {
		if got, err := journal.ParseOwner(in); err == nil {
			t.Errorf("%q: got %q, want an error", in, got)
		}
	}
}

func TestReasonJSON(t *testing.T) {
	// RFC 5280, Section 5.3.1: the values, of which 7 is not used and 8
	// belongs to delta lists only.
	for reason, name := range map[journal.Reason]string{
		0: "unspecified", 1: "keyCompromise", 2: "cACompromise", 3: "affiliationChanged", 4: "superseded",
		5: "cessationOfOperation", 6: "certificateHold", 9: "privilegeWithdrawn", 10: "aACompromise",
	} {
		text, err := json.Marshal(reason)
		if err != nil || string(text) != `"`+name+`"` {
			t.Errorf("%d: got %s, error %v, want %q", int(reason), text, err, name)
		}
		var back journal.Reason = 99
		if err := json.Unmarshal(text, &back); err != nil || back != reason {
			t.Errorf("%s: got %d, error %v, want %d", text, int(back), err, int(reason))
		}
		parsed, err := journal.ParseRevocationReason(name)
		if reason == journal.CertificateHold {
			if err == nil {
				t.Errorf("%s is a reason of a revocation", name)
			}
		} else if err != nil || parsed != reason {
			t.Errorf("%s: got %d, error %v, want %d", name, int(parsed), err, int(reason))
		}
	}
	for _, text := range []string{`"KeyCompromise"`, `"removeFromCRL"`, `""`, `1`, `null`, `"reason(7)"`} {
		reason := journal.Superseded
		if err := json.Unmarshal([]byte(text), &reason); err == nil {
			t.Errorf("%s: got %d, want an error", text, int(reason))
		}
	}
	for _, name := range []string{"", "KEYCOMPROMISE", "removeFromCRL", "reason(7)"} {
		if got, err := journal.ParseRevocationReason(name); err == nil {
			t.Errorf("%q: got %d, want an error", name, int(got))
		}
	}
	if got, want := journal.Reason(7).String(), "reason(7)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEntryJSON(t *testing.T) {
	full := journal.Entry{
		Position: 7, Kind: journal.Revoked, Issuer: "ehm", Serial: "abc", Reason: journal.Superseded,
		Owner: journal.Holder, ReceivedAt: at(1), EffectiveAt: at(2), InvalidityDate: at(0), Actor: "ra",
	}
	for _, row := range []struct {
		entry journal.Entry
		want  string
	}{
		{full, `{"position":7,"kind":"revoked","issuer":"ehm","serial":"abc","reason":"superseded","owner":"holder",` +
			`"received_at":"2026-01-01T00:01:00Z","effective_at":"2026-01-01T00:02:00Z","invalidity_date":"2026-01-01T00:00:00Z","actor":"ra"}`},
		{journal.Entry{Position: 8, Kind: journal.Listed, Issuer: "ehm", EffectiveAt: at(2)},
			`{"position":8,"kind":"listed","issuer":"ehm","effective_at":"2026-01-01T00:02:00Z"}`},
	} {
		text, err := json.Marshal(row.entry)
		if err != nil || string(text) != row.want {
			t.Errorf("got %s, error %v, want %s", text, err, row.want)
		}
		var back journal.Entry
		if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, row.entry) {
			t.Errorf("got %+v, error %v, want %+v", back, err, row.entry)
		}
	}
}
