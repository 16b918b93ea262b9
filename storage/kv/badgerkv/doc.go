// Package badgerkv is the embedded engine: Badger behind a journal. It is the
// only importer of Badger.
//
// # Nouns
//
// A request is a call of Update that waits. A group is what the requests that
// wait together wrote: an overlay of keys over what was there before. The
// journal (package journal) is what is synced; Badger holds the same changes,
// unsynced, ordered for reading. A checkpoint is a position of the journal
// before which all is durable in Badger too. A space is one of two key spaces:
// what the users of kv.Engine see, and the Side, where the blob store keeps its
// index.
//
// # A write's way
//
// Update puts its request in the queue. The executor, one goroutine, takes all
// that wait and runs one after another over the overlays of the groups under
// way and a snapshot of Badger: that is what makes them serializable. What one
// wrote joins the group when it succeeds. The committer, another goroutine,
// takes the group when it is done with the one before: it writes one record to
// the journal, syncs it, puts the group's overlay as a layer over those that Views
// read, and lets the requests go. While it does, the executor fills the next
// group. A lone writer waits for nothing but its own sync. A third goroutine merges
// layers, so that there are few, and from time to time writes all of them to
// Badger as one: of what is written over and over, only the last value.
//
// # Values that stay
//
// Badger writes a value anew each time it merges the tables it is in, four to ten times in its life. Values that
// are written once and stay (Config.Lasting) are kept apart, in the heap: files that are written at their end when a
// group goes to Badger, which then has their place, length and checksum only. The heap is synced for a
// checkpoint, before Badger; what came after is written again from the journal. The collector moves what is left of files
// that are mostly deleted values, by ordinary writes, and removes them when nobody reads what was before.
//
// # Rules
//
// Nothing is written to Badger that is not durable in the journal: after a crash
// Badger holds a part of what the journal has, and the journal is replayed from
// the checkpoint on, which is idempotent. Versions are Badger's managed
// timestamps; a View reads at the last one that is whole, and the layers over it. A
// group that cannot be written takes those that were executed over it down with it.
//
// Start reading at Engine, then execute.go, commit.go and apply.go; heap.go and collect.go.
package badgerkv
