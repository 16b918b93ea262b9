// Package files is a plain WebDAV folder for each account, /files/account/: what
// RFC 4918 says and no more.
//
// # Nouns
//
// A folder is a collection of Schema, named by its path from the account's
// outermost folder, which is called "/". A file is a row with a name, a media type, a size
// and a time, showing an object whose body is a blob, or a facet while it is small.
//
// # Rules
//
// The octets that came are the octets that go out; the ETag is a hash of them. A file is
// streamed in and out, never held whole. Folders in folders are collections of their
// own: moving a folder renames those below it in the same transaction.
//
// Start reading at Module.
package files
