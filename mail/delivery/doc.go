// Package delivery brings messages to mailboxes: recipients, filters, mailbox.
// Every dialect of smtpd uses it, and whatever else makes messages for accounts.
//
// # Nouns
//
// A Route is where one recipient's address leads: accounts, each with the
// folder that a subaddress asks for. An Envelope is what the transaction says
// beside the content. A Message is content on its way into a spool, behind
// the trace lines. A Filter looks at a message for one account and changes its
// Plan, which says into what mailboxes it goes. A Result is the outcome for
// one Route.
//
// # Rules
//
// Nothing is reported as delivered before it is durable. The message is parsed
// and filed once, whatever the number of recipients: they share one body, so
// nothing in it depends on the recipient (the for clause of Received is there
// when there is but one). Each account takes one transaction, all accounts at
// once, so that they share a commit of the engine; what fails for one harms no
// other. Accounts that several recipients lead to get one copy in each
// folder. A filter that fails loses no mail: the message goes where the plan so far says.
//
// # What goes on from here
//
// An alias, a group or a filter may lead elsewhere. The reverse-path stays the sender's where it is of a domain of
// ours; a stranger's becomes one of ours that leads back to it (SRS, srs.go): SPF at the next server then speaks of the
// server that really sends, and a report finds its way. The null one stays. The content is not changed but for fields on
// top, so that the author's DKIM signature holds, and with it DMARC; a seal (ARC, RFC 8617) vouches for what was found
// out here where it does not. What an account of ours sends is signed by its domain and needs no seal.
//
// What the sender wants to hear (RFC 3461 §5.2.7) goes along with a message that goes to one other address, with the address
// that the sender named as ORCPT: who has it in the end tells. Where an address stands for several the sender who asked hears
// that it was expanded, and of each of them failures alone. A filter's redirect is no different (RFC 6009); what a filter drops is
// delivered, as far as others are to know.
//
// Of an address that leads here and elsewhere, what fails here is the queue's: told to send it again, the sender would
// have the others get it twice.
//
// Start reading at Deliverer.Route, Deliverer.Open and Message.Deliver.
package delivery
