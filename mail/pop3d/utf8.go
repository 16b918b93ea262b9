package pop3d

// utf8Mode has UTF8 (RFC 6856 §2). Names and passwords are UTF-8 in any mode, as are answers in
// languages that need it; messages go out octet for octet as they came, in UTF-8 where they are.
var utf8Mode = extension{
	name: "UTF8", rfc: "6856", caps: always("UTF8 USER"),
	commands: []command{{name: "UTF8", states: authorization, run: (*session).doUTF8}},
}

// doUTF8 begins the mode, which lasts until the session ends.
func (s *session) doUTF8([]string) error {
	s.utf8 = true
	s.text("+OK UTF-8 from now on")
	return nil
}
