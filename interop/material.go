package interop

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/xmlsec"
)

// Bounds of what a partner hands over.
const (
	maxMaterialFile  = 16 << 20
	maxMaterialFiles = 1000
	// maxMaterialCertificates is far more than the authorities of a state. What is
	// done with material grows with their square, so a hostile file must not have
	// as many as fit into it.
	maxMaterialCertificates = 1000
)

// Material is what a partner handed over: certificates in whatever form, and
// perhaps the list that it publishes.
type Material struct {
	// Certificates, each of them once, in the order of the files' names.
	Certificates []*Certificate
	// List is the partner's own trust list, as it came: nothing in it is taken
	// before it is verified. It is nil when there is none.
	List []byte
	// Sources say what was found where, for people.
	Sources []string
}

// Get fetches what is at an address: [Web.Get].
type Get func(ctx context.Context, address string, v Validators) (Fetched, error)

// ReadMaterial reads files, all files of folders, and what is at addresses:
// certificates (DER, PEM, base64), PKCS #7, the Turkish depot of root certificates
// (XML), a trust list. What is none of these makes it refuse all of them.
func ReadMaterial(ctx context.Context, get Get, names ...string) (*Material, error) {
	m := &Material{}
	files := 0
	for _, name := range names {
		var err error
		if isAddress(name) {
			err = m.fetch(ctx, get, name)
		} else {
			err = m.walk(name, &files)
		}
		if err != nil {
			return nil, fmt.Errorf("importing material: %w", err)
		}
	}
	if len(m.Certificates) == 0 && m.List == nil {
		return nil, errors.New("importing material: there is none")
	}
	return m, nil
}

// walk adds a file, or all files of a folder.
func (m *Material) walk(name string, files *int) error {
	return filepath.WalkDir(name, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if *files++; *files > maxMaterialFiles {
			return fmt.Errorf("%s has more than %d files", name, maxMaterialFiles)
		}
		data, err := readBounded(file)
		if err != nil {
			return err
		}
		if err := m.Add(file, data); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		return nil
	})
}

func isAddress(name string) bool {
	return strings.HasPrefix(name, "https://") || strings.HasPrefix(name, "http://")
}

// fetch adds what is at an address. A trust list proves itself by its signature;
// for anything else the server has to.
func (m *Material) fetch(ctx context.Context, get Get, address string) error {
	fetched, err := get(ctx, address, Validators{})
	if err != nil {
		return err
	}
	if len(fetched.Body) > maxMaterialFile {
		return fmt.Errorf("%s is larger than %d octets", address, maxMaterialFile)
	}
	found := &Material{}
	if err := found.Add(address, fetched.Body); err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	if found.List == nil && !strings.HasPrefix(address, "https://") {
		return fmt.Errorf("%s: certificates that nobody signed are taken from https addresses and files alone", address)
	}
	return m.Add(address, fetched.Body)
}

func readBounded(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	// A device or a pipe may never end.
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fmt.Errorf("%s is no file", name))
	}
	data, err := io.ReadAll(io.LimitReader(file, maxMaterialFile+1))
	if err == nil && len(data) > maxMaterialFile {
		err = fmt.Errorf("%s is larger than %d octets", name, maxMaterialFile)
	}
	return data, err
}

// Add takes the content of one file, whole or not at all. The source names it
// for people.
func (m *Material) Add(source string, data []byte) error {
	kind, certificates, err := materialOf(data)
	if err != nil {
		return err
	}
	if kind == kindList {
		if m.List != nil && !bytes.Equal(m.List, data) {
			return errors.New("it is a second trust list; a partner has one")
		}
		m.List = data
	}
	for i, c := range certificates {
		if _, err := c.Facts(); err != nil {
			return fmt.Errorf("%s, number %d: %w", kind, i+1, err)
		}
	}
	if len(m.Certificates)+len(certificates) > maxMaterialCertificates {
		return errTooMany
	}
	fresh := 0
	for _, c := range certificates {
		if !has(m.Certificates, c) {
			m.Certificates = append(m.Certificates, c)
			fresh++
		}
	}
	what := fmt.Sprintf("%s: %s", source, kind)
	if kind != kindList {
		what += fmt.Sprintf(", %d certificates, %d of them new", len(certificates), fresh)
	}
	m.Sources = append(m.Sources, what)
	return nil
}

func has(all []*Certificate, c *Certificate) bool {
	for _, one := range all {
		if bytes.Equal(one.Raw, c.Raw) {
			return true
		}
	}
	return false
}

// Kinds of files.
const (
	kindList  = "trust list"
	kindDepot = "depot of root certificates"
	kindPKCS7 = "PKCS #7"
	kindPEM   = "PEM"
	kindDER   = "certificate"
)

var errTooMany = fmt.Errorf("there are more than %d certificates", maxMaterialCertificates)

// collect adds a certificate to those of a file.
func collect(all *[]*Certificate, raw []byte) error {
	if len(*all) == maxMaterialCertificates {
		return errTooMany
	}
	*all = append(*all, &Certificate{Raw: raw})
	return nil
}

