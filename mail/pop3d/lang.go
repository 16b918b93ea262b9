package pop3d

import "strings"

// lang has LANG (RFC 6856 §3): answers in the client's language.
var lang = extension{name: "LANG", rfc: "6856", caps: always("LANG"), commands: []command{
	{name: "LANG", states: authorization | transaction, max: 1, run: (*session).doLang},
}}

// language is one in which the server answers.
type language struct {
	tag   string // RFC 5646
	name  string // in itself
	words map[string]string
}

// languages are all that there are. i-default is English too (RFC 2277 §4.5).
var languages = []language{
	{"en", "English", nil},
	{"de", "Deutsch", german},
	{"i-default", "Default language", nil},
}

// say returns what stands for a part of an answer in the language.
func (l *language) say(part string) string {
	if l.words == nil {
		return part
	}
	if word, ok := l.words[part]; ok {
		return word
	}
	return part
}

// findLanguage finds the language of a tag by leaving out what stands behind (RFC 4647 §3.4).
func findLanguage(tag string) *language {
	for tag = strings.ToLower(tag); tag != ""; {
		for i := range languages {
			if languages[i].tag == tag {
				return &languages[i]
			}
		}
		i := strings.LastIndexByte(tag, '-')
		tag = tag[:max(i, 0)]
	}
	return nil
}

func (s *session) doLang(args []string) error {
	if len(args) == 0 {
		list := make([]string, len(languages))
		for i, l := range languages {
			list[i] = l.tag + " " + l.name
		}
		s.lines("+OK Languages follow", list...)
		return nil
	}
	l := &languages[0]
	if args[0] != "*" {
		l = findLanguage(args[0])
	}
	if l == nil {
		s.text("-ERR ", s.lang.tag, " No such language")
		return nil
	}
	s.lang = l
	s.text("+OK ", l.tag, " The language is English")
	return nil
}

var german = map[string]string{
	" POP3 server ready": " POP3-Server bereit",
	" messages (":        " Nachrichten (",
	" octets)":           " Oktette)",
	" octets":            " Oktette",
	" messages":          " Nachrichten",
	" seconds":           " Sekunden",

	"+OK Message will be deleted": "+OK Die Nachricht wird gelöscht",
	"+OK Bye":                     "+OK Auf Wiedersehen",
	"+OK Capabilities follow":     "+OK Es folgen die Fähigkeiten",
	"+OK Languages follow":        "+OK Es folgen die Sprachen",
	"+OK Mechanisms follow":       "+OK Es folgen die Verfahren",
	"+OK Unique ids follow":       "+OK Es folgen die Kennungen",
	"+OK Top follows":             "+OK Es folgt der Anfang",
	"+OK Now the password":        "+OK Nun das Passwort",
	"+OK Begin TLS":               "+OK TLS beginnt",
	"+OK UTF-8 from now on":       "+OK Ab jetzt UTF-8",
	" The language is English":    " Die Sprache ist Deutsch",
	" No such language":           " Diese Sprache gibt es nicht",

	"-ERR [SYS/TEMP] Some deleted messages were not removed": "-ERR [SYS/TEMP] Einige gelöschte Nachrichten wurden nicht entfernt",
	"-ERR No name":          "-ERR Der Name fehlt",
	"-ERR USER comes first": "-ERR Zuerst kommt USER",
	"-ERR [IN-USE] Another POP3 session has the mailbox":                        "-ERR [IN-USE] Eine andere POP3-Sitzung hat das Postfach",
	"-ERR [LOGIN-DELAY] At most one login in ":                                  "-ERR [LOGIN-DELAY] Höchstens eine Anmeldung in ",
	"-ERR [SYS/PERM] The mailbox that POP3 is to show is not there":             "-ERR [SYS/PERM] Das Postfach, das POP3 zeigen soll, gibt es nicht",
	"-ERR TLS is not available":                                                 "-ERR TLS gibt es hier nicht",
	"-ERR STLS comes before UTF8":                                               "-ERR STLS kommt vor UTF8",
	"-ERR Not a number of lines":                                                "-ERR Das ist keine Zeilenzahl",
	"-ERR [SYS/TEMP] The account's sessions were ended, log in again":           "-ERR [SYS/TEMP] Die Sitzungen des Kontos wurden beendet, bitte neu anmelden",
	"-ERR [SYS/TEMP] Server shuts down":                                         "-ERR [SYS/TEMP] Der Server wird beendet",
	"-ERR Line too long":                                                        "-ERR Die Zeile ist zu lang",
	"-ERR Unknown command":                                                      "-ERR Unbekannter Befehl",
	"-ERR Not in this state":                                                    "-ERR Nicht in diesem Zustand",
	"-ERR Wrong number of arguments":                                            "-ERR Falsche Zahl von Argumenten",
	"-ERR Too many bad commands":                                                "-ERR Zu viele falsche Befehle",
	"-ERR No such message":                                                      "-ERR Diese Nachricht gibt es nicht",
	"-ERR [AUTH] Wrong name or password":                                        "-ERR [AUTH] Name oder Passwort ist falsch",
	"-ERR [AUTH] Account is disabled":                                           "-ERR [AUTH] Das Konto ist gesperrt",
	"-ERR [SYS/TEMP] Too many failed logins from your address, try again later": "-ERR [SYS/TEMP] Zu viele Fehlversuche von Ihrer Adresse, bitte später",
	"-ERR [SYS/TEMP] Too many logins at once, try again later":                  "-ERR [SYS/TEMP] Zu viele Anmeldungen zugleich, bitte später",
	"-ERR Use STLS or a port with TLS first":                                    "-ERR Zuerst STLS oder ein Port mit TLS",
	"-ERR Mechanism is not supported":                                           "-ERR Das Verfahren gibt es hier nicht",
	"-ERR Malformed response":                                                   "-ERR Die Antwort ist fehlerhaft",
	"-ERR Cancelled":                                                            "-ERR Abgebrochen",
	"-ERR [IN-USE] Too many connections of this account":                        "-ERR [IN-USE] Zu viele Verbindungen dieses Kontos",
	"-ERR [SYS/PERM] Message is no longer there":                                "-ERR [SYS/PERM] Die Nachricht ist nicht mehr da",
	"-ERR [SYS/PERM] No right to do that":                                       "-ERR [SYS/PERM] Das Recht dazu fehlt",
	"-ERR [SYS/PERM] Message is damaged on the server":                          "-ERR [SYS/PERM] Die Nachricht ist auf dem Server beschädigt",
	"-ERR [SYS/TEMP] Server failure, try again later":                           "-ERR [SYS/TEMP] Fehler des Servers, bitte später",
}
