// Package sift puts junk apart: it judges messages on their way into an account and
// learns from what the account's user does with them.
//
// # Nouns
//
// A Sifter judges (delivery.Judge): by what the checks of the message found
// (delivery.Verdict), by whom the user writes to, by the account's junk.Model.
// The Learner, its other half, reads the change log of accounts whose
// user may have told something: a message that is moved or copied into the
// mailbox with the use \Junk, or gets the keyword $Junk, is junk; one that leaves
// it again, or gets $NotJunk, is not, and what was learnt before is undone.
// Messages that were answered, flagged, or filed away are no junk either. A mark
// (mail.JunkFacet) beside each message says what was learnt of it.
//
// # Rules
//
// Delivery into Junk teaches nothing: only a user does. A model with too few
// messages of either sort has no say. Who was written to is believed only where the
// sender is proven, or nobody looked. Learning is done after the fact, from the
// log, so no command waits for it and nothing is lost by a crash. An account's header
// field is in its own copy of the body, never in one that others share; see
// delivery.Judge.
//
// Start reading at Sifter.Judge and Sifter.Learn.
package sift
