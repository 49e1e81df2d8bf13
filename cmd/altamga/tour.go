package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/durable"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/internal/problem"
	"github.com/altamga/altamga/internal/register"
)

// tour walks one citizen's certificate pair through its life with real protocol
// messages over the wire, and two more certificates to the states that the
// first one does not stay in. Every step checks the servers' answers; the first
// wrong one ends the tour with an error.
type tour struct {
	out io.Writer
	dir string
	at  endpoints

	party                         *party
	operator, officer, revocation desk
	authority                     *ca.Client

	// register is the address of the register, which the audit log vouches for.
	register string
	// tsaConfig is the configuration of the time-stamping authority, which
	// names its journal.
	tsaConfig string
	// lists is the section of the trust list, nil in a folder of before there
	// were any; state is the folder of the partner state.
	lists    *interopConfig
	state    string
	citizens [3]person
	// application and citizen are what the steps hand on.
	application string
	citizen     *enrolled
}

// step is what a step found out, and the commands that find it out again.
type step struct {
	checked, again []string
}

func (s *step) check(format string, args ...any) {
	s.checked = append(s.checked, fmt.Sprintf(format, args...))
}

// try adds a command that anybody can try.
func (s *step) try(format string, args ...any) {
	s.again = append(s.again, fmt.Sprintf(format, args...))
}

func (s *step) openssl(format string, args ...any) { s.try("openssl "+format, args...) }

// refused is how a server has refused something, which is an error when it has
// not, or with another status.
func refused(err error, status int, what string) (*problem.Details, error) {
	details, ok := errors.AsType[*problem.Details](err)
	if !ok || details.Status != status {
		return nil, fmt.Errorf("%s was not refused, but: %v", what, err)
	}
	return details, nil
}

// run walks the tour.
func (t *tour) run(ctx context.Context) error {
	started := time.Now()
	steps := []struct {
		title string
		walk  func(context.Context, *step) error
	}{
		{"The hierarchy: root, policy, issuing centre", t.hierarchy},
		{"A citizen applies; a wrong FİN is refused", t.apply},
		{"Two persons decide; one alone cannot", t.decide},
		{"The citizen's keys are made, the certificates issued", t.issue},
		{"The certificates are what their profiles say", t.profiles},
		{"OCSP and CRL answer for the new certificate", t.fresh},
		{"A file is signed with the new key", t.sign},
		{"The signature is time-stamped", t.stamp},
		{"The holder suspends the certificates", t.suspend},
		{"The holder restores them", t.restore},
		{"A second citizen's key is compromised: revoked", t.revoke},
		{"A third citizen's certificates stay on hold", t.hold},
		{"Anybody checks a certificate on the public page", t.page},
		{"Another state asks the national trust list", t.trustList},
		{"Another state's list comes into ours: two officers, four steps", t.partner},
		{"Its citizens are recognised here; who is not learns why", t.recognise},
		{"The journal tells it all, without a gap", t.journal},
		{"The audit log and the journal are whole: the public key alone shows it", t.audit},
	}
	for i, s := range steps {
		var seen step
		fmt.Fprintf(t.out, "\n%2d. %s\n", i+1, s.title)
		err := s.walk(ctx, &seen)
		for _, line := range seen.checked {
			fmt.Fprintf(t.out, "    checked: %s\n", line)
		}
		if err != nil {
			fmt.Fprintf(t.out, "    FAILED:  %v\n", err)
			return fmt.Errorf("step %d of the tour (%s): %w", i+1, s.title, err)
		}
		for _, line := range seen.again {
			fmt.Fprintf(t.out, "    again:   %s\n", line)
		}
	}
	fmt.Fprintf(t.out, "\nAll %d steps held, in %s.\n", len(steps), time.Since(started).Round(time.Millisecond))
	return nil
}

// file is the path of one of the tour's files.
func (t *tour) file(name string) string { return filepath.Join(t.dir, name) }

