package main

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/altamga/altamga/internal/audit/tokenlog"
	"github.com/altamga/altamga/internal/config"
	"github.com/altamga/altamga/tsa"
)

type tsaVerify struct {
	Token string `arg:"" help:"The response or token (DER)." type:"existingfile" placeholder:"FILE.tsr"`
	Proof string `help:"The proof that it is in the journal, which 'altamga tsa prove' writes." type:"existingfile" placeholder:"FILE"`
	publicTokenKeys
	Data  string `help:"The file that was stamped." type:"existingfile" placeholder:"FILE"`
	Roots string `help:"The roots (PEM) that the unit's certificate must come from." type:"existingfile" placeholder:"FILE"`
	CRL   string `name:"crl" help:"The issuer's revocation list (DER): does the token stand although its unit's certificate was revoked? Needs --roots." type:"existingfile" placeholder:"FILE"`
}

// publicTokenKeys are those of a journal and its witnesses.
type publicTokenKeys struct {
	Key     string   `help:"The journal's public key, which 'altamga tsa key' prints." type:"existingfile" placeholder:"FILE"`
	Witness []string `help:"Public key of a witness that must have signed too; may be repeated." type:"existingfile" placeholder:"FILE"`
}

func (c tsaVerify) Run(std streams) error {
	token, err := readToken(c.Token)
	if err != nil {
		return err
	}
	if c.Proof == "" && c.Roots == "" {
		return withHint(errors.New("verifying: nothing to verify the token with"), "give --roots, --proof with --key, or both")
	}
	if (c.Proof == "") != (c.Key == "") {
		return withHint(errors.New("verifying: --proof and --key go together"), "`altamga tsa key -c FILE` prints the journal's public key")
	}
	fmt.Fprintf(std.out, "serial number %x, %s, policy %v\n", token.Info.Serial, token.Info.GenTime.Format("2006-01-02T15:04:05.999999Z07:00"), token.Info.Policy)
	if c.Data != "" {
		if err := checkStamped(token, c.Data); err != nil {
			return err
		}
		fmt.Fprintf(std.out, "it is over %s\n", c.Data)
	}
	var chain []*x509.Certificate
	if c.Roots != "" {
		if chain, err = checkSignedBelow(token, config.Path(c.Roots)); err != nil {
			return fmt.Errorf("verifying token: %w", err)
		}
		fmt.Fprintf(std.out, "signed by %s, from below the roots\n", chain[0].Subject)
	}
	if c.Proof != "" {
		proof, err := c.prove(token)
		if err != nil {
			return err
		}
		fmt.Fprintf(std.out, "it is number %d of the %d in the signed journal %s\n", proof.Index+1, proof.Root.Size, proof.Root.Origin)
	}
	if c.CRL == "" {
		return nil
	}
	if chain == nil {
		return withHint(errors.New("verifying: --crl needs --roots"), "a list is worth what its signature is")
	}
	return c.standing(std, token, chain)
}

// standing says whether the token stands although its unit was revoked.
func (c tsaVerify) standing(std streams, token *tsa.Token, chain []*x509.Certificate) error {
	encoded, err := os.ReadFile(c.CRL)
	if err != nil {
		return err
	}
	list, err := x509.ParseRevocationList(encoded)
	if err != nil {
		return fmt.Errorf("%s: %w", c.CRL, err)
	}
	if err := list.CheckSignatureFrom(chain[1]); err != nil {
		return fmt.Errorf("%s is not a list of %s: %w", c.CRL, chain[1].Subject, err)
	}
	if err := tellsOf(list, token.Info.GenTime); err != nil {
		return withHint(fmt.Errorf("%s: %w", c.CRL, err), "give the issuer's complete list of today")
	}
	for _, entry := range list.RevokedCertificateEntries {
		if entry.SerialNumber.Cmp(chain[0].SerialNumber) != 0 {
			continue
		}
		reason := tsa.NoReason
		if slices.ContainsFunc(entry.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidReasonCode) }) {
			reason = entry.ReasonCode
		}
		if err := tsa.StandsAfter(token.Info.GenTime, entry.RevocationTime, reason, c.Proof != ""); err != nil {
			return withHint(err, "a token from before it stands when its proof shows that it is in the journal: see --proof")
		}
		fmt.Fprintf(std.out, "the unit's certificate was revoked at %s; the token is from before and stands\n", entry.RevocationTime.Format(time.RFC3339))
		return nil
	}
	fmt.Fprintf(std.out, "the unit's certificate is not on the list of %s\n", list.ThisUpdate.Format(time.RFC3339))
	return nil
}

