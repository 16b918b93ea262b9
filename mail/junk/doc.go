// Package junk tells junk from mail by the words of one account's messages.
//
// # Nouns
//
// A Token is a hash of something in a message: a word of the text, a word of a
// header field with the field's name, a host of a link. A Model has, for an account,
// in how many junk and other messages each token was; Score combines what it
// knows of a message's tokens into a probability, by the chi-square test that Fisher
// wrote and Robinson applied to mail.
//
// # Rules
//
// A Model never changes: training makes a new one, and the records that changed
// are written by Save. It is bounded: a bucket that is full gives up
// the token that was seen least; when many messages were learnt all counts are halved, so
// that what is long ago fades. A token's bucket and place come from a hash
// alone, so a table tells nothing of what was written. A Model that saw few
// messages of either sort is not Ready and must not decide. Tokens of a message
// depend on its bytes alone, so what was learnt can be unlearnt.
//
// Start reading at Tokens (tokens.go) and Model.Score (model.go).
package junk
