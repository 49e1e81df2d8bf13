package ca

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/problem"
)

// ActionList is the action of GET /v1/certificates that [Config.Allow] decides
// on, with the issuer and profile that the client asks for, empty for all.
const ActionList = "list"

const (
	// maxListed bounds one answer of the list, and is the default.
	maxListed = 10_000
	// listPage is how many records one read of the register takes: the answer
	// is sent as it is read, so that its length costs no memory.
	listPage = 500
	// listWithin is how long the client may take to read one page.
	listWithin = 30 * time.Second
)

// ListedCertificate is one line of the answer to GET /v1/certificates. It
// holds nothing personal: the certificate's contents are asked for by serial.
type ListedCertificate struct {
	Serial  journal.Serial `json:"serial"`
	Issuer  string         `json:"issuer"`
	Profile string         `json:"profile"`
	Set     string         `json:"set,omitempty"`
	Status  journal.Status `json:"status"`
	// Actor is the client that asked for the certificate.
	Actor string `json:"actor,omitempty"`
	// ReservedAt is when its serial was reserved.
	ReservedAt time.Time `json:"reserved_at"`
	NotBefore  time.Time `json:"not_before"`
	NotAfter   time.Time `json:"not_after"`
	// Fingerprint and KeyHash are SHA-256, in hexadecimal: of the certificate
	// and of its SubjectPublicKeyInfo.
	Fingerprint string `json:"fingerprint"`
	KeyHash     string `json:"key_hash"`
}

func listed(r journal.Record) (ListedCertificate, error) {
	certificate, err := x509.ParseCertificate(r.Certificate)
	if err != nil {
		return ListedCertificate{}, fmt.Errorf("reading certificate %s: %w", r.Serial, err)
	}
	fingerprint := sha256.Sum256(r.Certificate)
	return ListedCertificate{
		Serial: r.Serial, Issuer: r.Issuer, Profile: r.Profile, Set: r.Set, Status: r.Status, Actor: r.Actor,
		ReservedAt: r.At, NotBefore: certificate.NotBefore, NotAfter: certificate.NotAfter,
		Fingerprint: hex.EncodeToString(fingerprint[:]), KeyHash: hex.EncodeToString(r.KeyHash[:]),
	}, nil
}

// listCertificates answers with the certificates of a selection, one JSON
// object to a line, in the order of their reservation. A client that wants more
// asks again after the last serial; fewer lines than it asked for are the end.
func (a *Authority) listCertificates(w http.ResponseWriter, r *http.Request, actor string) error {
	selection, err := listQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	if err := a.permit(actor, ActionList, selection.Issuer, selection.Profile); err != nil {
		return err
	}
	left := selection.Limit
	encoder := json.NewEncoder(w)
	control := http.NewResponseController(w)
	for started := false; ; started = true {
		selection.Limit = min(left, listPage)
		records, err := a.config.Register.Certificates(r.Context(), selection)
		switch {
		case err != nil && started:
			// The status line is out: a torn answer is all that is left to give.
			a.config.Log.ErrorContext(r.Context(), "list of certificates was cut off", "error", err)
			panic(http.ErrAbortHandler)
		case errors.Is(err, fs.ErrNotExist):
			return problem.Invalid(problem.Field{Field: "after", Detail: "is not the serial number of a certificate of this register"})
		case err != nil:
			return err
		case !started:
			w.Header().Set("Content-Type", "application/x-ndjson")
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("X-Content-Type-Options", "nosniff")
		}
		// The server's timeouts are made for short answers. Not every
		// ResponseWriter can move them; then they stand. The one for reading
		// ends the request's context.
		_ = control.SetReadDeadline(time.Now().Add(listWithin))
		_ = control.SetWriteDeadline(time.Now().Add(listWithin))
		for _, record := range records {
			line, err := listed(record)
			if err == nil {
				err = encoder.Encode(line)
			}
			if err != nil {
				panic(http.ErrAbortHandler)
			}
		}
		left -= len(records)
		if len(records) < selection.Limit || left == 0 {
			return nil
		}
		selection.After = records[len(records)-1].Serial
	}
}

// listQuery reads the parameters of the list. A larger limit than 10,000 is
// cut to that.
func listQuery(raw string) (journal.Selection, error) {
	selection := journal.Selection{Limit: maxListed}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return selection, problem.Invalid(problem.Field{Field: "query", Detail: "is malformed"})
	}
	var wrong []problem.Field
	for key, values := range query {
		bad := func(detail string) { wrong = append(wrong, problem.Field{Field: key, Detail: detail}) }
		value := values[0]
		if len(values) > 1 {
			bad("stands more than once")
			continue
		}
		switch key {
		case "issuer":
			selection.Issuer = value
		case "profile":
			selection.Profile = value
		case "state":
			if selection.State, err = journal.ParseSelectableState(value); err != nil {
				bad("is none of valid, held, revoked, expired")
			}
		case "after":
			if value == "" {
				continue
			}
			if selection.After, err = journal.ParseSerial(value); err != nil {
				bad("is not a serial number")
			}
		case "limit":
			limit, err := strconv.Atoi(value)
			if err != nil || limit <= 0 {
				bad("is not a positive number")
			}
			selection.Limit = min(limit, maxListed)
		default:
			bad("is not a parameter of this path")
		}
	}
	if len(wrong) > 0 {
		return selection, problem.Invalid(wrong...)
	}
	return selection, nil
}
