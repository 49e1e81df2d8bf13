package ra

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/altamga/altamga/internal/journal"
)

// What the public page answers when there is nothing to show.
var (
	// errNotFound is one answer for all that the register does not hold: an
	// unknown serial, another centre's certificate, and a forged one that bears
	// a serial of ours.
	errNotFound  = errors.New("no such certificate")
	errBadSerial = errors.New("not a serial number")
	errBadFile   = errors.New("not a certificate")
	// errManyInFile: a file with a chain, or with keys beside the certificate.
	errManyInFile = errors.New("more than one PEM block")
	errBadMedia   = errors.New("not a file upload")
	errTooLarge   = errors.New("file too large")
)

// uploadLimit bounds an uploaded certificate, in octets.
const uploadLimit = 64 << 10

// finding is what the public page shows of a certificate. It holds no FİN, no
// e-mail address and no reason, and a name only with the holder's consent.
type finding struct {
	Serial journal.Serial
	// Status is "valid", "held", "revoked", "expired", "untrusted" (an authority
	// above does not stand) or "early".
	Status string
	// Since is when the status began to hold; empty where it says nothing.
	Since string
	// Kind is "signature", "authentication" or "other".
	Kind                string
	Issuer              string
	NotBefore, NotAfter string
	// Holder and Category are empty without consent.
	Holder    string
	Category  Category
	History   []happening
	CheckedAt string
}

// happening is one public event.
type happening struct {
	At   string
	Kind journal.Kind
}

// baku is the zone of Azerbaijan: UTC+4 all year since 2016, which is before
// anything that this register holds. A fixed zone needs no zone database on the
// host.
var baku = time.FixedZone("Asia/Baku", 4*60*60)

func display(t time.Time) string { return t.In(baku).Format("02.01.2006 15:04") }

// Pairs returns the serial in pairs of digits, the way other programs show it.
func (f *finding) Pairs() []string {
	s := string(f.Serial)
	if len(s)%2 == 1 {
		s = "0" + s
	}
	var pairs []string
	for pair := range slices.Chunk([]byte(s), 2) {
		pairs = append(pairs, string(pair))
	}
	return pairs
}

// checkSerial looks a certificate up by its serial number.
func (o *Office) checkSerial(ctx context.Context, text string) (*finding, error) {
	text = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '-' {
			return -1
		}
		return r
	}, text)
	serial, err := journal.ParseSerial(text)
	if err != nil {
		return nil, errBadSerial
	}
	return o.lookUp(ctx, serial, nil)
}

// checkUpload looks up the certificate in the request's file. It is ours only
// if every octet is.
func (o *Office) checkUpload(w http.ResponseWriter, r *http.Request) (*finding, error) {
	data, err := readUpload(w, r)
	if err != nil {
		return nil, err
	}
	if block, rest := pem.Decode(data); block != nil {
		if block.Type != "CERTIFICATE" {
			return nil, errBadFile
		}
		if more, _ := pem.Decode(rest); more != nil {
			// The answer would be about one of them, and the visitor would
			// take it for the file's.
			return nil, errManyInFile
		}
		data = block.Bytes
	}
	certificate, err := x509.ParseCertificate(data)
	if err != nil {
		return nil, errBadFile
	}
	if certificate.SerialNumber.Sign() <= 0 || certificate.SerialNumber.BitLen() > 160 {
		return nil, errNotFound
	}
	return o.lookUp(r.Context(), journal.SerialOf(certificate.SerialNumber), certificate.Raw)
}

// readUpload returns the file of a multipart form. It stays in memory.
func readUpload(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "multipart/form-data" {
		return nil, errBadMedia
	}
	// The form around the file is small.
	r.Body = http.MaxBytesReader(w, r.Body, uploadLimit+4<<10)
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, errBadMedia
	}
	for range 8 {
		part, err := parts.NextPart()
		if err != nil {
			return nil, uploadFault(err)
		}
		if part.FormName() != "certificate" {
			continue
		}
		data, err := io.ReadAll(io.LimitReader(part, uploadLimit+1))
		if err != nil {
			return nil, uploadFault(err)
		}
		if len(data) > uploadLimit {
			return nil, errTooLarge
		}
		return data, nil
	}
	return nil, errBadFile
}

func uploadFault(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return errTooLarge
	}
	return errBadFile
}

// lookUp asks the authority. raw, unless nil, is what the visitor holds: if it
// is not the register's certificate octet for octet, there is nothing to show.
func (o *Office) lookUp(ctx context.Context, serial journal.Serial, raw []byte) (*finding, error) {
	c, err := o.certificate(ctx, serial)
	if unknownCertificate(c, err) {
		return nil, errNotFound
	}
	if err != nil {
		return nil, o.authorityFault(ctx, err, "serial")
	}
	parsed, err := parseCertificate(c.Certificate)
	if err != nil {
		return nil, o.authorityFault(ctx, err, "serial")
	}
	if raw != nil && !bytes.Equal(raw, parsed.Raw) {
		return nil, errNotFound
	}
	now := time.Now()
	f := &finding{
		Serial: serial, Kind: "other", Issuer: parsed.Issuer.CommonName,
		NotBefore: display(parsed.NotBefore), NotAfter: display(parsed.NotAfter), CheckedAt: display(now),
	}
	switch c.Profile {
	case o.SignatureProfile:
		f.Kind = "signature"
	case o.AuthenticationProfile:
		f.Kind = "authentication"
	}
	f.Status, f.Since = publicStatus(c, parsed, now)
	for _, e := range c.History {
		f.History = append(f.History, happening{At: display(e.EffectiveAt), Kind: e.Kind})
	}
	o.name(ctx, f)
	return f, nil
}

// publicStatus puts a certificate's status into one word, the gravest that is
// true.
func publicStatus(of Certificate, c *x509.Certificate, now time.Time) (status, since string) {
	s := of.Status
	switch {
	case s.State == journal.Gone:
		return "revoked", display(s.Since)
	case s.Expired || now.After(c.NotAfter):
		return "expired", display(c.NotAfter)
	case slices.ContainsFunc(of.Above, func(a Above) bool { return !a.stands(now) }):
		return "untrusted", ""
	case s.State == journal.OnHold:
		return "held", display(s.Since)
	case now.Before(c.NotBefore):
		return "early", ""
	}
	return "valid", ""
}

// stands reports whether what is under the authority can be trusted.
//
// RFC 5280, Section 6.1.3: each certificate of the path is within its validity
// and not revoked; a hold counts as revoked while it lasts.
func (a Above) stands(now time.Time) bool {
	return (a.State == "" || a.State == journal.Valid) && now.Before(a.NotAfter)
}

// name adds the holder, if the holder agreed to be found. Without the case
// files the page shows the status all the same.
func (o *Office) name(ctx context.Context, f *finding) {
	ids, err := o.find(ctx, serialIndex(f.Serial))
	if err != nil || len(ids) == 0 {
		return
	}
	var a Application
	if _, err := o.load(ctx, applicationPrefix, ids[0], &a); err != nil || !a.SearchConsent {
		return
	}
	f.Holder, f.Category = a.commonName(), a.Category
}
