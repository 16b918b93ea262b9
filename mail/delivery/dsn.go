package delivery

// Notify says of which outcomes the sender wants to be told (NOTIFY, RFC 3461 §4.1).
// 0: it did not say, which means failures.
type Notify byte

const (
	NotifyNever Notify = 1 << iota
	NotifySuccess
	NotifyFailure
	NotifyDelay
)

// Has tells whether all of want are in n.
func (n Notify) Has(want Notify) bool { return n&want == want }

// EnvelopeDSN is what MAIL says about reports (RFC 3461 §4.3, §4.4).
type EnvelopeDSN struct {
	Return     string // FULL or HDRS; "" when it did not say
	EnvelopeID string // decoded; "" when there is none
}

// RouteDSN is what RCPT says about reports (RFC 3461 §4.1, §4.2).
type RouteDSN struct {
	Notify   Notify
	Original string // ORCPT with its address type, decoded: "rfc822;ann@example.org"
}

// Verdict is what the checks of a message found, for the filters that decide where it goes.
type Verdict struct {
	Quarantine string  // why the message belongs into Junk; "" when it does not
	Score      float64 // points that checks gave it, above 0 for junk
	SPF, DMARC string  // outcomes in the words of package authres; "" when not looked at
	Sender     string  // domain that is proven to have sent it (DMARC, or an aligned signature); "" when none is
	Reasons    []string
}
