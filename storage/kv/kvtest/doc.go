// Package kvtest is the conformance suite that every kv.Engine passes, and a
// model to compare engines with.
//
// Run has what holds for all engines, RunPersistent what holds for those that
// outlive their process. Start reading there.
package kvtest
