package truststore

import (
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/altamga/altamga/interop"
)

// entry is an anchor in the inventory.
type entry struct {
	Territory string    `json:"territory"`
	Provider  string    `json:"provider"`
	Service   string    `json:"service"`
	Type      string    `json:"service_type"`
	Status    string    `json:"status"`
	Since     time.Time `json:"since"`
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Serial    string    `json:"serial"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Key       string    `json:"key"`
	SHA256    string    `json:"sha256"`
	SKI       string    `json:"ski"`
	List      uint64    `json:"list_sequence"`
	// Note says what this build cannot do with the certificate.
	Note string `json:"note,omitempty"`
}

func entries(anchors []Anchor) []entry {
	all := make([]entry, len(anchors))
	for i := range anchors {
		a := &anchors[i]
		f := a.Facts
		all[i] = entry{
			a.Territory, a.Provider, a.Service, a.Type, a.Status, a.Since.UTC(), interop.NameText(f.Subject), interop.NameText(f.Issuer), f.Serial.Text(16),
			f.NotBefore.UTC(), f.NotAfter.UTC(), f.Algorithm(), a.Certificate.Fingerprint(), hex.EncodeToString(f.SKI), a.Sequence, "",
		}
		switch {
		case f.Verifiable():
		case f.Refused != nil:
			all[i].Note = "not verifiable by this build: " + f.Refused.Error()
		default:
			all[i].Note = "not verifiable by this build: unknown kind of key"
		}
	}
	return all
}

// JSON is the inventory for programs.
func JSON(anchors []Anchor) ([]byte, error) {
	data, err := json.MarshalIndent(map[string]any{"anchors": entries(anchors)}, "", "  ")
	return append(data, '\n'), err
}

// CSV is the inventory for people.
func CSV(anchors []Anchor) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	rows := [][]string{{"territory", "provider", "service", "service_type", "status", "since", "subject", "issuer", "serial", "not_before", "not_after", "key", "sha256", "ski", "list_sequence", "note"}}
	for _, e := range entries(anchors) {
		rows = append(rows, []string{e.Territory, e.Provider, e.Service, e.Type, e.Status, e.Since.Format(time.RFC3339), e.Subject, e.Issuer, e.Serial,
			e.NotBefore.Format(time.RFC3339), e.NotAfter.Format(time.RFC3339), e.Key, e.SHA256, e.SKI, strconv.FormatUint(e.List, 10), e.Note})
	}
	for _, row := range rows {
		for i := range row {
			// A spreadsheet takes these for formulas.
			if strings.ContainsAny(row[i][:min(1, len(row[i]))], "=+-@\t") {
				row[i] = "'" + row[i]
			}
		}
		if err := w.Write(row); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}
