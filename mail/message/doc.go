// Package message reads Internet messages as they really are: RFC 5322 and MIME
// (RFC 2045 to 2049), with the dirt of forty years.
//
// # Nouns
//
// Parse walks a message once and gives a Message: a tree of Parts with byte
// offsets, the envelope, and on the way a record, the Index, and a
// Signature. Both are written once, at delivery, and kept beside the body: the
// Index answers every IMAP FETCH, SORT and THREAD without parsing again, the Signature
// tells which messages a text search need not open. A Section names what
// BODY[...] asks for; Index.Content finds its bytes. A Matcher looks for a
// string in the decoded text that Index.Text streams.
//
// # Rules
//
// Bad mail is no error: Parse fails only when reading fails, and every input
// gives a lawful Index. Memory is bounded whatever the size of the message:
// bodies are never held, counts and lengths have limits (MaxParts,
// MaxDepth, MaxStructure). Time is linear. All byte ranges lie inside the message, and
// what they name is what was stored, octet for octet. Accessors of an Index do
// not allocate, and what they return lies in the record that it was opened on.
// A Signature never misses a text that is there.
//
// Start reading at Parse (parse.go), then index.go, section.go and text.go.
package message
