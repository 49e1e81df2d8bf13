package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/internal/keys"
	"github.com/altamga/altamga/internal/xmlsec"
	"github.com/altamga/altamga/interop"
)

// TestConformanceTrustList judges the list of a new centre, and the same list
// with one thing wrong at a time, signed again.
func TestConformanceTrustList(t *testing.T) {
	dir := foundCentre(t)
	signer := filepath.Join(dir, "certificates", "trust-list.pem")
	published, err := os.ReadFile(filepath.Join(dir, "trustlist", "current", trustListFile))
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := readCertificate(config.Path(signer))
	if err != nil {
		t.Fatal(err)
	}
	key, err := keys.Open("file:keys/trust-list.key", dir)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "list.xml")
	judge := func(data []byte, args ...string) (int, string) {
		t.Helper()
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return conforming(t, append([]string{"list", file}, args...)...)
	}
	if code, text := judge(published, "--signer", signer); code != 0 || !strings.Contains(text, "conforms: ") {
		t.Errorf("our own list: exit code %d\n%s", code, text)
	}
	if code, text := judge(published); code != 2 || !strings.Contains(text, "TL-01") {
		t.Errorf("without a signer: exit code %d\n%s", code, text)
	}
	if code, text := conforming(t, "list"); code != 0 || !strings.Contains(text, "TL-08") {
		t.Errorf("without a list: exit code %d\n%s", code, text)
	}
	if code, text := conforming(t, "list", "--format", "html"); code != 2 || !strings.Contains(text, "hint: ") {
		t.Errorf("requirements in HTML: exit code %d\n%s", code, text)
	}
	past := func(l *interop.List, plant func(*interop.State)) {
		service := &l.Providers[0].Services[0]
		state := service.State
		state.Since = state.Since.Add(-24 * time.Hour)
		plant(&state)
		service.History, service.HasHistory = []interop.State{state}, true
	}
	now := time.Now().UTC().Truncate(time.Second)
	for _, row := range []struct {
		name  string
		plant func(*interop.List)
	}{
		{"TL-03 no English text", func(l *interop.List) { l.Scheme.InformationURI[0].Lang = "xx" }},
		{"TL-05 a name without the territory", func(l *interop.List) { l.Scheme.Name[0].Value = "a list" }},
		{"TL-06 no pointer to itself", func(l *interop.List) { l.Scheme.Pointers = nil }},
		{"TL-07 issued in the future", func(l *interop.List) { l.Scheme.IssuedAt = now.Add(time.Hour) }},
		{"TL-08 past its next update", func(l *interop.List) {
			l.Scheme.IssuedAt, l.Scheme.NextUpdate = now.Add(-48*time.Hour), now.Add(-24*time.Hour)
		}},
		{"TL-09 no address of a web site", func(l *interop.List) { l.Providers[0].Address.Electronic = l.Providers[0].Address.Electronic[:1] }},
		{"TL-10 a status of no service", func(l *interop.List) { l.Providers[0].Services[0].Status = "http://status.example/fine" }},
		{"TL-04 another tag", func(l *interop.List) { l.Tag = "http://tag.example/list" }},
		{"TL-11 a history of another type of service", func(l *interop.List) {
			past(l, func(state *interop.State) { state.Type = "http://uri.etsi.org/TrstSvc/Svctype/Archiv" })
		}},
		{"TL-11 a history that begins after the present", func(l *interop.List) {
			past(l, func(state *interop.State) { state.Since = l.Scheme.IssuedAt })
		}},
		{"TL-12 another territory than the signer's", func(l *interop.List) { l.Scheme.Territory = "TR" }},
	} {
		t.Run(row.name, func(t *testing.T) {
			list, err := interop.Read(published)
			if err != nil {
				t.Fatal(err)
			}
			row.plant(list)
			data, err := xmlsec.Sign(xmlsec.Request{Document: interop.Write(list), Key: key, Certificate: certificate, Time: now})
			if err != nil {
				t.Fatal(err)
			}
			id, _, _ := strings.Cut(row.name, " ")
			if code, text := judge(data, "--signer", signer); code != 1 || !strings.Contains(text, id) {
				t.Errorf("exit code %d\n%s", code, text)
			}
		})
	}
	for name, data := range map[string][]byte{
		"TL-01 changed after it was signed": bytes.Replace(published, []byte("<HistoricalInformationPeriod>65535"), []byte("<HistoricalInformationPeriod>65534"), 1),
		"TL-02 no list":                     []byte("<html/>"),
		"TL-02 not even a document":         {0, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			id, _, _ := strings.Cut(name, " ")
			if code, text := judge(data, "--signer", signer); code != 1 || !strings.Contains(text, id) {
				t.Errorf("exit code %d\n%s", code, text)
			}
		})
	}
}
