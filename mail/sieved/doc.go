// Package sieved serves ManageSieve (RFC 5804): clients keep their mail filters on the server by it.
//
// # Nouns
//
// A Server holds a session on each connection; a session is in a state: before the
// login, or after it. An extension is a value that brings capabilities and commands; the
// list of extensions is the table of contents.
//
// # Rules
//
// No script is kept that does not compile; what is wrong with it is told with line
// and column. Literals are read whole whatever becomes of the command, so that the
// dialog stays in step. Names and passwords are taken as package auth allows on the connection.
// After STARTTLS nothing that was said before counts.
//
// Start reading at session.serve and extensions.
package sieved