func (t *tour) hierarchy(_ context.Context, s *step) error {
	n, err := t.party.chain(t.party.issuers[0], x509.ExtKeyUsageAny)
	if err != nil {
		return err
	}
	names := []string{t.party.root.Subject.CommonName}
	for i := len(t.party.issuers) - 1; i >= 0; i-- {
		names = append(names, t.party.issuers[i].Subject.CommonName)
	}
	s.check("%d signatures up to the root: %s", n, strings.Join(names, " → "))
	s.openssl("x509 -in %s -noout -subject -dates -nameopt utf8,sep_comma_plus_space", quote(t.at.Root))
	return nil
}

func (t *tour) apply(ctx context.Context, s *step) error {
	wrong := t.citizens[0]
	wrong.FIN = wrong.FIN[:6] + "I"
	_, err := t.submit(ctx, wrong)
	refusal, ok := errors.AsType[*problem.Details](err)
	if !ok || refusal.Status != http.StatusBadRequest || len(refusal.Errors) != 1 || refusal.Errors[0].Field != "fin" {
		return fmt.Errorf("a FİN with the letter I was not refused as such, but: %v", err)
	}
	s.check("a wrong FİN is refused: fin %s", refusal.Errors[0].Detail)
	if t.application, err = t.submit(ctx, t.citizens[0]); err != nil {
		return err
	}
	s.check("application %s of %s %s is taken in", t.application, t.citizens[0].GivenName, t.citizens[0].Surname)
	return nil
}

func (t *tour) decide(ctx context.Context, s *step) error {
	if err := t.verify(ctx, t.application); err != nil {
		return err
	}
	err := t.operator.post(ctx, "/v1/applications/"+t.application+"/approve", struct{}{}, nil)
	refusal, err := refused(err, http.StatusForbidden, "the operator's own approval")
	if err != nil {
		return err
	}
	s.check("the operator's own approval is refused: %s", refusal.Code)
	if err := t.approve(ctx, t.application); err != nil {
		return err
	}
	s.check("an officer approves what the operator verified")
	return nil
}

func (t *tour) issue(ctx context.Context, s *step) (err error) {
	if t.citizen, err = t.collect(ctx, t.application); err != nil {
		return err
	}
	for path, data := range map[string][]byte{
		t.at.Leaf: []byte(t.citizen.signaturePEM), t.at.Chain: []byte(t.citizen.signaturePEM + t.citizen.chainPEM),
	} {
		if err := durable.Write(path, data, 0o644); err != nil {
			return err
		}
	}
	if err := durable.Write(t.at.LeafKey, t.citizen.keyPEM, 0o600); err != nil {
		return err
	}
	for _, c := range []*x509.Certificate{t.citizen.signature, t.citizen.authentication} {
		if _, err := t.party.chain(c, x509.ExtKeyUsageAny); err != nil {
			return err
		}
	}
	s.check("a signature and an authentication certificate, both up to the root")
	s.openssl("verify -x509_strict -CAfile %s -untrusted %s %s", quote(t.at.Root), quote(t.at.Chain), quote(t.at.Leaf))
	return nil
}

func (t *tour) profiles(_ context.Context, s *step) error {
	signature, authentication := t.citizen.signature, t.citizen.authentication
	if signature.KeyUsage != x509.KeyUsageContentCommitment {
		return fmt.Errorf("the signature certificate has key usage %b, not nonRepudiation alone", signature.KeyUsage)
	}
	if authentication.KeyUsage != x509.KeyUsageDigitalSignature {
		return fmt.Errorf("the authentication certificate has key usage %b, not digitalSignature alone", authentication.KeyUsage)
	}
	if got, want := signature.Subject.SerialNumber, "PNOAZ-"+t.citizens[0].FIN; got != want {
		return fmt.Errorf("the subject's serialNumber is %q, not %q", got, want)
	}
	if got, want := signature.Subject.CommonName, t.citizens[0].GivenName+" "+t.citizens[0].Surname; got != want {
		return fmt.Errorf("the subject's name is %q, not %q", got, want)
	}
	qualified := false
	for _, e := range signature.Extensions {
		qualified = qualified || e.Id.Equal(pki.OIDQCStatements)
	}
	if !qualified {
		return errors.New("the signature certificate has no qualified-certificate statements")
	}
	s.check("key usage, subject %s with %s, qualified-certificate statements", signature.Subject.CommonName, signature.Subject.SerialNumber)
	s.openssl("x509 -in %s -noout -text -nameopt utf8,sep_comma_plus_space", quote(t.at.Leaf))
	return nil
}

