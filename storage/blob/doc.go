// Package blob keeps bodies (messages, attachments, large cards) by the hash of
// their content, outside the key-value engine.
//
// Nouns: a Ref names a body; a Spool takes a body that arrives; a Body is one
// open for reading; a Store keeps them.
//
// Rules: a body never changes. Who refers to a body is known to package storage
// alone, which marks what is live for Sweep. A body that was committed before a
// kv Update is durable when that Update returns.
package blob
