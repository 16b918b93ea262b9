// Package localblob keeps bodies on the local disk: small ones in the journal,
// where one sync makes them durable together with the transaction that refers to
// them, large ones in files of their own.
//
// # Nouns
//
// A location says where a body is: in a segment of the journal or in a file. The
// index, a key space of the engine that its users do not see, maps hashes to
// locations. A body is pending after Commit until the group that takes its index
// entry along is applied; it is pinned until its Spool is released; a hash is
// busy while its body is being filed or removed, which others wait for.
//
// # Rules
//
// A body is written once for all who commit the same bytes; known says of most new
// ones that they are new. Its index entry is
// attached to the engine after its bytes are in the journal, so that a crash
// leaves at worst bytes that no entry names. Sweep takes a body away only when it
// is not live, pinned, pending or young: filed, or asked for by a Commit, within
// Config.Grace. Segments with more garbage than bodies are rewritten: the bodies
// are copied to the journal's head, the index follows, and the journal removes the
// segment after its next checkpoint. Who has a Body open reads on undisturbed.
//
// Start reading at Store, then spool.go and sweep.go.
package localblob
