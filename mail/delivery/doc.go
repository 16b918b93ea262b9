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
// Start reading at Deliverer.Route, Deliverer.Open and Message.Deliver.
package delivery