// tellsOf refuses a list whose silence means nothing: one that was to be replaced
// before the moment in question, and one of a part, such as a delta list.
//
// RFC 5280, Section 5.2: a list with a critical extension that is not understood
// tells the status of no certificate; Section 5.3: nor does one with a critical
// extension of an entry.
func tellsOf(list *x509.RevocationList, at time.Time) error {
	if list.NextUpdate.Before(at) {
		return fmt.Errorf("the list was good until %s, before the token: it does not know what came later", list.NextUpdate.Format(time.RFC3339))
	}
	critical := func(e pkix.Extension) bool { return e.Critical }
	if i := slices.IndexFunc(list.Extensions, critical); i >= 0 {
		return fmt.Errorf("the list is not about all certificates of its issuer: it has the critical extension %v", list.Extensions[i].Id)
	}
	for _, entry := range list.RevokedCertificateEntries {
		if i := slices.IndexFunc(entry.Extensions, critical); i >= 0 {
			return fmt.Errorf("entry %x of the list has the critical extension %v, which is not understood", entry.SerialNumber, entry.Extensions[i].Id)
		}
	}
	return nil
}

// oidReasonCode is id-ce-cRLReasons (RFC 5280, Section 5.3.1).
var oidReasonCode = asn1.ObjectIdentifier{2, 5, 29, 21}

// prove checks that the proof is one for the token.
func (c tsaVerify) prove(token *tsa.Token) (p tokenlog.Proof, err error) {
	key, witnesses, err := publicKeys{Key: c.Key, Witness: c.Witness}.read()
	if err != nil {
		return p, err
	}
	file, err := os.ReadFile(c.Proof)
	if err != nil {
		return p, err
	}
	if p, err = tokenlog.CheckProof(file, key, witnesses...); err != nil {
		return p, withHint(fmt.Errorf("%s: %w", c.Proof, err), "--key is the journal's own key: `altamga tsa key -c FILE` prints it, and log.pub is another")
	}
	record, err := recordOf(token)
	if err == nil && (p.Record.Serial != record.Serial || p.Record.Statement != record.Statement || !p.Record.Time.Equal(record.Time)) {
		err = fmt.Errorf("%s: it proves another token, %x of %s", c.Proof, p.Record.Serial, p.Record.Time.Format(time.RFC3339))
	}
	return p, err
}

// checkStamped compares the imprint with a file.
func checkStamped(token *tsa.Token, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	ok, err := token.Over(data)
	if err == nil && !ok {
		err = fmt.Errorf("the token is not over %s", path)
	}
	return err
}

// checkSignedBelow verifies the token's signature by one of the certificates in
// it, and returns that one's path to the roots.
func checkSignedBelow(token *tsa.Token, file config.Path) ([]*x509.Certificate, error) {
	roots, err := readCertificates(file)
	if err != nil {
		return nil, err
	}
	trusted, between := x509.NewCertPool(), x509.NewCertPool()
	for _, root := range roots {
		trusted.AddCert(root)
	}
	var certificates []*x509.Certificate
	for _, der := range token.Certificates {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		certificates = append(certificates, certificate)
		between.AddCert(certificate)
	}
	for _, certificate := range certificates {
		if token.Verify(certificate) != nil {
			continue
		}
		// At the token's time: the certificate ends, the token stays.
		paths, err := certificate.Verify(x509.VerifyOptions{Roots: trusted, Intermediates: between, CurrentTime: token.Info.GenTime,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}})
		if err != nil {
			return nil, withHint(err, "--roots is the root (PEM) of the hierarchy that the authority's certificate comes from")
		}
		return paths[0], nil
	}
	if len(certificates) == 0 {
		return nil, withHint(errors.New("it carries no certificate"), "ask for it with `openssl ts -query -cert`")
	}
	return nil, errors.New("none of its certificates verifies it")
}
