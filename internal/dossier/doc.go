// Package dossier keeps case files: documents that the caller may read back by
// their id or find by index strings, each with the events that led to its
// present version.
//
// A document means nothing to this package. It is sealed with AES-256-GCM
// before it reaches the database, its events likewise, and an index string is
// stored only as its HMAC-SHA-256, so that the file, its write-ahead log and
// its backups hold no personal data in clear (design rule G8). Ids and version
// numbers are the only words that are stored as they are.
//
// A change is one transaction: the new document, its index and the event that
// tells of it are all durable when Put returns, or none of them is. Put names
// the version that it replaces, and of two that name the same one only the
// first succeeds.
//
// The package refuses to open a database that was written with another data
// key or by a newer schema, and events are never altered or removed.
package dossier
