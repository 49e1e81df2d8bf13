package tsa_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/altamga/altamga/tsa"
)

func TestRejectionBytes(t *testing.T) {
	t.Run("TSA-40 only failInfo bits 0 2 5 14 15 16 17 25", func(t *testing.T) {
		// Worked out by hand: SEQUENCE { SEQUENCE { INTEGER 2, SEQUENCE {
		// UTF8String "no" }, BIT STRING } }. X.690, Section 11.2.2: no trailing
		// zero bits, so bit 15 ends its second octet and bit 16 begins a third.
		for _, row := range []struct {
			failure tsa.Failure
			name    string
			bits    string
		}{
			{tsa.BadAlg, "badAlg", "03020780"},
			{tsa.BadRequest, "badRequest", "03020520"},
			{tsa.BadDataFormat, "badDataFormat", "03020204"},
			{tsa.TimeNotAvailable, "timeNotAvailable", "0303010002"},
			{tsa.UnacceptedPolicy, "unacceptedPolicy", "0303000001"},
			{tsa.UnacceptedExtension, "unacceptedExtension", "030407000080"},
			{tsa.AddInfoNotAvailable, "addInfoNotAvailable", "030406000040"},
			{tsa.SystemFailure, "systemFailure", "03050600000040"},
		} {
			if got := row.failure.String(); got != row.name {
				t.Errorf("bit %d is called %s, want %s", int(row.failure), got, row.name)
			}
			inner := "020102" + "3004" + "0c026e6f" + row.bits
			middle := "30" + hexLength(inner) + inner
			want := "30" + hexLength(middle) + middle
			got := (&tsa.Rejection{Failure: row.failure, Text: "no"}).Marshal()
			if hex.EncodeToString(got) != want {
				t.Errorf("%v: got %x, want %s", row.failure, got, want)
			}
			_, err := tsa.ParseResponse(got)
			if r, ok := errors.AsType[*tsa.Rejection](err); !ok || r.Failure != row.failure || r.Text != "no" {
				t.Errorf("%v: read back as %v", row.failure, err)
			}
		}
	})

	t.Run("text is optional", func(t *testing.T) {
		got := hex.EncodeToString((&tsa.Rejection{Failure: tsa.BadAlg}).Marshal())
		if want := "3009300702010203020780"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})

	t.Run("unknown bits have a name and no answer", func(t *testing.T) {
		f := tsa.Failure(3)
		if got := f.String(); got != "failure 3" {
			t.Errorf("got %q", got)
		}
		_, err := tsa.ParseResponse((&tsa.Rejection{Failure: f}).Marshal())
		if _, ok := errors.AsType[*tsa.Rejection](err); ok || err == nil {
			t.Errorf("a failInfo outside the list was read as %v", err)
		}
	})
}

func hexLength(content string) string {
	return hex.EncodeToString([]byte{byte(len(content) / 2)})
}

func TestParseResponseRefuses(t *testing.T) {
	a, _, _ := newAuthority(t, nil)
	good := a.Respond(t.Context(), marshal(t, query()))
	for name, in := range map[string]string{
		"nothing":                      "",
		"an empty sequence":            "3000",
		"granted without a token":      "30053003020100",
		"rejection without failInfo":   "30053003020102",
		"an empty text":                "300d" + "300b" + "020102" + "3002" + "0c00" + "03020780",
		"status waiting":               "300930070201030302" + "0780",
		"trailing bytes":               hex.EncodeToString(good) + "00",
		"a rejection with a token":     "300b300702010203020780" + "0500",
		"a BIT STRING with a zero end": "300a30080201020303078000",
	} {
		der, err := hex.DecodeString(in)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		token, err := tsa.ParseResponse(der)
		if _, ok := errors.AsType[*tsa.Rejection](err); token != nil || err == nil || ok {
			t.Errorf("%s was read as %v, %v", name, token, err)
		}
	}
	for i := range good {
		// Every cut is noticed.
		if token, err := tsa.ParseResponse(good[:i]); token != nil || err == nil {
			t.Fatalf("the first %d of %d octets were read", i, len(good))
		}
	}
}

func TestRejectionError(t *testing.T) {
	a, _, c := newAuthority(t, nil)
	cause := errors.New("stepped")
	c.set(noon, cause)
	_, err := a.Stamp(t.Context(), query())
	if !errors.Is(err, cause) {
		t.Errorf("the refusal hides its cause: %v", err)
	}
	if got := err.Error(); !strings.HasPrefix(got, "tsa: timeNotAvailable: ") || !strings.Contains(got, "stepped") {
		t.Errorf("got %q", got)
	}
	r, _ := errors.AsType[*tsa.Rejection](err)
	if strings.Contains(r.Text, "stepped") {
		t.Error("the client is told the cause")
	}
}
