package queue

import (
	"strings"
	"time"

	"atrium/storage"
	"atrium/storage/blob"
)

// Message is a message that is to go out.
type Message struct {
	ID      string            // told in logs and by `atrium queue`; "": Enqueue makes one
	Account storage.AccountID // whose message it is, for limits; 0: the server's own
	From    string            // reverse-path, local@domain; "": the null one, for reports and replies by machines
	To      []Recipient       // at least one, at most MaxRecipients

	// Body is the content, filed before: CRLF at the ends of its lines. The first
	// Skip bytes of it are not sent (a Return-Path).
	Body blob.Ref
	Skip int64

	EightBit   bool // BODY=8BITMIME was said (RFC 6152); content is looked at anyway
	Binary     bool // BODY=BINARYMIME (RFC 3030)
	UTF8       bool // SMTPUTF8 was said (RFC 6531): header or addresses may be in UTF-8
	RequireTLS bool // REQUIRETLS was said (RFC 8689)
	Written    bool `json:"-"`          // by this server: Submit signs it in the name of the domain in From
	Ours       bool `json:",omitempty"` // by this server or submitted to it: what is rewritten is signed again. Not for what is passed on

	Return     Return    // what a report of failure has of the message
	EnvelopeID string    // ENVID, decoded (RFC 3461 §4.4); "": none
	Hold       time.Time // not to be sent before (RFC 4865); the zero Time: at once
	Deadline   time.Time // to give up at (RFC 2852 BY=R); the zero Time: by Config.GiveUp
}

// MaxRecipients bounds the recipients of one Message.
const MaxRecipients = 5000

// Recipient is one of a message's recipients.
type Recipient struct {
	Address  string // forward-path, local@domain
	Notify   Notify // of what the sender wants to hear; 0: failures and delays
	Original string // ORCPT, decoded: "rfc822;address" (RFC 3461 §4.2); "": none

	// Failed is an outcome that is known before: the entry does nothing for this
	// recipient but report it.
	Failed *Outcome
	// Done tells, with Failed nil, that the message is in the recipient's mailbox already (Local), or went
	// on (Relayed, Expanded): the sender is told when Notify says Success.
	Done State
}

// Notify is NOTIFY of RFC 3461 §4.1.
type Notify byte

const (
	Success Notify = 1 << iota
	Failure
	Delay
	Never // alone
)

// wants tells whether something is to be reported.
func (n Notify) wants(what Notify) bool {
	if n == 0 {
		n = Failure | Delay
	}
	return n&Never == 0 && n&what != 0
}

// Return is RET of RFC 3461 §4.3.
type Return byte

const (
	ReturnAny     Return = iota // the header, when the message is large
	ReturnFull                  // FULL
	ReturnHeaders               // HDRS
)

// Outcome is how an attempt ended for a recipient.
type Outcome struct {
	Code   int    `json:",omitempty"` // of the reply, 0: there was none
	Status string // enhanced status code, RFC 3463
	Text   string // of the reply, or in our words
	Host   string `json:",omitempty"` // that said it, "": this one
	Words  bool   `json:",omitempty"` // Text is ours, not a server's
	Tells  bool   `json:",omitempty"` // the server that has it reports by itself (RFC 3461)

	done State // of 2xx: what it says beyond Sent and Relayed
}

// temporary tells whether a later attempt may end otherwise.
func (o *Outcome) temporary() bool { return o.Code/100 == 4 || strings.HasPrefix(o.Status, "4") }

func (o *Outcome) String() string {
	s := o.Text
	if o.Code != 0 {
		s = strings.TrimSpace(itoa(o.Code) + " " + o.Status + " " + s)
	} else if o.Status != "" {
		s = o.Status + " " + s
	}
	if o.Host != "" {
		s = o.Host + ": " + s
	}
	return s
}

// State is where a recipient of an entry stands.
type State byte

const (
	Pending  State = iota
	Sent           // another server has it
	Relayed        // as Sent, by one that does not report: the sender was told so, where it wished
	Bounced        // it failed for good
	Expired        // it failed for too long
	Local          // it is in a mailbox, of this server or of one that speaks LMTP
	Expanded       // it went to the several addresses that the recipient's stands for
)

var stateNames = [...]string{"pending", "sent", "relayed", "failed", "expired", "delivered", "expanded"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "?"
}

// domainOf is the domain of an address, in lower case.
func domainOf(address string) string {
	return strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
}
