// Package kv is the narrow interface between Atrium's store and the engine
// below it: an ordered, transactional key-value store with snapshot reads.
//
// Nouns: an Engine holds keys and values; a Reader is one snapshot; a Txn is a
// Reader that also writes; a Range is a part of the key space.
//
// Rules: Update is serializable and durable when it returns. fn of Update may
// run more than once. Nothing above this package knows which engine it runs on;
// kvtest is the suite that every engine passes.
package kv
