// Package zones tells of IANA's time zones what others than package recur want to know: their names
// and aliases, the VTIMEZONE of each (RFC 5545 §3.6.5), and when their offsets change.
//
// # Nouns
//
// A Zone is a name with its aliases. An Onset is a moment from which another offset holds.
//
// # Rules
//
// The data is what the program has embedded (time/tzdata); names.txt lists what is in it, with
// links, of the release that Version names. A VTIMEZONE says from 1970 to 2037 at every moment
// the same as the data, and goes on by its last rules.
//
// Start reading at All and VTimezone.
package zones
