// Package journal gives the words in which a certificate's life is told: the
// entry, the kinds of entry, and the fold of a certificate's entries into its
// status.
//
// The journal is the one truth of the suite: an append-only list, numbered
// without gaps, of everything that ever happened to a certificate. The
// certification authority writes it; OCSP responders, CRL publishers, the
// registration authority and auditors follow it from a position that they
// remember. This package holds no journal; internal/register does.
//
// A suspension is a hold with an owner. A certificate is valid again only when
// its last hold is gone, and only its owner lifts a hold. Revocation is final.
package journal
