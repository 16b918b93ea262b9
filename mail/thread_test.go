package mail

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func threadString(list []*Thread) string {
	var b strings.Builder
	for _, t := range list {
		b.WriteByte('(')
		if t.Pos >= 0 {
			fmt.Fprint(&b, t.Pos)
		}
		b.WriteString(threadString(t.Children))
		b.WriteByte(')')
	}
	return b.String()
}

// RFC 5256 §3. A message is "id refs… | subject", one a minute.
func TestThreads(t *testing.T) {
	for _, tc := range []struct {
		name     string
		by       ThreadAlgorithm
		messages []string
		want     string
	}{
		{"subjects", OrderedSubject, []string{"a|x", "b|y", "c|Re: x", "d|z", "e|Fwd: y", "f|re: X"}, "(0(2)(5))(1(4))(3)"},
		{"a chain", References, []string{"a|x", "b a|Re: x", "c a b|Re: x"}, "(0(1(2)))"},
		{"a branch", References, []string{"a|x", "b a|Re: x", "c a|Re: x"}, "(0(1)(2))"},
		{"the answer came first", References, []string{"b a|Re: x", "a|x"}, "(1(0))"},
		{"a missing one holds two together", References, []string{"b a|Re: x", "c a|Re: x"}, "((0)(1))"},
		{"a missing one holds one", References, []string{"b a|Re: x", "c|y"}, "(0)(1)"},
		{"a missing one in the middle", References, []string{"a|x", "c a b|Re: x", "d a b|Re: x"}, "(0(1)(2))"},
		{"an answer without references", References, []string{"a|x", "b|Re: x"}, "(0(1))"},
		{"two of one subject", References, []string{"a|x", "b|x"}, "((0)(1))"},
		{"three of one subject", References, []string{"a|x", "b|x", "c|x"}, "((0)(1)(2))"},
		{"two missing with one subject", References, []string{"b a|Re: x", "c a|Re: x", "e d|Re: x", "f d|Re: x"}, "((0)(1)(2)(3))"},
		{"an answer joins two of one subject", References, []string{"b|x", "c|x", "d|Re: x"}, "((0)(1)(2))"},
		{"a loop", References, []string{"a b|x", "b a|Re: x"}, "(1(0))"},
		{"its own ancestor", References, []string{"a a|x"}, "(0)"},
		{"the same id twice", References, []string{"a|x", "a|y", "b a|Re: x"}, "(0(2))(1)"},
		{"it knows of no ancestor, whatever another said before", References, []string{"a|x", "c a b|y", "b|z"}, "(0)(2(1))"},
		{"it knows of no ancestor, in Refs", Refs, []string{"a|x", "c a b|y", "b|z"}, "(0)(2(1))"},
		{"no ids, no subject", References, []string{"|", "|"}, "(0)(1)"},
		{"refs leave subjects alone", Refs, []string{"a|x", "b|x", "c a|Re: x"}, "(1)(0(2))"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := openStore(t, nil)
			a := account(t, s, 1)
			id := mailboxID(t, a, Inbox)
			var positions []int
			for i, spec := range tc.messages {
				ids, subject, _ := strings.Cut(spec, "|")
				when := time.Date(2024, 1, 1, 0, i, 0, 0, time.UTC)
				raw := fmt.Sprintf("Date: %s\r\nSubject: %s\r\n", when.Format(time.RFC1123Z), subject)
				if list := strings.Fields(ids); len(list) > 0 {
					raw += fmt.Sprintf("Message-ID: <%s@x>\r\n", list[0])
					if len(list) > 1 {
						raw += "References: <" + strings.Join(list[1:], "@x> <") + "@x>\r\n"
					}
				}
				if _, err := a.Append(t.Context(), id, NewMessage{Prepared: prepare(t, s, raw+"\r\n"), Date: when}); err != nil {
					t.Fatal(err)
				}
				positions = append(positions, i)
			}
			got, err := a.Threads(t.Context(), snapshot(t, a, id), positions, tc.by)
			if err != nil {
				t.Fatal(err)
			}
			if threadString(got) != tc.want {
				t.Fatalf("got %s, want %s", threadString(got), tc.want)
			}
		})
	}
}
