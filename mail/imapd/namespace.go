package imapd

var namespace = extension{
	name: "NAMESPACE", rfc: "RFC 2342", what: "Where whose mailboxes are",
	commands: []command{{"NAMESPACE", loggedIn, breaks, noArgs(func(c *session) error {
		c.WriteString("* NAMESPACE ((\"\" \"/\")) NIL ((\"Shared/\" \"/\"))\r\n")
		return c.done("")
	})}},
}
