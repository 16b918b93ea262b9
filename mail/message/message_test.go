package message

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the .want files; the difference is the review")

// parse parses a message given as text; the index is opened from a copy.
func parse(t testing.TB, b []byte) (*Message, Index) {
	t.Helper()
	m, err := Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	x, err := OpenIndex(m.Index())
	if err != nil {
		t.Fatal(err)
	}
	return m, x
}

// crlf makes a message of a Go string.
func crlf(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) }

// TestMail holds what an index says of the messages in testdata/mail against the .want files. Where a message is sane the texts
// are what Dovecot 2.3 gives, but for the choice between quoted strings and literals.
func TestMail(t *testing.T) {
	files, err := filepath.Glob("testdata/mail/*.eml")
	if err != nil || len(files) < 30 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(file, ".eml")
		t.Run(filepath.Base(name), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := describe(t, b)
			if *update {
				if err := os.WriteFile(name+".want", got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name + ".want")
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
				for i := range max(len(g), len(w)) {
					if i >= len(g) || i >= len(w) || g[i] != w[i] {
						t.Fatalf("line %d of %s.want\ngot  %q\nwant %q", i+1, name, g[min(i, len(g)):][:1], w[min(i, len(w)):][:1])
					}
				}
			}
		})
	}
}

func describe(t *testing.T, b []byte) []byte {
	m, x := parse(t, b)
	var out bytes.Buffer
	fmt.Fprintf(&out, "ENVELOPE %s\n\nBODYSTRUCTURE %s\n\nBODY %s\n\n", x.Envelope(), x.BodyStructure(), x.AppendBody(nil))
	fmt.Fprintf(&out, "PREVIEW %q\nSIZE %d HEADER %d\n", x.Preview(), x.Size(), x.HeaderSize())
	if sent, zone, ok := x.Sent(); ok {
		fmt.Fprintf(&out, "SENT %d %+d\n", sent, zone)
	}
	fmt.Fprintf(&out, "ID %q REFS", x.MessageID())
	for id := range x.References() {
		fmt.Fprintf(&out, " %q", id)
	}
	fmt.Fprintf(&out, "\nSUBJECT %q reply %v\nSORT %q %q %q DISPLAY %q %q\n", x.BaseSubject(), x.IsReply(),
		x.SortFrom(), x.SortTo(), x.SortCc(), x.DisplayFrom(), x.DisplayTo())
	walk(&out, b, m.Root, "")
	err := x.Text(bytes.NewReader(b), Anywhere, func(name, chunk []byte, more bool) bool {
		if !more {
			fmt.Fprintf(&out, "\nTEXT %s ", name)
		}
		fmt.Fprintf(&out, "%q", chunk)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	out.WriteByte('\n')
	return out.Bytes()
}

func walk(out *bytes.Buffer, b []byte, p *Part, path string) {
	fmt.Fprintf(out, "PART %s %s/%s %v %s %q %v %q lines %d\n  header %q\n", path, p.Type, p.Subtype, p.Params, p.Encoding,
		p.Disposition, p.DispositionParams, p.Filename(), p.Lines, b[p.Header:p.Body])
	if len(p.Children) == 0 {
		fmt.Fprintf(out, "  body %q\n", b[p.Body:p.End])
	}
	for i, child := range p.Children {
		walk(out, b, child, fmt.Sprintf("%s.%d", path, i+1))
	}
}
