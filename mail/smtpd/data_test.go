package smtpd

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// slowUnstuff says what RFC 5321 §4.5.2 says, on the whole input at once.
func slowUnstuff(in string) (content string, n int, end, strict bool) {
	const eod = "\r\n.\r\n"
	at := strings.Index("\r\n"+in, eod)
	if at < 0 {
		return "", len(in), false, false
	}
	n = at + len(eod) - 2
	in = in[:at]
	if at > 0 && !strings.HasSuffix(in, "\r\n") {
		panic("reference")
	}
	lines := strings.SplitAfter(in, "\r\n")
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(l, ".")
	}
	rest := strings.ReplaceAll(in, "\r\n", "")
	return strings.Join(lines, ""), n, true, !strings.ContainsAny(rest, "\r\n")
}

// fastUnstuff feeds an unstuffer in pieces of the sizes that cuts has.
func fastUnstuff(in string, cuts []byte) (content string, n int, end, strict bool) {
	var u unstuffer
	var out bytes.Buffer
	for n < len(in) && !end {
		size := len(in) - n
		if len(cuts) > 0 {
			size = min(size, 1+int(cuts[0]))
			cuts = cuts[1:]
		}
		var k int
		k, end = u.take(&out, []byte(in[n:n+size]))
		n += k
	}
	return out.String(), n, end, u.strict()
}

func compareUnstuff(t *testing.T, in string, cuts []byte) {
	t.Helper()
	wc, wn, we, ws := slowUnstuff(in)
	gc, gn, ge, gs := fastUnstuff(in, cuts)
	if gn != wn || ge != we || we && gs != ws || we && ws && gc != wc {
		t.Fatalf("%q in pieces %v: content %q, %d bytes, end %v, strict %v; must be %q, %d, %v, %v", in, cuts, gc, gn, ge, gs, wc, wn, we, ws)
	}
}

func TestUnstuff(t *testing.T) {
	for _, in := range []string{
		".\r\n", "\r\n.\r\n", "..\r\n.\r\n", "a\r\n.b\r\n.\r\nQUIT\r\n", "a\n.\r\n.\r\n", "a\r\n.\n.\r\n.\r\n",
		"a\r\n.\r.\r\n.\r\n", "a\r.\r\n.\r\n", ".\r\r\n\r\n.\r\n", "..\r\r\n.\r\n", "a\r\r\n.\r\n", "a\n\r\n.\r\n",
		".a\r\n..b\r\n...c\r\n.\r\nrest", "\n.\n", "\r.\r", "a", "", ".", ".\r", "\r\n.\r", "x\r\n.\rQ\r\n.\r\n",
	} {
		compareUnstuff(t, in, nil)
		compareUnstuff(t, in, bytes.Repeat([]byte{0}, len(in)))
		for size := range byte(4) {
			compareUnstuff(t, in, bytes.Repeat([]byte{size}, len(in)))
		}
	}
}

// TestUnstuffAll tries every text of the four bytes that matter, up to 9 long,
// whole and byte by byte.
func TestUnstuffAll(t *testing.T) {
	const alphabet = "\r\n.a"
	single := make([]byte, 16)
	for length := range 9 {
		in := make([]byte, length)
		for code := range 1 << (2 * length) {
			for i := range in {
				in[i] = alphabet[code>>(2*i)&3]
			}
			s := string(in) + "\r\n.\r\n"
			compareUnstuff(t, s, nil)
			compareUnstuff(t, s, single)
		}
	}
}

func FuzzUnstuff(f *testing.F) {
	f.Add("a\r\n..b\r\n.\r\nQUIT\r\n", []byte{0, 1, 2})
	f.Add("a\n.\n\r\n.\r\n", []byte{})
	f.Fuzz(func(t *testing.T, in string, cuts []byte) { compareUnstuff(t, in, cuts) })
}

func FuzzLineChecker(f *testing.F) {
	f.Add("a\r\nb\r\n", byte(2))
	f.Add("a\rb\n", byte(0))
	f.Fuzz(func(t *testing.T, in string, size byte) {
		var l lineChecker
		for p := []byte(in); len(p) > 0; {
			n := min(len(p), int(size)+1)
			l.Write(p[:n])
			p = p[n:]
		}
		if want := !strings.ContainsAny(strings.ReplaceAll(in, "\r\n", ""), "\r\n"); l.strict() != want {
			t.Fatalf("%q: strict %v", in, l.strict())
		}
	})
}

func BenchmarkUnstuff(b *testing.B) {
	line := strings.Repeat("x", 74) + "\r\n"
	msg := []byte(strings.Repeat(line, 400) + ".\r\n")
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		var u unstuffer
		u.take(io.Discard, msg)
	}
}
