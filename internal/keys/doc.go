// Package keys turns the key URIs of configuration files into signers.
//
//	file:issuing.key                              PKCS #8 in PEM, in the clear
//	file:issuing.key?passphrase-file=issuing.pass PKCS #8 in PEM, encrypted
//	pkcs11:token=...;object=...                   RFC 7512; refused by this build
//
// A relative path counts from the directory that the caller names, which is
// the configuration file's. Spaces, '?', '#' and '%' in a path are written
// with percent signs; file:///etc/altamga/ca.key is an absolute path.
//
// The package refuses a key or passphrase file that its group or the world may
// read, an encrypted key without a passphrase and a passphrase for a key in
// the clear, files with anything but one key in them, and keys too weak to
// sign with. It never overwrites a key. Its errors tell what to do about them
// in a Hint method and never quote a secret.
//
// Encryption hides a key and does not authenticate it: that a key belongs to a
// certificate is for its user to check, with pki.CheckKeyPair.
//
// Opening a key: uri.go splits the URI; file.go checks the file's mode and
// reads it; pbes2.go decrypts it; x509.ParsePKCS8PrivateKey decodes it;
// pki.SignatureAlgorithm judges its strength. Generating goes the same way
// back and ends by opening what it wrote.
package keys
