// Package xmlsec reads, canonicalises, signs and verifies XML documents whose
// signature decides whom a country trusts: a strict reader with a small tree,
// Canonical XML, and the one form of XML signature that trust lists carry
// (XAdES-BASELINE-B, enveloped, one signature over the whole document).
//
// It is not a general XML library. It refuses document types, entities beside
// the five predefined ones, processing instructions, encodings other than
// UTF-8, undeclared prefixes, and whatever exceeds [Limits]. Of signatures it
// refuses all that has been used to make a verifier look at one thing and its
// caller at another: a second signature, one that is not the root's child,
// references to anything but the whole document and the signed properties,
// transforms beside enveloped-signature and canonicalisation, repeated Ids,
// objects beside the properties, unsigned properties, SHA-1, HMAC, and keys
// that were not pinned before the document was looked at.
//
// What is verified is what is used: [Verify] parses the canonical octets that
// were digested and returns that tree; callers never see the document as it
// came.
//
// The life of a signed document:
//
//	parse.go     octets to a tree, once; text.go, name.go: its words
//	verify.go    one signature, at its place; reference.go: over the whole document
//	c14n.go      SignedInfo, the signed properties and the content, as octets
//	xades.go     the signed properties name the signer, one of the pinned ones
//	algorithm.go the signer's key verifies SignedInfo; the digests agree
//	verify.go    the digested octets are parsed: this is what the caller gets
//	sign.go      the same backwards; what is signed is verified before it is returned
package xmlsec
