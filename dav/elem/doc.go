// Package elem is the XML of the DAV RFCs: a reader for requests and a writer
// for answers.
//
// # Nouns
//
// A Reader walks a request's body with limits on bytes, depth, elements and
// attributes; it takes no DOCTYPE and so no entities but the five of XML. A
// Raw is one element exactly as a client sent it, made to stand by itself:
// that is how dead properties are kept (RFC 4918 §4.3). A Writer appends
// elements to a buffer; a Multistatus is a Writer that streams an answer of
// any length to a client without ever holding the whole of it (RFC 4918 §13).
//
// Names are written "D:getetag" in the code: the prefixes of Prefixes are
// declared on the root of every answer and mean the same everywhere.
//
// # Rules
//
// What was not understood is skipped (RFC 4918 §17); what is not well-formed
// or uses a prefix that is not bound is an error. Text is written so that an XML
// parser gives back the same octets: CR as a character reference. The 200 propstat
// comes first in each response and its status line is literally
// "HTTP/1.1 200 OK": clients look at the first one only.
//
// Start reading at Reader and Multistatus.
package elem
