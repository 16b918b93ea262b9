// Package rules keeps what accounts want to happen with their mail: their Sieve scripts
// (language: package sieve), and a view on them without a language.
//
// # Nouns
//
// Scripts keeps the scripts of all accounts: several each, by name, of which one at most
// is active. A Filter runs the active one when mail is delivered and carries out what it
// wants. Settings are rules as forms show them (an absence, moves, a forward); they write a script
// that is marked as theirs, which people may edit afterwards.
//
// # Rules
//
// Nothing is kept that does not compile. Who has no script costs a look into a map.
// A script that fails loses no mail: the message goes where it would without one, and the
// account is told, once a day for each failure. Nobody is answered automatically who may be a
// machine or a list (RFC 3834, RFC 5230 §4.6). What a script wants to be sent is queued
// before the message counts as delivered; answers follow after it.
//
// Start reading at Scripts.Put, Filter.Filter and Settings.Script.
package rules
