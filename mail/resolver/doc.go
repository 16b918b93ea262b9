// Package resolver asks the DNS what mail needs to know: MX, addresses, TXT,
// PTR, TLSA and CNAME records.
//
// # Nouns
//
// A Resolver answers questions; a Client is one that asks servers, a Zone one
// that has a fixed text, for tests. An Answer has the records, whether they are
// authentic (DNSSEC) and how long they hold.
//
// # Rules
//
// An answer without records is an error that tells why: NXDomain, NoData or
// Temporary; callers decide by errors.Is, never by the text. Names are absolute,
// with or without the dot at their end; no search list is used. Records come in
// the order of the answer; who needs another sorts. Authentic is true only when
// a server that is trusted for it says so (RFC 4035 §3.2.3): one on this machine,
// or any with the setting or with "options trust-ad" in resolv.conf. What is
// kept is bounded in number, and in time by the records' TTL (RFC 2308 for
// answers without records). Failures are not kept.
//
// Start reading at Resolver and Client.
package resolver
