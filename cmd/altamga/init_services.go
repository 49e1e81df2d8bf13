package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/dossier"
)

// service makes a key and has its certificate issued.
func (f *founder) service(ctx context.Context, by *foundAuthority, keyName, algorithm, file string, request ca.Request) (uri string, key crypto.Signer, err error) {
	uri = f.keyURI(keyName)
	if key, err = f.generate(uri, algorithm); err != nil {
		return "", nil, err
	}
	request.Issuer, request.PublicKey = by.ID, key.Public()
	_, err = f.issue(ctx, by, request, file)
	return uri, key, err
}

// responders makes a delegated OCSP signer for every authority that names a
// responder in what it issues.
func (f *founder) responders(ctx context.Context) (err error) {
	for _, a := range f.Authorities {
		if a.OCSP == "" {
			continue
		}
		a.Signer = "certificates/ocsp-" + a.ID + ".pem"
		a.SignerKey, _, err = f.service(ctx, a, "ocsp-"+a.ID, "p256", a.Signer, ca.Request{Profile: "ocsp-signer", Subject: f.subject("OCSP " + strings.ToUpper(a.ID))})
		if err != nil {
			return err
		}
		// A client has the issuer's certificate, or it could not ask, and the
		// root's; what is between the two it may not have.
		if a.parent != nil && a.parent.parent != nil {
			a.SignerChain = a.parent.Certificate
		}
	}
	return nil
}

// tsa makes the time-stamping unit's key and certificate.
func (f *founder) tsa(ctx context.Context) (err error) {
	// What verifies the token journal, whose roots the audit log's key signs.
	signer, err := tokenSigner(&auditConfig{Key: f.AuditKey, Origin: f.Origin}, f.dir)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(f.dir, "tokens.pub"), []byte(signer.Public()+"\n"), 0o644); err != nil {
		return err
	}
	policy := f.Authorities[1]
	f.TSAKey, _, err = f.service(ctx, policy, "tsa", f.plan.TSA.Key, "certificates/tsa.pem", ca.Request{Profile: "tsa-signer", Subject: f.subject(f.plan.TSA.Name)})
	return err
}

// tls makes the suite's own root and the certificates by which its servers
// know one another.
func (f *founder) tls(ctx context.Context) error {
	root, err := f.authority(ctx, nil, planAuthority{ID: "suite", Name: "Altamga suite", Key: "p256", Profiles: []string{"suite-root", "suite-server", "suite-client"}}, "suite-root")
	if err != nil {
		return err
	}
	server := ca.Request{Profile: "suite-server", Subject: map[string]string{"O": f.plan.Centre}}
	for _, host := range f.plan.Hosts {
		if address, err := netip.ParseAddr(host); err == nil {
			server.IPAddresses = append(server.IPAddresses, address)
		} else {
			server.DNSNames = append(server.DNSNames, host)
		}
	}
	if f.TLSKey, _, err = f.service(ctx, root, tlsKeys+"server", "p256", "tls/server.pem", server); err != nil {
		return err
	}
	client := func(name string) ca.Request {
		return ca.Request{Profile: "suite-client", Subject: map[string]string{"O": f.plan.Centre, "CN": name}}
	}
	if f.RAKey, _, err = f.service(ctx, root, tlsKeys+"ra", "p256", "tls/ra.pem", client("ra")); err != nil {
		return err
	}
	for _, name := range []string{"operator", "supervisor", "ocsp", "tsa"} {
		if _, _, err = f.service(ctx, root, tlsKeys+name, "p256", "tls/"+name+".pem", client(name)); err != nil {
			return err
		}
	}
	certificate, err := os.ReadFile(filepath.Join(f.dir, root.Certificate))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(f.dir, "tls/root.pem"), certificate, 0o644)
}

// staff makes the key of the registration authority's store and the tokens of
// its staff.
func (f *founder) staff(context.Context) error {
	key := make([]byte, dossier.KeySize)
	rand.Read(key)
	if err := os.WriteFile(filepath.Join(f.dir, "data.key"), []byte(hex.EncodeToString(key)+"\n"), 0o600); err != nil {
		return err
	}
	for _, person := range f.plan.Staff {
		token, hash, finHash, err := enlist(key, person.FIN)
		if err != nil {
			return fmt.Errorf("staff %s: %w", person.Name, err)
		}
		f.Staff = append(f.Staff, foundStaff{person, hash, finHash})
		if err := os.WriteFile(filepath.Join(f.dir, "staff", person.Name+".token"), []byte(token+"\n"), 0o600); err != nil {
			return err
		}
	}
	return nil
}
