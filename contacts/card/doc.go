// Package card reads vCards (RFC 6350 version 4.0, RFC 2426 version 3.0, and 2.1
// as far as phones still write it) without losing an octet.
//
// # Nouns
//
// A Card is one BEGIN:VCARD … END:VCARD with its Props in the order in which they were sent; a
// Prop has a group, a name, Params and a value, and says where its octets stand. An
// Error is a precondition of RFC 6352 that the input broke.
//
// # Rules
//
// What was sent is what is stored and what is served: this package reads, and
// when a client wants a part of a card it cuts octets out, it never
// writes a property anew. Every input ends in a Card or an Error, in linear time and bounded memory.
//
// Start reading at Parse.
package card
