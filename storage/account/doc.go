// Package account is the directory: people, addresses, groups, resources,
// domains, aliases and credentials.
//
// # Nouns
//
// An Account has an ID, which is never used again, and a name, the address that it
// logs in with. A domain is local when the directory has it; it may have a
// catch-all. An alias is a further address that leads to accounts or to other
// addresses. A group is an account whose members, who are people, act on what is its own.
// A Recipient is what an address leads to in the end. Credentials are
// kept apart from accounts and never leave the package.
//
// # Rules
//
// All keys begin with byte 0x02; the accounts' own data are elsewhere (package
// storage). Records carry a version. Names and addresses are kept as typed and
// compared by their canonical form: domain in lower-case A-labels (IDNA), local
// part in NFC and case-folded. Every read but that of credentials is answered from
// tables in memory that each write changes after its commit. Passwords are hashed
// with argon2id, and kept as SCRAM keys too where that is on, by which logins are then
// checked; a bounded number at once; an unknown name costs what a known one does; failures slow down the address they come from, and the account's owner
// elsewhere but little.
//
// Start reading at Directory.Authenticate and Directory.Resolve.
package account
