package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
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
	"github.com/altamga/altamga/crl"
	"github.com/altamga/altamga/internal/audit/tokenlog"
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

func (s *step) openssl(format string, args ...any) {
	s.again = append(s.again, fmt.Sprintf("openssl "+format, args...))
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
	refusal, ok := errors.AsType[*problem.Details](err)
	if !ok || refusal.Status != http.StatusForbidden {
		return fmt.Errorf("the operator's own approval was not refused, but: %v", err)
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

// expect asks both OCSP and CRL about a certificate. The reason is the one that
// the CRL must have, -1 for a certificate that it must not have.
func (t *tour) expect(ctx context.Context, s *step, c *x509.Certificate, status string, reason int) error {
	if err := t.party.answered(ctx, c, status); err != nil {
		return fmt.Errorf("asking OCSP: %w", err)
	}
	number, err := t.party.listed(ctx, c, reason)
	if err != nil {
		return fmt.Errorf("reading CRL: %w", err)
	}
	says := "does not list it"
	if reason >= 0 {
		says = "lists it with reason " + journal.Reason(reason).String()
	}
	s.check("OCSP says %s; CRL number %d %s", status, number, says)
	return nil
}

// ask prints the line that asks OCSP about the certificate in a file.
func (t *tour) ask(s *step, file string) {
	s.openssl("ocsp -sha256 -nonce -issuer %s -cert %s -url %s -CAfile %s", quote(t.at.Issuer), quote(file), t.at.OCSP, quote(t.at.Root))
}

func (t *tour) fresh(ctx context.Context, s *step) error {
	if err := t.expect(ctx, s, t.citizen.signature, "good", -1); err != nil {
		return err
	}
	t.ask(s, t.at.Leaf)
	return nil
}

func (t *tour) sign(_ context.Context, s *step) error {
	document := []byte("Nümayiş sənədi\n")
	digest := sha256.Sum256(document)
	signature, err := t.citizen.key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return err
	}
	if public, ok := t.citizen.signature.PublicKey.(*ecdsa.PublicKey); !ok || !ecdsa.VerifyASN1(public, digest[:], signature) {
		return errors.New("the signature does not verify with the certificate's key")
	}
	if err := errors.Join(durable.Write(t.file("document.txt"), document, 0o644), durable.Write(t.file("document.sig"), signature, 0o644)); err != nil {
		return err
	}
	s.check("the signature of document.txt verifies with the certificate's key")
	s.again = append(s.again, fmt.Sprintf("openssl x509 -in %s -noout -pubkey > %s && openssl dgst -sha256 -verify %[2]s -signature %s %s",
		quote(t.at.Leaf), quote(t.file("sample.pub")), quote(t.file("document.sig")), quote(t.file("document.txt"))))
	return nil
}

func (t *tour) stamp(ctx context.Context, s *step) error {
	signature, err := os.ReadFile(t.file("document.sig"))
	if err != nil {
		return err
	}
	answer, at, err := t.party.stamp(ctx, t.at.TSA, signature)
	if err != nil {
		return err
	}
	if err := durable.Write(t.file("document.tsr"), answer, 0o644); err != nil {
		return err
	}
	s.check("a token over document.sig, of %s, by a unit that chains up to the root", at.UTC().Format(time.RFC3339))
	s.openssl("ts -verify -data %s -in %s -CAfile %s -untrusted %s", quote(t.file("document.sig")), quote(t.file("document.tsr")), quote(t.at.Root), quote(t.at.Chain))
	if err := t.proveStamp(ctx); err != nil {
		return err
	}
	s.check("it is in the authority's journal of tokens, whose signed root proves it: document.proof")
	s.again = append(s.again, fmt.Sprintf("altamga tsa verify %s --proof %s --key %s --roots %s --data %s", quote(t.file("document.tsr")),
		quote(t.file("document.proof")), quote(t.file("tokens.pub")), quote(t.at.Root), quote(t.file("document.sig"))))
	return nil
}

// proveStamp writes the proof that the token is in the journal, as soon as a
// signed root covers it.
func (t *tour) proveStamp(ctx context.Context) error {
	token, err := readToken(t.file("document.tsr"))
	if err != nil {
		return err
	}
	record, err := recordOf(token)
	if err != nil {
		return err
	}
	dir, key, err := journalOf(t.tsaConfig)
	if err != nil {
		return err
	}
	for {
		proof, err := tokenlog.Prove(dir, key, record)
		if err == nil {
			return durable.Write(t.file("document.proof"), proof, 0o644)
		}
		if !errors.Is(err, tokenlog.ErrUnsigned) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (t *tour) suspend(ctx context.Context, s *step) error {
	if err := t.change(ctx, t.operator, t.citizen, "suspend", map[string]string{"owner": "holder"}); err != nil {
		return err
	}
	for _, c := range []*x509.Certificate{t.citizen.signature, t.citizen.authentication} {
		if err := t.expect(ctx, s, c, "certificateHold", int(journal.CertificateHold)); err != nil {
			return err
		}
	}
	if err := t.delta(ctx, s, t.citizen.signature, int(journal.CertificateHold)); err != nil {
		return err
	}
	// Who does not own the hold does not lift it.
	err := t.change(ctx, t.operator, t.citizen, "restore", map[string]string{"owner": "organisation", "document": "DEMO-1"})
	refusal, ok := errors.AsType[*problem.Details](err)
	if !ok || refusal.Status != http.StatusConflict {
		return fmt.Errorf("another owner lifting the hold was not refused, but: %v", err)
	}
	s.check("another owner cannot lift the hold: %s", refusal.Code)
	return nil
}

func (t *tour) restore(ctx context.Context, s *step) error {
	if err := t.change(ctx, t.operator, t.citizen, "restore", map[string]string{"owner": "holder"}); err != nil {
		return err
	}
	if err := t.expect(ctx, s, t.citizen.signature, "good", -1); err != nil {
		return err
	}
	if err := t.delta(ctx, s, t.citizen.signature, crl.Removed); err != nil {
		return err
	}
	s.openssl("verify -x509_strict -crl_check -crl_download -CAfile %s -untrusted %s %s", quote(t.at.Root), quote(t.at.Chain), quote(t.at.Leaf))
	return nil
}

func (t *tour) revoke(ctx context.Context, s *step) error {
	person, err := t.enrol(ctx, t.citizens[1])
	if err != nil {
		return err
	}
	if err := t.change(ctx, t.revocation, person, "revoke", map[string]string{"owner": "holder", "reason": "keyCompromise", "channel": "visit", "note": "the key was lost"}); err != nil {
		return err
	}
	if err := t.expect(ctx, s, person.signature, "revoked, reason 1", int(journal.KeyCompromise)); err != nil {
		return err
	}
	err = t.change(ctx, t.operator, person, "restore", map[string]string{"owner": "holder"})
	refusal, ok := errors.AsType[*problem.Details](err)
	if !ok || refusal.Status != http.StatusConflict {
		return fmt.Errorf("restoring a revoked certificate was not refused, but: %v", err)
	}
	s.check("revocation is final: %s", refusal.Code)
	t.ask(s, t.at.Revoked)
	return durable.Write(t.at.Revoked, []byte(person.signaturePEM), 0o644)
}

func (t *tour) hold(ctx context.Context, s *step) error {
	person, err := t.enrol(ctx, t.citizens[2])
	if err != nil {
		return err
	}
	if err := t.change(ctx, t.operator, person, "suspend", map[string]string{"owner": "holder"}); err != nil {
		return err
	}
	if err := t.expect(ctx, s, person.signature, "certificateHold", int(journal.CertificateHold)); err != nil {
		return err
	}
	t.ask(s, t.at.Held)
	return durable.Write(t.at.Held, []byte(person.signaturePEM), 0o644)
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
	s.again = append(s.again, "curl -s '"+t.at.RA+"/?lang=en&serial="+serial+"'")
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
	s.again = append(s.again, fmt.Sprintf("curl -s --cert %s --key %s --cacert %s '%s/v1/journal?after=0'", quote(t.at.CAClient), quote(t.at.CAKey), quote(t.at.CARoot), t.at.CAAPI))
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
	s.again = append(s.again, fmt.Sprintf("altamga audit verify %s --key %s --journal %s", quote(log), quote(key), quote(register.Redacted(t.register))))
	return nil
}

// quote makes a path safe to paste into a shell.
func quote(path string) string {
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
