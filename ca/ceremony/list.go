package ceremony

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/crypto/cryptobyte"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/pki"
)

// list issues the revocation list of an authority. Its number is the register's
// next; one that an interrupted run took before its intent was written is
// passed over, which RFC 5280, Section 5.2.3 allows.
func (c *Ceremony) list(ctx context.Context, s *Step) error {
	by := c.Plan.authority(s.By)
	signer, err := c.issuer(by, true)
	if err != nil {
		return err
	}
	var list List
	if line := find(c.minutes.lines, eventIntent, s.ID); line != nil {
		list, err = c.Lists.Resume(signer.Certificate, signer.Key, line.Data)
	} else {
		var snapshot Snapshot
		if snapshot, err = c.register.List(ctx, by.ID); err != nil {
			return fmt.Errorf("reading register: %w", err)
		}
		c.reached("numbered " + s.ID)
		list, err = c.Lists.Prepare(signer.Certificate, signer.Key, snapshot, s.Validity)
	}
	if err != nil {
		return err
	}
	tbs := list.ToBeSigned()
	parsed, err := parseList(signer.Certificate, tbs)
	if err != nil {
		return err
	}
	number := parsed.Number.Uint64()
	if err := c.intent(Line{Step: s.ID, Text: fmt.Sprintf("to sign revocation list %d of %s", number, by.ID),
		Facts: []Fact{{"number", fmt.Sprint(number)}, {"to-be-signed sha256", hash(tbs)}}, Data: tbs}); err != nil {
		return err
	}
	encoded := parsed.Raw
	if !c.dry || c.throwAway[by.Key] {
		if encoded, err = list.Sign(ctx, c.audit); err != nil {
			return err
		}
		c.reached("signed " + s.ID)
	}
	if err := c.register.Published(ctx, by.ID, number); err != nil {
		return err
	}
	c.show(s, tbs, listText(parsed), []string{"the number, if the register changes meanwhile, and the times"})
	return c.line(Line{Event: eventDone, Step: s.ID, Text: fmt.Sprintf("revocation list %d of %s with %d entries", number, by.ID, len(parsed.RevokedCertificateEntries)),
		Facts:   []Fact{{"number", fmt.Sprint(number)}, {"issuer", by.ID}, {"list sha256", hash(encoded)}},
		Outputs: []File{{s.Output, hash(encodeOutput(s.Output, s.Do, encoded))}}, Data: encoded})
}

// parseList reads a list that has no signature yet.
func parseList(issuer *x509.Certificate, tbs []byte) (*x509.RevocationList, error) {
	algorithm, _, err := pki.SignatureAlgorithm(issuer.PublicKey)
	if err != nil {
		return nil, err
	}
	b := cryptobyte.NewBuilder(nil)
	pki.AddSigned(b, tbs, algorithm, []byte{0})
	encoded, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	return x509.ParseRevocationList(encoded)
}

// revoke ends a certificate of the register for good. The ticket makes sure
// that an interrupted run's revocation is found and not repeated.
func (c *Ceremony) revoke(ctx context.Context, s *Step) error {
	by := c.Plan.authority(s.By)
	data, err := c.read(s.Certificate)
	if err != nil {
		return err
	}
	certificate, err := parseCertificate(data)
	if err != nil {
		return fmt.Errorf("reading %s: %w", s.Certificate, err)
	}
	reason, err := journal.ParseRevocationReason(s.Reason)
	if err != nil {
		return err
	}
	serial := journal.SerialOf(certificate.SerialNumber)
	record, err := c.register.Record(ctx, serial)
	// Another certificate with the serial number of one of ours is not ours.
	if errors.Is(err, fs.ErrNotExist) || err == nil && (record.Issuer != by.ID || string(record.Certificate) != string(certificate.Raw)) {
		return refuse("is it the right file, and the right register?", "the certificate in %s was not issued by %s in this register", s.Certificate, by.ID)
	} else if err != nil {
		return fmt.Errorf("reading register: %w", err)
	}
	if err := c.intent(Line{Step: s.ID, Text: fmt.Sprintf("to revoke %s of %s (%s)", serial, certificate.Subject, s.Reason),
		Facts: []Fact{{"serial", string(serial)}, {"reason", s.Reason}}, Inputs: []File{{s.Certificate, hash(data)}}}); err != nil {
		return err
	}
	authority, _, err := c.authority(by, true)
	if err != nil {
		return err
	}
	ticket := &journal.Ticket{Actor: actor, Key: c.set(s), Request: sha256.Sum256([]byte(c.manifest.Hash() + " " + s.ID))}
	entry, _, err := authority.Change(ctx, journal.Entry{Kind: journal.Revoked, Serial: serial, Reason: reason, Actor: actor}, ticket)
	if err != nil {
		earlier, done, lookup := c.register.Redeemed(ctx, actor, ticket.Key)
		if lookup != nil || earlier.Request != ticket.Request {
			return err
		}
		entry = done
	}
	c.reached("revoked " + s.ID)
	c.show(s, nil, fmt.Sprintf("Revocation\n    Certificate: %s\n    Subject: %s\n    Reason: %s\n", serial, certificate.Subject, s.Reason), nil)
	return c.line(Line{Event: eventDone, Step: s.ID, Text: fmt.Sprintf("revoked %s of %s (%s)", serial, certificate.Subject, s.Reason),
		Facts: []Fact{{"serial", string(serial)}, {"issuer", by.ID}, {"position", fmt.Sprint(entry.Position)}, {"effective at", entry.EffectiveAt.UTC().Format("2006-01-02T15:04:05Z")}}})
}
