// Package storetest holds the model of package storage and the suite that runs
// random operations against it, on any engine.
//
// The model is plain maps: what the store answers after each operation, by
// Table, Row, Changes, Facet, Index, Props and Usage, must be what the maps say.
// A failing history prints as a list of operations with its seed.
package storetest
