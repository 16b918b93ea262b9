package imapd

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"atrium/storage/blob"
)

// countingBlobs counts the bodies that are opened and the octets that are read of them.
type countingBlobs struct {
	blob.Store
	opened, read *atomic.Int64
}

func (c countingBlobs) Open(ctx context.Context, ref blob.Ref) (blob.Body, error) {
	c.opened.Add(1)
	b, err := c.Store.Open(ctx, ref)
	if err != nil {
		return nil, err
	}
	return countingBody{b, c.read}, nil
}

type countingBody struct {
	blob.Body
	read *atomic.Int64
}

func (b countingBody) ReadAt(p []byte, off int64) (int, error) {
	n, err := b.Body.ReadAt(p, off)
	b.read.Add(int64(n))
	return n, err
}

func (b countingBody) WriteTo(w io.Writer) (int64, error) {
	n, err := b.Body.WriteTo(w)
	b.read.Add(n)
	return n, err
}

// TestFetchReads is that a message is parsed once, when it comes: what the index has is told without opening the body, and of
// parts nothing but their octets is read.
func TestFetchReads(t *testing.T) {
	var opened, read atomic.Int64
	r := newRig(t, func(c *rigConfig) {
		c.blobs = func(s blob.Store) blob.Store { return countingBlobs{s, &opened, &read} }
	})
	const part = 200 << 10
	text := "From: a@b.example\r\nSubject: parts\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
	for i := range 4 {
		text += fmt.Sprintf("--x\r\nContent-Type: text/plain; name=part%d\r\n\r\n%s\r\n", i, strings.Repeat("0123456789abcde\n", part/16))
	}
	text += "--x--\r\n"
	c := r.client(t, r.listen(t))
	defer c.nc.Close()
	c.do(fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", len(text), text))
	c.do("SELECT INBOX")
	for _, tc := range []struct {
		items  string
		opened int64
		most   int64 // octets
	}{
		{"(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY PREVIEW EMAILID THREADID SAVEDATE MODSEQ)", 0, 0},
		{"(ALL)", 0, 0},
		{"(BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)])", 0, 0},
		{"(BINARY.SIZE[2])", 0, 0},
		{"(BODY.PEEK[HEADER])", 1, 4 << 10},
		{"(BODY.PEEK[2.MIME])", 1, 4 << 10},
		{"(BODY.PEEK[3])", 1, part + 4<<10},
		{"(BODY.PEEK[4]<100000.1000>)", 1, 8 << 10},
		{"(BODY.PEEK[1] BODY.PEEK[2])", 1, 2*part + 4<<10},
		{"(BINARY.PEEK[3])", 1, part + 8<<10},
		{"(BODY.PEEK[])", 1, int64(len(text))},
	} {
		opened.Store(0)
		read.Store(0)
		items := tc.items
		if items == "(ALL)" {
			items = "ALL"
		}
		c.do("FETCH 1 " + items)
		if o, n := opened.Load(), read.Load(); o > tc.opened || n > tc.most {
			t.Errorf("%s: %d bodies opened, %d octets read; want at most %d and %d", tc.items, o, n, tc.opened, tc.most)
		}
	}
	opened.Store(0)
	c.do("UID SEARCH OR SUBJECT nothing FROM nobody")
	c.do("UID SEARCH TEXT zyxwvu")
	c.do("UID SORT (SUBJECT DATE) UTF-8 ALL")
	c.do("UID THREAD REFERENCES UTF-8 ALL")
	if n := opened.Load(); n > 0 {
		t.Errorf("searches opened %d bodies", n)
	}
}
