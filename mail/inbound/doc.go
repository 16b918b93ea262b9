// Package inbound decides about mail from other servers: what is refused, put
// off, put into Junk, and what is written on top of it.
//
// # Nouns
//
// The Gate is asked while the dialog goes on (smtpd.Guard): networks that are
// let in or kept out, names that clients give themselves, DNS lists, rates,
// greylisting. The Inspector looks at the message (smtpd.Checker): who sent it
// (package verify), what lists, milters and rspamd say of it. It writes
// Authentication-Results and the message's delivery.Verdict.
//
// # Rules
//
// Everything beyond verification is off until it is configured. Who logged in is
// never looked at, but for rates; nor are networks in Allow: this machine and private
// ones, where it is not told otherwise. What cannot be found out, since DNS or
// a filter does not answer, lets mail in unless the setting says otherwise. A
// refusal says why, in words and in an enhanced status code. All tables are bounded.
// Greylisting remembers over restarts; rates do not.
//
// Start reading at Config, New, Gate.Admit and Inspector.Check.
package inbound
