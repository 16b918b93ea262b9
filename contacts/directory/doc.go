// Package directory keeps an address book for each domain with a card for
// each of its people, groups and rooms, which all of the domain read: the company directory.
//
// # Nouns
//
// A Book writes the cards. They are in the domain's Service account (package account), so that
// every home shows them as something that is shared, once for all.
//
// # Rules
//
// A card is made of the account alone: it changes when the account does, and keeps its
// name and UID as long as that lives. Disabled accounts have none. What
// is switched off is taken away.
//
// Start reading at Book.Run.
package directory
