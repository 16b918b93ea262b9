package imapd

import (
	"github.com/emersion/go-imap/v2"

	"atrium/mail/imapd/wire"
)

// compress is a layer of the connection; package conn has it. It is for those who
// are logged in: compressing for strangers would cost more than they are trusted with.
var compress = extension{
	name: "COMPRESS", rfc: "RFC 4978", what: "DEFLATE both ways",
	caps: func(c *session) []imap.Cap {
		if c.state&loggedIn == 0 || c.Compressed() {
			return nil
		}
		return []imap.Cap{"COMPRESS=DEFLATE"}
	},
	commands: []command{{"COMPRESS", loggedIn, breaks, (*session).compress}},
}

// compress handles COMPRESS (RFC 4978 §3): all after the OK is compressed.
func (c *session) compress(r *wire.Reader) error {
	r.SP()
	name := r.Keyword()
	if err := r.End(); err != nil {
		return err
	}
	switch {
	case name != "DEFLATE":
		return bad("Only DEFLATE is known")
	case c.Compressed():
		return no("COMPRESSIONACTIVE", "DEFLATE is active already")
	}
	if err := c.done(""); err != nil {
		return err
	}
	if err := c.Layer(c.Deflate); err != nil {
		return &wire.InputError{Err: err}
	}
	return nil
}
