package imapd

var unauthenticate = extension{
	name: "UNAUTHENTICATE", rfc: "RFC 8437", what: "Back to the state before the login",
	commands: []command{{"UNAUTHENTICATE", loggedIn, silent, noArgs((*session).unauthenticate)}},
}

// unauthenticate handles UNAUTHENTICATE (RFC 8437 §3): all that the login and ENABLE brought is forgotten.
func (c *session) unauthenticate() error {
	c.deselect()
	if err := c.Claim(""); err != nil {
		return err
	}
	c.AddLog("user", "")
	c.begun()
	return c.done("")
}
