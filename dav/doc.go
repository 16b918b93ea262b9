// Package dav is the HTTP face of the store: WebDAV (RFC 4918) with what
// calendars and address books need of its extensions.
//
// # Nouns
//
// A Module is a value that contributes to the face: features for the DAV
// header, methods, reports, properties, privileges and trees. A Tree is a part of the URL
// space, /calendars/ say: a home for each account, collections in it, members
// in these. A Kind is a class of resources; Kinds is a set of them. A Resource
// is what a path leads to, resolved once a request: kind, account, collection,
// member, rights. A mount is what another shares, seen in one's own home (mounts.go): a path of the actor's that leads to a
// Resource of the owner's. An Error is a precondition that did not hold: status, element
// and href (RFC 4918 §16).
//
// # Rules
//
// The registries are the only truth about what the face can do: OPTIONS,
// supported-report-set, propname and allprop are computed from them, and two claims
// on one name panic at start. The package knows no calendar and no contact:
// packages caldav, carddav and files bring them. A grant lives once, in the store: ACLs, Apple's
// sharing and delegation write and show the same one. Rights are checked in the
// transaction that uses them; what someone may not know of is 404, whether it exists or not. A write is
// one storage.Update with its preconditions inside. An answer of any length is streamed. A
// property is computed only when asked for. Unknown properties are dead ones, kept as they were
// sent.
//
// Start reading at Module, Server.ServeHTTP and Tree.
package dav