func (t *tour) page(ctx context.Context, s *step) error {
	serial := string(journal.SerialOf(t.citizen.signature.SerialNumber))
	for lang, valid := range map[string]string{"az": "qüvvədədir", "en": "valid", "ru": "действителен"} {
		page := t.at.RA + "/?" + url.Values{"lang": {lang}, "serial": {serial}}.Encode()
		html, err := t.party.exchange(ctx, page, "", nil, "text/html; charset=utf-8")
		if err != nil {
			return err
		}
		if !bytes.Contains(bytes.ToLower(html), []byte(valid)) || !bytes.Contains(html, []byte(serial)) {
			return fmt.Errorf("the page in %s does not say that certificate %s is %s", lang, serial, valid)
		}
		if bytes.Contains(html, []byte(t.citizens[0].FIN)) {
			return fmt.Errorf("the page in %s shows the FİN", lang)
		}
	}
	s.check("the page says in az, en and ru that the certificate is valid, and does not tell the FİN")
	s.try("curl -s '%s/?lang=en&serial=%s'", t.at.RA, serial)
	return nil
}

func (t *tour) journal(ctx context.Context, s *step) error {
	var position uint64
	status := map[journal.Serial]journal.Status{}
	for {
		entries, err := t.authority.Journal(ctx, position, 0, 0)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			break
		}
		for _, e := range entries {
			if position++; e.Position != position {
				return fmt.Errorf("entry %d comes where %d belongs", e.Position, position)
			}
			if e.Serial == "" {
				continue
			}
			if status[e.Serial], err = status[e.Serial].Apply(e); err != nil {
				return fmt.Errorf("entry %d: %w", e.Position, err)
			}
		}
	}
	if got := status[journal.SerialOf(t.citizen.signature.SerialNumber)]; got.State != journal.Valid {
		return fmt.Errorf("the journal's entries lead to %q for the certificate, not to %q", got.State, journal.Valid)
	}
	s.check("%d entries about %d certificates, read over mutual TLS, number without a gap and fold without a contradiction", position, len(status))
	s.try("curl -s --cert %s --key %s --cacert %s '%s/v1/journal?after=0'", quote(t.at.CAClient), quote(t.at.CAKey), quote(t.at.CARoot), t.at.CAAPI)
	return nil
}

func (t *tour) audit(ctx context.Context, s *step) error {
	log, key := t.file("audit.log"), t.file("log.pub")
	findings, err := auditVerify{Log: log, publicKeys: publicKeys{Key: key}, Journal: t.register}.verify(ctx)
	if err != nil {
		return err
	}
	for _, finding := range findings {
		s.check("%s", strings.ReplaceAll(finding, t.dir+string(filepath.Separator), ""))
	}
	whole, err := os.ReadFile(log)
	if err != nil {
		return err
	}
	for _, c := range t.citizens {
		if bytes.Contains(whole, []byte(c.FIN)) || bytes.Contains(whole, []byte(c.Surname)) {
			return errors.New("the audit log holds personal data")
		}
	}
	s.check("no FİN and no name in it")
	s.try("altamga audit verify %s --key %s --journal %s", quote(log), quote(key), quote(register.Redacted(t.register)))
	return nil
}

// quote makes a path safe to paste into a shell.
func quote(path string) string {
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
