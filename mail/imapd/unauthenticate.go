package imapd

var unauthenticate = extension{
	name: "UNAUTHENTICATE", rfc: "RFC 8437", what: "Back to the state before the login",
	commands: []command{{"UNAUTHENTICATE", loggedIn, silent, noArgs((*session).unauthenticate)}},
}

// unauthenticate handles UNAUTHENTICATE (RFC 8437 §3): all that the login and ENABLE brought is forgotten.
// Compression would end in the middle of what the client sent (§4.1), so that a compressed session ends instead (§3).
func (c *session) unauthenticate() error {
	if c.Compressed() {
		c.over = true
		c.untagged("BYE UNAUTHENTICATE of a compressed connection, connect again")
		return nil
	}
	c.deselect()
	if err := c.Claim(""); err != nil {
		return err
	}
	c.AddLog("user", "")
	c.begun()
	return c.done("")
}
