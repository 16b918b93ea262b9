// Package sieve is the language of mail filters (RFC 5228) and its extensions: a
// script in, what is to become of a message out. It knows no store and sends
// nothing.
//
// # Nouns
//
// A Script is a text that was compiled. An Env is what a run may ask: the message,
// the envelope, and a Host for what lies outside of both (mailboxes, other scripts,
// what was seen before). A Result lists Actions in their order. A Problem is a mistake
// or a warning with its position. An extension is a value that brings commands, tests,
// tags and words; the list of extensions is the table of contents.
//
// # Rules
//
// Compile tells every mistake with line and column and never runs anything.
// A run is bounded (Limits) in steps, memory, actions and nesting, whatever the script
// and the message are. A run that fails has but one action, the implicit keep
// (RFC 5228 §2.10.6). A Script may be run by many goroutines at once. The
// message itself is not changed: what editheader did comes back as
// another header with the actions that saw it.
//
// Start reading at Compile (compile.go), Script.Run (run.go) and extensions.go.
package sieve
