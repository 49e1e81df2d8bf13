// Package truststore packs the certificates that trust lists vouch for into the
// formats that relying parties' software reads: PEM, OpenSSL's hashed folder,
// PKCS #7, PKCS #12 and JKS for Java, Windows' serialized store, a signed list
// of trusted entities in JSON, and an inventory in JSON and CSV.
//
// The same lists make the same octets, on every machine and every day, so that
// anybody can make a package again and compare. Nothing in a package is secret:
// the password of the Java stores guards against accidents only, and is the one
// that Java's own store has. What makes a package trusted is the list that it
// was made from, which the manifest names, or the manifest's signature: a
// centre that `altamga init` made signs what it serves, with a key of its own
// whose certificate relying parties pin once.
//
//	anchor.go     which certificates: by state, type, status, key
//	pem.go, hashed.go, pkcs7.go, pkcs12.go, jks.go, sst.go   one format each
//	lote.go       what the lists say of them, as one list of trusted entities
//	inventory.go  what each certificate is, for people and programs
//	bundle.go     all of it in one zip, with a manifest
package truststore
