package pop3d

// capa has CAPA (RFC 2449 §5).
var capa = extension{name: "CAPA", rfc: "2449", commands: []command{
	{name: "CAPA", states: authorization | transaction, run: (*session).doCapa},
}}

func (s *session) doCapa([]string) error {
	var all []string
	for _, x := range s.exts {
		if x.caps != nil {
			all = append(all, x.caps(s)...)
		}
	}
	s.lines("+OK Capabilities follow", all...)
	return nil
}
