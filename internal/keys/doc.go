// Package keys turns the key URIs of configuration files into signers.
//
//	file:issuing.key                              PKCS #8 in PEM, in the clear
//	file:issuing.key?passphrase-file=issuing.pass PKCS #8 in PEM, encrypted
//	pkcs11:token=msxm;object=issuing?pin-source=msxm.pin
//	                                              on a token, RFC 7512
//
// A relative path counts from the directory that the caller names, which is
// the configuration file's. Spaces, '?', '#' and '%' in a path are written
// with percent signs; file:///etc/altamga/ca.key is an absolute path. Both kinds
// of key take max-uses=N and counter=NAME: then the signatures that the key
// makes are counted, and refused past the maximum.
//
// The package refuses a key, passphrase or PIN file that its group or the world
// may read, an encrypted key without a passphrase and a passphrase for a key in
// the clear, files with anything but one key in them, keys too weak to sign
// with, a PIN inside of a URI, and a PIN that a token has refused before. It
// never overwrites a key. Its errors tell what to do about them in a Hint method
// and never quote a secret.
//
// Encryption hides a key and does not authenticate it: that a key belongs to a
// certificate is for its user to check, with pki.CheckKeyPair.
//
// Opening a key (open.go) in a file: uri.go splits the URI; file.go checks the
// file's mode and reads it; pbes2.go decrypts it; x509.ParsePKCS8PrivateKey
// decodes it; pki.SignatureAlgorithm judges its strength. Generating goes the
// same way back and ends by opening what it wrote.
//
// A key on a token: tokenuri.go splits the URI; find.go names the libraries and
// module.go loads and starts one; pool.go finds the token, holds sessions and
// heals them; login.go gives the PIN, once; object.go finds the key and reads
// its public half. A signature goes through uses.go, which counts it,
// mechanism.go, which says what the token has to compute, a session of pool.go,
// and back; the first one is verified. A build without cgo has none of these
// (notoken.go) and says so.
package keys
