// Package journal is the one thing that Atrium syncs: a segmented, append-only
// log of bodies and of batches of changes to the key-value engine.
//
// # Nouns
//
// A Log is a folder of segments, files of some 64 MiB that are numbered from 1.
// A record is either a body (its bytes and its hash) or a batch (what a group
// of transactions wrote, as the engine encoded it). A Position is a place in
// the log. Written is where the next record goes; all before Synced has reached
// the disk.
//
// # Rules
//
// Bodies wait in memory, up to half a MiB of them, and are written with the batch that
// comes next, in one call of the system: a body costs half of what it would alone. A reader
// that wants one earlier has it written. What could not be written goes on waiting.
//
// A record is acknowledged to nobody before Sync said that it is durable. Every
// record has a header with checksums of itself and of what follows, says at
// which position it is and how far the log was synced when it was written.
// Opening reads from a checkpoint on and cuts the log at the first record that
// does not check: what a power cut tore. When a later record proves that the
// place had been synced, it is no torn tail but damage, and Open refuses.
//
// After a failed fsync nobody knows what the disk has: the Log is Broken until
// it is opened again. A failed write is undone and leaves the Log as it was.
//
// A segment is removed by Trim when it lies before the checkpoint and holds no
// body any more. Who needs which body is not known here: the owner of the
// bodies calls Hold and Unhold.
//
// Start reading at Log, then record.go for the format.
package journal
