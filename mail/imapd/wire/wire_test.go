package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

// lines is a Source over a string.
type lines struct{ *bufio.Reader }

func source(s string) lines { return lines{bufio.NewReader(strings.NewReader(s))} }

func (l lines) ReadLine(limit int) ([]byte, error) {
	s, err := l.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	s = bytes.TrimSuffix(bytes.TrimSuffix(s, []byte("\n")), []byte("\r"))
	if len(s) > limit {
		return nil, errors.New("too long")
	}
	return s, nil
}

func (l lines) CopyN(w io.Writer, n int64) error {
	_, err := io.CopyN(w, l, n)
	return err
}

func reader(t testing.TB, s string) *Reader {
	r := NewReader(source(s), DefaultLimits(), func() error { return nil })
	if err := r.Next(); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReader(t *testing.T) {
	r := reader(t, "a1 \"q\\\"\\\\\" {3}\r\nxyz {2+}\r\nab (1 2) NIL 7:*,3 &ZeVnLIqe- iNbOx\r\n")
	if s := r.Tag(); s != "a1" {
		t.Error(s)
	}
	r.SP()
	if s := r.String(); s != `q"\` {
		t.Error(s)
	}
	r.SP()
	if s := r.AString(); s != "xyz" {
		t.Error(s)
	}
	r.SP()
	if s := r.AString(); s != "ab" {
		t.Error(s)
	}
	r.SP()
	var sum uint32
	r.List(func() { sum += r.Number() })
	r.SP()
	if _, ok := r.NString(); ok || sum != 3 {
		t.Error("list or NIL")
	}
	r.SP()
	if s := string(AppendSet(nil, r.Set().Resolve(9))); s != "3,7:9" {
		t.Error(s)
	}
	r.SP()
	if s := r.Mailbox(); s != "日本語" {
		t.Error(s)
	}
	r.SP()
	if s := r.Mailbox(); s != "INBOX" {
		t.Error(s)
	}
	if err := r.End(); err != nil {
		t.Error(err)
	}
}

func TestReaderSticky(t *testing.T) {
	r := reader(t, "a )\r\n")
	r.Tag()
	r.SP()
	if r.Atom() != "" || r.Number() != 0 || r.Set() != nil || r.Mailbox() != "" || r.String() != "" {
		t.Error("a value after a failure")
	}
	var se *SyntaxError
	if !errors.As(r.End(), &se) {
		t.Error(r.End())
	}
}

func TestLimits(t *testing.T) {
	for name, script := range map[string]string{
		"literal": "{2000000}\r\n",
		"depth":   strings.Repeat("(", 100) + "\r\n",
		"set":     strings.Repeat("1,", 20001) + "1\r\n",
	} {
		r := reader(t, script)
		switch name {
		case "literal":
			r.AString()
		case "depth":
			var nest func()
			nest = func() { r.List(nest) }
			nest()
		case "set":
			r.Set()
		}
		var le *LimitError
		if !errors.As(r.End(), &le) {
			t.Errorf("%s: %v", name, r.End())
		}
	}
}

func TestDrain(t *testing.T) {
	r := reader(t, "bogus {3+}\r\nabc more {2+}\r\n\r\nend\r\nnext\r\n")
	r.Fail("no such thing")
	if err := r.Drain(); err != nil {
		t.Fatal(err)
	}
	if r.Next(); r.Atom() != "next" {
		t.Error("out of step")
	}
}

func TestUTF7(t *testing.T) {
	for u, enc := range map[string]string{
		"日本語":                "&ZeVnLIqe-",
		"~peter/mail/台北/日本語": "~peter/mail/&U,BTFw-/&ZeVnLIqe-",
		"R&D":                "R&-D",
		"Entwürfe":           "Entw&APw-rfe",
		"😀":                  "&2D3eAA-",
	} {
		if got := string(AppendUTF7(nil, u)); got != enc {
			t.Errorf("%s: %s", u, got)
		}
		if got, ok := DecodeUTF7(enc); got != u || !ok {
			t.Errorf("%s: %s", enc, got)
		}
	}
	for _, bad := range []string{"&", "&AA", "&*-", "&2D0-", "é", "a\x00", "&AAAA-"} {
		if s, ok := DecodeUTF7(bad); ok {
			t.Errorf("%q: %q", bad, s)
		}
	}
}

func TestAppendUnix(t *testing.T) {
	for _, s := range []string{"17-Jul-1996 02:44:25 -0700", " 1-Feb-2024 23:59:59 +0000", "31-Dec-1969 23:00:00 +0530", "29-Feb-2000 00:00:00 +1400"} {
		at, err := time.Parse("_2-Jan-2006 15:04:05 -0700", s)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(AppendDateTime(nil, at)); got != `"`+s+`"` {
			t.Errorf("%s: %s", s, got)
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, s := range []string{"a FETCH 1:*,5 (FLAGS)", "x {3}\r\nabc", "\"a\\\"b\" (\\Seen \\* $x) ~{2+}\r\nab", "1-Feb-1994 \"17-Jul-1996 02:44:25 -0700\"", "&ZeVnLIqe- NIL"} {
		f.Add(s, []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
	}
	f.Fuzz(func(t *testing.T, s string, steps []byte) {
		r := NewReader(source(s+"\r\n"), DefaultLimits(), func() error { return nil })
		if r.Next() != nil {
			return
		}
		for _, step := range steps[:min(len(steps), 100)] {
			switch step % 16 {
			case 0:
				r.Atom()
			case 1:
				_ = r.String()
			case 2:
				if name := r.Mailbox(); r.Err() == nil {
					back, ok := DecodeUTF7(string(AppendUTF7(nil, name)))
					if ok && back != name {
						t.Errorf("%q came back as %q", name, back)
					}
				}
			case 3:
				for _, x := range r.Set().Resolve(1000) {
					if x.From > x.To || x.From == 0 {
						t.Error(x)
					}
				}
			case 4:
				r.Flags()
			case 5:
				r.List(func() { r.AString() })
			case 6:
				r.Date()
			case 7:
				r.DateTime()
			case 8:
				r.NString()
			case 9:
				r.SP()
			case 10:
				r.Number64()
			case 11:
				r.Drain()
			case 12:
				r.ListMailbox()
			case 13:
				r.Item()
			case 14:
				r.Tag()
			case 15:
				r.Err()
			}
		}
		r.End()
	})
}

func FuzzAppend(f *testing.F) {
	f.Add("a b", true)
	f.Add("日本語\r\n", false)
	f.Fuzz(func(t *testing.T, s string, utf8ok bool) {
		if strings.IndexByte(s, 0) >= 0 || len(s) > 1<<16 {
			return
		}
		for i, b := range [][]byte{AppendString(nil, s, utf8ok), AppendAString(nil, s, utf8ok)} {
			r := reader(t, string(b)+"\r\n")
			got := ""
			if i == 0 {
				got = r.String()
			} else {
				got = r.AString()
			}
			if err := r.End(); err != nil || got != s {
				t.Errorf("%q as %q: %q, %v", s, b, got, err)
			}
		}
	})
}

func BenchmarkAppendFetch(b *testing.B) {
	flags := []imap.Flag{imap.FlagSeen, "$Forwarded"}
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = append(buf[:0], "* "...)
		buf = AppendUint(buf, 12345)
		buf = append(buf, " FETCH (FLAGS "...)
		buf = AppendFlags(buf, flags)
		buf = append(buf, " INTERNALDATE "...)
		buf = AppendUnix(buf, 1700000000, 3600)
		buf = append(buf, ")\r\n"...)
	}
}
