package pop3d

import "strings"

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

// lang has LANG (RFC 6856 §3). The answers are English, which i-default stands
// for too.
var lang = extension{name: "LANG", rfc: "6856", caps: always("LANG"), commands: []command{
	{name: "LANG", states: authorization | transaction, max: 1, run: (*session).doLang},
}}

func (s *session) doLang(args []string) error {
	if len(args) == 0 {
		s.lines("+OK Languages follow", "en English", "i-default Default language")
		return nil
	}
	switch tag := strings.ToLower(args[0]); {
	case tag == "*", tag == "en", strings.HasPrefix(tag, "en-"):
		s.text("+OK en The language is English")
	case tag == "i-default":
		s.text("+OK i-default The language is English")
	default:
		s.text("-ERR en No such language")
	}
	return nil
}
