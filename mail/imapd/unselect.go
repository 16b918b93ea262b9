package imapd

var unselect = extension{
	name: "UNSELECT", rfc: "RFC 3691", what: "CLOSE without EXPUNGE",
	commands: []command{{"UNSELECT", selected, silent, noArgs(func(c *session) error {
		c.deselect()
		return c.done("")
	})}},
}
