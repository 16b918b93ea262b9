package imapd

import "github.com/emersion/go-imap/v2"

// utf8Accept is RFC 9755, which took the place of RFC 6855: after ENABLE names and strings are UTF-8 both ways, as with IMAP4rev2,
// and an "&" in a name is an "&". APPEND takes UTF8 (~{n}…) (append.go). A message whose header
// is UTF-8 is shown to all clients as it is, since its octets are what was signed and
// delivered: strings that are not ASCII go to those without ENABLE as literals. For the same reason their APPEND
// is taken though its header has 8-bit octets, which RFC 6855 §4 would have refused: old mail with raw headers in
// whatever charset is moved and imported by clients that know nothing of it, and must not be lost.
var utf8Accept = extension{
	name: "UTF8=ACCEPT", rfc: "RFC 9755", what: "UTF-8 in names, strings and headers",
	enable: map[imap.Cap]func(*session){imap.CapUTF8Accept: func(c *session) {
		c.enabled |= utf8On
		c.reader.UTF8 = true
	}},
}
