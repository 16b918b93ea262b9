package smtpd

import (
	"strconv"
	"time"
)

// futureRelease is RFC 4865: a submission is kept until its time.
var futureRelease = extension{
	name: "FUTURERELEASE", rfc: "4865", dialects: []Dialect{Submission},
	param: func(s *session) (string, bool) {
		if !s.server.delivery.HasQueue() {
			return "", false
		}
		return strconv.Itoa(int(maxHold/time.Second)) + " " + time.Now().Add(maxHold).UTC().Format(time.RFC3339), true
	},
	mail: map[string]func(*session, *transaction, param) reply{"HOLDFOR": holdFor, "HOLDUNTIL": holdUntil},
}

// maxHold is how far ahead a message may be submitted.
const maxHold = 365 * 24 * time.Hour

// holdFor is HOLDFOR, in seconds (RFC 4865 §4).
func holdFor(s *session, tx *transaction, p param) reply {
	n, err := strconv.ParseUint(p.value, 10, 32)
	if err != nil || n == 0 || len(p.value) > 9 {
		return badArguments
	}
	return hold(s, tx, time.Now().Add(time.Duration(n)*time.Second))
}

// holdUntil is HOLDUNTIL, a date-time (RFC 4865 §4, RFC 3339).
func holdUntil(s *session, tx *transaction, p param) reply {
	at, err := time.Parse(time.RFC3339, p.value)
	if err != nil {
		return badArguments
	}
	return hold(s, tx, at)
}

func hold(s *session, tx *transaction, at time.Time) reply {
	switch {
	case !s.server.delivery.HasQueue():
		return reply{code: 555, status: "5.5.4", text: "Messages are not kept for later here"}
	case !tx.hold.IsZero():
		return badArguments // RFC 4865 §4: one of the two, once
	case time.Until(at) > maxHold:
		return reply{code: 501, status: "5.5.4", text: "That is later than messages are kept for"}
	}
	tx.hold = at
	return answered
}
