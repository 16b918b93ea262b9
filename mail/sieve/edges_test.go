package sieve

import (
	"strings"
	"testing"
)

// Edges that the documents have and other implementations are tested for.
func TestEdges(t *testing.T) {
	const require = `require ["fileinto", "envelope", "body", "editheader", "relational", "comparator-i;ascii-numeric"];` + "\n"
	const letter = "From: a@b.example\r\nX-A: one\r\nX-B: two\r\nCc:\r\n\r\nbody\r\n"
	for _, tc := range []struct{ name, letter, from, before, test string }{
		{"a field without an address is the empty string as a whole, RFC 5228 §2.7.4", letter, "", "",
			`allof (address :all :is "cc" "", not address :localpart :is "cc" "", not address :domain "cc" "", not address :is "to" "")`},
		{"no body, RFC 5173 §4", "Subject: header only\r\n", "", "",
			`allof (not body :raw :contains "", not body :text :is "", not body :content "" :matches "*", body :raw :count "eq" "0")`},
		{"an empty body", "Subject: x\r\n\r\n", "", "", `allof (body :raw :is "", body :raw :contains "")`},
		{"size as it came", letter, "", "", `allof (not size :over 52, not size :under 52)`},
		{"size follows edits, RFC 5293 §4", letter, "", `deleteheader "X-A";`, `allof (not size :over 42, not size :under 42)`},
		{"and more of them", letter, "", `deleteheader "X-A"; addheader "X-C" "three";`, `allof (not size :over 54, not size :under 54)`},
		{"what is no address has no parts", letter, "nobody@", "",
			`allof (envelope :all "from" "nobody@", not envelope :localpart "from" "nobody", not envelope :domain :contains "from" "")`},
		{"the null path has them all", letter, "", "", `allof (envelope "from" "", envelope :localpart "from" "", envelope :domain :contains "from" "")`},
		{"a local part alone", letter, "MAILER-DAEMON", "", `allof (envelope :localpart "from" "mailer-daemon", not envelope :domain :contains "from" "")`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := NewCompiler(DefaultOptions()).Compile(require + tc.before + "if " + tc.test + ` { fileinto "yes"; }`)
			if err != nil {
				t.Fatal(err)
			}
			out, err := s.Run(t.Context(), &Env{Message: NewMessage(strings.NewReader(tc.letter), int64(len(tc.letter))), From: tc.from})
			if err != nil {
				t.Fatal(err)
			}
			if into, ok := out.Actions[0].(Into); !ok || into.Mailbox != "yes" {
				t.Errorf("%+v", out)
			}
		})
	}
}
