package message

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"
)

// endless is a message whose body goes on for ever.
type endless struct{ head, unit string }

func (e endless) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	if off < int64(len(e.head)) {
		n = copy(p, e.head[off:])
	}
	for n < len(p) {
		n += copy(p[n:], e.unit[(off+int64(n-len(e.head)))%int64(len(e.unit)):])
	}
	return n, nil
}

func TestTenThousandParts(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("From: a@b\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n")
	for i := range 10_000 {
		fmt.Fprintf(&b, "--x\r\n\r\npart %d\r\n", i)
	}
	b.WriteString("--x--\r\n")
	m, x := parse(t, b.Bytes())
	if m.Parts != 10_001 {
		t.Fatalf("%d parts", m.Parts)
	}
	if n := len(m.Index()); n > 200<<10 {
		t.Errorf("index of %d octets", n)
	}
	if got := fetch(t, &x, b.Bytes(), "10000"); got != "part 9999" {
		t.Errorf("part 10000 is %q", got)
	}
	if n := bytes.Count(x.BodyStructure(), []byte(`("text" "plain"`)); n != 10_000 {
		t.Errorf("%d parts in BODYSTRUCTURE", n)
	}
}

func TestDeepNesting(t *testing.T) {
	for _, tc := range []struct {
		name  string
		level func(i int) string
	}{
		{"multipart", func(i int) string { return fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i) }},
		{"message", func(int) string { return "Content-Type: message/rfc822\n\n" }},
	} {
		for _, depth := range []int{100, 5000} {
			var b strings.Builder
			for i := range depth {
				b.WriteString(tc.level(i))
			}
			b.WriteString("\ninnermost\n")
			msg := crlf(b.String())
			_, x := parse(t, msg)
			path := make([]uint32, depth)
			for i := range path {
				path[i] = 1
			}
			p, ok := x.Part(path)
			if want := depth == 100; ok != want {
				t.Errorf("%s %d deep: %v", tc.name, depth, ok)
			} else if ok && !strings.HasSuffix(string(msg[p.Body:p.End]), "innermost\r\n") {
				t.Errorf("%s %d deep: %q", tc.name, depth, msg[p.Body:p.End])
			}
			if open, shut := bytes.Count(x.BodyStructure(), []byte("(")), bytes.Count(x.BodyStructure(), []byte(")")); open != shut {
				t.Errorf("%d ( and %d )", open, shut)
			}
		}
	}
}

// What a hostile message may cost. The limit of time is generous: it is there to tell linear from
// quadratic, on a busy machine too.
func TestBounds(t *testing.T) {
	const (
		mb    = 1 << 20
		limit = 20 * time.Second
	)
	for _, tc := range []struct {
		name, head, unit string
	}{
		{"one line", "From: a@b\r\n\r\n", "x"},
		{"no line ends, base64", "Content-Transfer-Encoding: base64\r\n\r\n", "QUJD"},
		{"quoted blanks", "Content-Transfer-Encoding: quoted-printable\r\n\r\n", " "},
		{"quoted escapes", "Content-Transfer-Encoding: quoted-printable\r\n\r\n", "="},
		{"html tags", "Content-Type: text/html\r\n\r\n", "<"},
		{"html entities", "Content-Type: text/html\r\n\r\n", "&"},
		{"one header", "", "X-Y: z\r\n"},
		{"one field", "Subject: ", "=?"},
		{"blobs", "Subject: ", "[a]"},
		{"words", "Subject: ", "=?utf-8?q?a?="},
		{"addresses", "To: ", "a,"},
		{"groups", "To: ", "a:b;"},
		{"ids", "References: ", "<"},
		{"params", "Content-Type: text/plain", ";a=b"},
		{"continuations", "Content-Type: text/plain", ";a*1=b"},
		{"fields", "", "To: a@b\r\n"},
		{"content types", "", "Content-Type: text/plain; name=a\r\n"},
		{"boundaries", "Content-Type: multipart/mixed; boundary=x\r\n\r\n", "--x\r\n"},
		{"boundaries, large headers", "Content-Type: multipart/mixed; boundary=x\r\n\r\n", "--x\r\nContent-Type: text/plain; name=" + strings.Repeat("n", 4000) + "\r\n\r\n"},
		{"multiparts", "", "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"},
		{"messages", "", "Content-Type: message/rfc822\r\n\r\n"},
		{"comments", "To: ", "("},
		{"utf-7", "Content-Type: text/plain; charset=utf-7\r\n\r\n", "+AAA"},
		{"iso-2022-jp", "Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n", "\x1b$B\xff"},
		{"gb18030", "Content-Type: text/plain; charset=gb18030\r\n\r\n", "\x81\x30"},
		{"utf-16", "Content-Type: text/plain; charset=utf-16\r\n\r\n", "\xd8\x00"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			m, err := Parse(endless{tc.head, tc.unit}, 4*mb)
			if err != nil {
				t.Fatal(err)
			}
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if took > limit {
				t.Errorf("took %v", took)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 64*mb {
				t.Errorf("allocated %d MB", n/mb)
			}
			if n := len(m.Index()); n > 900<<10 {
				t.Errorf("index of %d KB", n>>10)
			}
			if n := len(m.Signature()); n > 17<<10 {
				t.Errorf("signature of %d KB", n>>10)
			}
			x, err := OpenIndex(m.Index())
			if err != nil {
				t.Fatal(err)
			}
			start = time.Now()
			if _, err := x.Search(endless{tc.head, tc.unit}, Anywhere, NewMatcher("nowhere to be found")); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took > limit {
				t.Errorf("search took %v", took)
			}
		})
	}
}

func TestReadErrors(t *testing.T) {
	if _, err := Parse(strings.NewReader("From: a@b\r\n"), 100); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a short message: %v", err)
	}
	if _, err := Parse(failing{}, 100); !errors.Is(err, errDisk) {
		t.Errorf("a broken disk: %v", err)
	}
}

var errDisk = errors.New("disk on fire")

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errDisk }
