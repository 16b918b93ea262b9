// Package dkim signs what goes out (RFC 6376, RFC 8463) and keeps the keys for it.
//
// # Nouns
//
// A Key is a private key of a domain under a selector. It waits until its record
// is in the DNS, is active while it signs, and retired when others took its place.
// Keys are the keys of all domains, in the account storage.System. A Signer adds
// signatures to messages.
//
// # Rules
//
// Each domain signs by RSA, which every verifier knows, and by Ed25519. A domain's
// first keys are active at once: a signature that no one can verify yet does no
// harm (RFC 6376 §6.1). The keys of a rotation sign only when they are told to,
// since mail under way would be refused otherwise. Retired keys stay in the list of
// records: mail that they signed is still under way. Private keys never leave the package.
//
// Start reading at Keys.Ensure and Keys.Sign.
package dkim
