package storage

import (
	"encoding/binary"

	"atrium/storage/kv"
)

// The layout of the key space. All integers are big-endian, so that keys sort
// by number; everything of one account lies together.
//
//	01 account A                     head: counters, usage, limits
//	01 account C coll                collection: head and its list of superpages
//	01 account D coll                a dropped collection whose contents are still to be cleared
//	01 account F facet object        facet of an object
//	01 account G coll grantee        grant
//	01 account K coll key            index entry of the domain
//	01 account L coll modseq         change log
//	01 account N schema name         name -> coll
//	01 account O object              object: number of rows, facets, body
//	01 account P coll num user name  property
//	01 account R coll first          page of rows, from Num first
//	01 account S coll first          superpage: list of pages
//	01 account X key                 record
//	01 account Z modseq              rows removed, whose objects are still to be released
//
// What is not one account's own: each grant again, by grantee, written in the
// same transaction.
//
//	03 grantee account coll          share
const (
	space      = 0x01
	shareSpace = 0x03

	shareVersion = 1
)

const (
	tagHead       = 'A'
	tagCollection = 'C'
	tagDropped    = 'D'
	tagFacet      = 'F'
	tagGrant      = 'G'
	tagIndex      = 'K'
	tagLog        = 'L'
	tagName       = 'N'
	tagObject     = 'O'
	tagProp       = 'P'
	tagPage       = 'R'
	tagSuper      = 'S'
	tagRecord     = 'X'
	tagGarbage    = 'Z'
)

const prefixLen = 9 // space and account

// maxKey bounds what a domain may put into a key (index keys, names, property
// and record names), so that no key passes the engine's 1 KiB.
const maxKey = 960

// key begins a key of account a with room for n more bytes.
func key(a AccountID, tag byte, n int) []byte {
	k := make([]byte, 0, prefixLen+1+n)
	k = append(k, space)
	k = binary.BigEndian.AppendUint64(k, uint64(a))
	return append(k, tag)
}

func accountPrefix(a AccountID) []byte { return key(a, 0, 0)[:prefixLen] }

func collKey(a AccountID, tag byte, c CollectionID, n int) []byte {
	return binary.BigEndian.AppendUint32(key(a, tag, 4+n), uint32(c))
}

func pageKey(a AccountID, tag byte, c CollectionID, first Num) []byte {
	return binary.BigEndian.AppendUint32(collKey(a, tag, c, 4), uint32(first))
}

func logKey(a AccountID, c CollectionID, modseq uint64) []byte {
	return binary.BigEndian.AppendUint64(collKey(a, tagLog, c, 8), modseq)
}

func nameKey(a AccountID, schema byte, name string) []byte {
	return append(append(key(a, tagName, 1+len(name)), schema), name...)
}

func objectKey(a AccountID, o ObjectID) []byte {
	return binary.BigEndian.AppendUint64(key(a, tagObject, 8), uint64(o))
}

func facetKey(a AccountID, facet byte, o ObjectID) []byte {
	return binary.BigEndian.AppendUint64(append(key(a, tagFacet, 9), facet), uint64(o))
}

func indexKey(a AccountID, c CollectionID, k []byte) []byte {
	return append(collKey(a, tagIndex, c, len(k)), k...)
}

func grantKey(a AccountID, c CollectionID, to AccountID) []byte {
	return binary.BigEndian.AppendUint64(collKey(a, tagGrant, c, 8), uint64(to))
}

func shareKey(to, a AccountID, c CollectionID) []byte {
	k := append(make([]byte, 0, 21), shareSpace)
	k = binary.BigEndian.AppendUint64(k, uint64(to))
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(k, uint64(a)), uint32(c))
}

// propKey is the key of p, without its name when that is empty.
func propKey(a AccountID, p PropKey) []byte {
	k := collKey(a, tagProp, p.Collection, 12+len(p.Name))
	k = binary.BigEndian.AppendUint32(k, uint32(p.Num))
	k = binary.BigEndian.AppendUint64(k, uint64(p.User))
	return append(k, p.Name...)
}

func recordKey(a AccountID, name string) []byte {
	return append(key(a, tagRecord, len(name)), name...)
}

func garbageKey(a AccountID, modseq uint64) []byte {
	return binary.BigEndian.AppendUint64(key(a, tagGarbage, 8), modseq)
}

// Lasting tells whether a key's value is written once and stays as it is until it is deleted, as facets
// do mostly: an engine may keep it where it need not move it.
func Lasting(key []byte) bool {
	return len(key) > prefixLen && key[0] == space && key[prefixLen] == tagFacet
}

// within shifts a range of a domain's keys below prefix.
func within(prefix []byte, r kv.Range) kv.Range {
	out := r
	out.From = append(append([]byte(nil), prefix...), r.From...)
	if r.To != nil {
		out.To = append(append([]byte(nil), prefix...), r.To...)
	} else {
		out.To = kv.After(prefix)
	}
	return out
}
