// Package memkv is an engine in memory: for tests, and for reading what another
// engine must do. Nothing of it outlives the process.
//
// The keys are in a copy-on-write B-tree. A View reads the tree that was current
// when it began; an Update changes a copy, which becomes current when it
// succeeds. Updates run one after another, hence serializable.
package memkv
