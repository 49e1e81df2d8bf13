package keys

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"github.com/altamga/altamga/internal/pki"
)

const (
	// maxKeyFile bounds a key file: an encrypted RSA key of 16384 bits has less
	// than 13 KiB.
	maxKeyFile = 64 << 10
	// maxPassphraseFile bounds a passphrase file.
	maxPassphraseFile = 4 << 10
)

// openFile returns the key of a file: URI.
func openFile(u URI, baseDir string) (crypto.Signer, error) {
	path := in(baseDir, u.Path)
	data, err := readPrivate(path, maxKeyFile)
	if err != nil {
		return nil, explain("opening key", err)
	}
	block, rest := pem.Decode(data)
	if block == nil || len(bytes.TrimSpace(rest)) != 0 {
		return nil, &Error{
			err:  fmt.Errorf("opening key %s: it is not one PEM block", path),
			hint: "openssl pkcs8 -topk8 converts other forms of key",
		}
	}
	encoded := block.Bytes
	switch {
	case block.Type == "ENCRYPTED PRIVATE KEY" && u.PassphraseFile == "":
		return nil, &Error{
			err:  fmt.Errorf("opening key %s: it is encrypted and no passphrase is given", path),
			hint: "add ?passphrase-file=NAME to the key's URI",
		}
	case block.Type == "ENCRYPTED PRIVATE KEY":
		passphrase, err := readPassphrase(in(baseDir, u.PassphraseFile))
		if err != nil {
			return nil, err
		}
		if encoded, err = decrypt(encoded, passphrase); err != nil {
			return nil, &Error{
				err:  fmt.Errorf("opening key %s: %w", path, err),
				hint: "openssl pkcs8 -in KEY -passin file:PASSPHRASE-FILE shows whether the two belong together",
			}
		}
	case block.Type == "PRIVATE KEY" && u.PassphraseFile != "":
		// Whoever wrote the URI believes that the key is safe on the disk.
		return nil, &Error{
			err:  fmt.Errorf("opening key %s: a passphrase is given, but the key is not encrypted", path),
			hint: "encrypt it with openssl pkcs8 -topk8, or take passphrase-file out of the URI",
		}
	case block.Type != "PRIVATE KEY":
		return nil, &Error{
			err:  fmt.Errorf("opening key %s: a PEM block %q is no PKCS #8 key", path, block.Type),
			hint: "openssl pkcs8 -topk8 converts other forms of key",
		}
	}
	signer, err := parse(encoded)
	if err != nil {
		return nil, &Error{err: fmt.Errorf("opening key %s: %w", path, err)}
	}
	return signer, nil
}

// parse decodes a PKCS #8 PrivateKeyInfo and judges the key.
func parse(encoded []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(encoded)
	if err != nil {
		// The decoder's error may quote parts of the key's structure.
		return nil, errors.New("it is not a well-formed PKCS #8 key")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a %T cannot sign", key)
	}
	if _, _, err := pki.SignatureAlgorithm(signer.Public()); err != nil {
		return nil, err
	}
	return signer, nil
}

// readPassphrase returns a passphrase, as openssl's -passin file: reads it.
func readPassphrase(path string) (string, error) {
	return readLine(path, "opening passphrase", "openssl rand -base64 24 makes a good passphrase")
}

// readLine returns the first line of a file that holds a secret, without its
// end.
func readLine(path, doing, hint string) (string, error) {
	data, err := readPrivate(path, maxPassphraseFile)
	if err != nil {
		return "", explain(doing, err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" {
		return "", &Error{err: fmt.Errorf("%s %s: its first line is empty", doing, path), hint: hint}
	}
	return line, nil
}

// readPrivate reads a regular file of at most limit octets that nobody but its
// owner may read or write.
func readPrivate(path string, limit int64) ([]byte, error) {
	// Asked before opening, since opening a named pipe would wait for a writer.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &Error{err: fmt.Errorf("%s is not a regular file", path)}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// Judged on the open file, so that what is judged is what is read.
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, &Error{
			err:  fmt.Errorf("%s: others than its owner may use it (mode %04o)", path, info.Mode().Perm()),
			hint: "chmod 600 " + path,
		}
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, &Error{err: fmt.Errorf("%s is larger than %d octets", path, limit)}
	}
	return data, nil
}

// explain puts what was being done before err and keeps its hint.
func explain(doing string, err error) error {
	hint := ""
	if known, ok := errors.AsType[*Error](err); ok {
		hint = known.hint
	} else if errors.Is(err, fs.ErrNotExist) {
		hint = "a path counts from the folder of the configuration file, on the command line from the present one; altamga init makes the keys of a new centre"
	} else if errors.Is(err, fs.ErrPermission) {
		hint = "the server's user must own the file"
	}
	return &Error{err: fmt.Errorf("%s: %w", doing, err), hint: hint}
}
