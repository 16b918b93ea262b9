// Package embedded opens the store that needs nothing but a folder: the Badger
// engine, its journal and the local blob store, wired together.
//
// The folder holds LOCK (who has it open), CHECKPOINT (from where the journal is
// replayed), journal/ (bodies and batches: what is synced), badger/ (the keys),
// heap/ (values that are written once, which the keys refer to), large/ (large bodies) and spool/ (bodies that are arriving; emptied at start).
// A copy of the folder is consistent only while nobody has it open; storage.Store.Backup
// makes one at any time.
//
// Start reading at Open.
package embedded
