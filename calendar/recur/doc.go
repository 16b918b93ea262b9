// Package recur computes the instances of recurring components: RRULE, RDATE,
// EXDATE and overrides (RFC 5545 §3.8.5, RFC 7529), in zones that come from
// VTIMEZONE, from IANA's data or by the names that Windows and Outlook use.
//
// # Nouns
//
// A Wall is the reading of a clock, an instant is a number of Unix seconds; a Zone turns one into the other. A
// Time is a value of a property: a date, a floating time, a UTC time or one in
// a zone. A Rule is a parsed RRULE. A Set is all that makes up a series; Set.Instances yields
// its instances in a range.
//
// # Rules
//
// The package is pure: no I/O but IANA's embedded data, no clock. Rules are
// computed on walls and become instants one by one, so that a meeting at nine
// stays at nine. A local time that a zone skips is read with the offset before
// the gap, one that comes twice is the first (RFC 5545 §3.3.5). An instance in a
// gap is thus shown later rather than left out, as clients do (§3.3.10 would
// leave it out); instants stay in order, each one once. Every call is bounded: it
// jumps to the range it is asked for where the rule allows, and gives up after
// Limits.Steps where it does not.
//
// Start reading at Set and Set.Instances, then Rule.
package recur