func materialOf(data []byte) (kind string, all []*Certificate, err error) {
	start := bytes.TrimLeft(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), " \t\r\n")
	switch {
	case len(start) == 0:
		return "", nil, errors.New("it is empty")
	case start[0] == '<':
		return materialOfXML(data)
	case bytes.Contains(data, []byte("-----BEGIN ")):
		all, err = materialOfPEM(data)
		return kindPEM, all, err
	case start[0] == 0x30:
		return materialOfDER(data)
	}
	// Windows and some centres hand out base64 without PEM's lines around it.
	decoded, err := decodeBase64(string(start))
	if err != nil || len(decoded) == 0 || decoded[0] != 0x30 {
		return "", nil, errors.New("it is no certificate, PEM, PKCS #7, depot or trust list")
	}
	return materialOfDER(decoded)
}

func decodeBase64(text string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
}

func materialOfXML(data []byte) (string, []*Certificate, error) {
	document, err := xmlsec.Parse(data, xmlsec.Limits{})
	if err != nil {
		return "", nil, err
	}
	if document.Root.Is(Root.Space, Root.Local) {
		_, err := Read(data)
		return kindList, nil, err
	}
	var all []*Certificate
	// The depot of Kamu SM has one koksertifika for each root, and its
	// certificate in mValue; it is not signed by anybody.
	for e := range document.Root.All() {
		if !e.Is("", "koksertifika") {
			continue
		}
		value := e.Child("", "mValue")
		if value == nil {
			return "", nil, fmt.Errorf("the koksertifika number %d has no mValue", len(all)+1)
		}
		raw, err := decodeBase64(value.Text())
		if err != nil {
			return "", nil, fmt.Errorf("the koksertifika number %d is not base64: %w", len(all)+1, err)
		}
		if err := collect(&all, raw); err != nil {
			return "", nil, err
		}
	}
	if len(all) == 0 {
		return "", nil, fmt.Errorf("the XML is neither a trust list nor a depot: its root is %s", document.Root.Name)
	}
	return kindDepot, all, nil
}

func materialOfPEM(data []byte) (all []*Certificate, err error) {
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		switch block.Type {
		case "CERTIFICATE", "X509 CERTIFICATE":
			if err := collect(&all, block.Bytes); err != nil {
				return nil, err
			}
		case "PKCS7", "CMS":
			inner, err := certificatesOfPKCS7(block.Bytes)
			if err != nil {
				return nil, err
			}
			for _, c := range inner {
				if err := collect(&all, c.Raw); err != nil {
					return nil, err
				}
			}
		default:
			return nil, fmt.Errorf("the PEM has a %s", block.Type)
		}
	}
	if len(all) == 0 || bytes.Contains(data, []byte("-----BEGIN ")) {
		return nil, errors.New("the PEM is not whole")
	}
	return all, nil
}

// materialOfDER tells a ContentInfo, which begins with an object identifier,
// from a Certificate.
func materialOfDER(data []byte) (string, []*Certificate, error) {
	outer, ok := der.Whole(data, cryptobyte_asn1.SEQUENCE)
	if !ok {
		return "", nil, errors.New("it is not the DER of a certificate or of PKCS #7, whole and alone")
	}
	if outer.PeekASN1Tag(cryptobyte_asn1.OBJECT_IDENTIFIER) {
		all, err := certificatesOfPKCS7(data)
		return kindPKCS7, all, err
	}
	return kindDER, []*Certificate{{Raw: data}}, nil
}

// certificatesOfPKCS7 reads the certificates of a SignedData (RFC 5652, Section
// 5.1). Who signed it, if anybody, is not asked: the certificates are looked at
// by officers.
func certificatesOfPKCS7(data []byte) (all []*Certificate, err error) {
	malformed := errors.New("the PKCS #7 is not the DER of signed data")
	outer, ok := der.Whole(data, cryptobyte_asn1.SEQUENCE)
	context0 := cryptobyte_asn1.Tag(0).Constructed().ContextSpecific()
	var kind, content, signed, certificates cryptobyte.String
	var there bool
	if !ok || !outer.ReadASN1(&kind, cryptobyte_asn1.OBJECT_IDENTIFIER) || !bytes.Equal(kind, []byte("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02")) ||
		!outer.ReadASN1(&content, context0) || !content.ReadASN1(&signed, cryptobyte_asn1.SEQUENCE) ||
		!signed.SkipASN1(cryptobyte_asn1.INTEGER) || !signed.SkipASN1(cryptobyte_asn1.SET) || !signed.SkipASN1(cryptobyte_asn1.SEQUENCE) ||
		!signed.ReadOptionalASN1(&certificates, &there, context0) {
		return nil, malformed
	}
	for !certificates.Empty() {
		var one cryptobyte.String
		// Attribute certificates and other choices are tagged, and nobody's root.
		if !certificates.ReadASN1Element(&one, cryptobyte_asn1.SEQUENCE) {
			return nil, malformed
		}
		if err := collect(&all, one); err != nil {
			return nil, err
		}
	}
	if len(all) == 0 {
		return nil, errors.New("the PKCS #7 has no certificates")
	}
	return all, nil
}
