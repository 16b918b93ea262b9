package message

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// unread is a message that must not be read.
type unread struct{}

func (unread) ReadAt([]byte, int64) (int, error) { return 0, io.ErrClosedPipe }

// checkKept compares what the record gives with what the message has; it returns whether the
// record gave it.
func checkKept(t *testing.T, b []byte, x *Index, names []string) bool {
	t.Helper()
	c, ok, err := x.Content(unread{}, &Section{What: HeaderFields, Fields: names})
	if err != nil {
		return false
	}
	want := AppendFields(nil, b[:x.HeaderSize()], names, false)
	if got, err := c.Append(nil); !ok || err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%v of %.4000q:\n got %.4000q, %v, %v\nwant %.4000q", names, b[:x.HeaderSize()], got, ok, err, want)
	}
	return true
}

// askedFor are fields as programs ask for them.
var askedFor = [][]string{
	strings.Fields("From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To List-Unsubscribe"),
	strings.Fields("date subject from content-type to cc reply-to message-id references in-reply-to list-unsubscribe sender X-K9mail-Identity Chat-Version"),
	strings.Fields("DATE FROM SENDER SUBJECT TO CC MESSAGE-ID REFERENCES CONTENT-TYPE CONTENT-DESCRIPTION IN-REPLY-TO REPLY-TO LINES LIST-POST LIST-SUBSCRIBE LIST-UNSUBSCRIBE X-LABEL X-ORIGINAL-TO"),
	strings.Fields("DATE FROM TO SUBJECT CONTENT-TYPE CC REPLY-TO LIST-POST DISPOSITION-NOTIFICATION-TO X-PRIORITY"),
	strings.Fields("X-TUID Message-Id"), {"Subject"}, {"subject", "SUBJECT", "Subject"}, {"Importance"},
}

func TestKeptFields(t *testing.T) {
	files, _ := filepath.Glob("testdata/mail/*.eml")
	kept := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range [][]byte{b, bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))} {
			_, x := parse(t, b)
			for _, names := range askedFor {
				if checkKept(t, b, &x, names) {
					kept++
				}
			}
		}
	}
	if all := 2 * len(files) * len(askedFor); kept < all*9/10 {
		t.Errorf("%d of %d come from the record", kept, all)
	}
	for _, names := range [][]string{{"Subject", "X-Odd"}, {"Received"}, {"Subject "}, {"Subject:"}, {""}, {strings.Repeat("x", 1000)}} {
		b := typical(0)
		_, x := parse(t, b)
		if checkKept(t, b, &x, names) {
			t.Errorf("%q came from the record", names)
		}
	}
}

// Headers of every odd kind.
func TestKeptFieldsRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	pieces := []string{
		"Subject", "SUBJECT", "subject", "From", "To", "Date", "X-Odd", "Received", "Subjectx", "Subj", " Subject", "Sub ject", "", "List-Id", "Content-Type",
		": ", ":", " : ", "\t:", " ", "\t", "v\xe9\xff", "value", "=?utf-8?q?x?=", "\x00", "\r", "\r\n ", "\n\t", "\r\n", "\n", "\r\n", "\n", "\r\n",
	}
	long := []string{strings.Repeat("y", 3000), strings.Repeat(" ", 40<<10), "\r\nFrom" + strings.Repeat("\t", 33<<10) + ": a"}
	kept, all := 0, 0
	for i := range 30_000 {
		var b []byte
		for range r.IntN(24) {
			b = append(b, pieces[r.IntN(len(pieces))]...)
		}
		if i%50 == 0 {
			b = append(b, long[r.IntN(len(long))]...)
			b = append(b, "x\r\nTo: b\r\n"...)
		}
		if r.IntN(2) == 0 {
			b = append(b, "\r\n\r\nTo: body\r\n"...)
		}
		_, x := parse(t, b)
		for _, names := range askedFor {
			all++
			if checkKept(t, b, &x, names) {
				kept++
			}
		}
	}
	if kept < all*9/10 {
		t.Errorf("%d of %d come from the record", kept, all)
	}
}

// A record keeps fields up to a size.
func TestKeptFieldsLimit(t *testing.T) {
	for _, n := range []int{3000, 5000, 1 << 20} {
		var b []byte
		b = append(b, "Subject: x\r\nReferences:"...)
		for i := 0; len(b) < n; i++ {
			b = fmt.Appendf(b, "\r\n <%d@x.example>", i)
		}
		b = append(b, "\r\nTo: a@b.example\r\n\r\nbody"...)
		m, x := parse(t, b)
		if got := checkKept(t, b, &x, []string{"subject", "references", "to"}); got != (n < keptMax) {
			t.Errorf("%d octets: kept is %v", n, got)
		}
		if size := len(m.Index()); size > 24<<10 {
			t.Errorf("%d octets: record of %d", n, size)
		}
	}
}

// version1 makes the record that an earlier version would have written.
func version1(t testing.TB, rec []byte) []byte {
	x, err := OpenIndex(rec)
	if err != nil || x.flags&flagDeflate != 0 {
		t.Fatal(err)
	}
	old := append([]byte{1}, rec[1:2]...)
	r := varints{b: rec, i: 2}
	for range 4 {
		r.uint()
	}
	for range secKept {
		if n := r.uint(); n&1 != 0 {
			r.uint()
		}
	}
	old = append(old, rec[2:r.i]...)
	r.uint()
	old = append(old, rec[r.i:]...)
	return old[: len(old)-len(x.section(secKept)) : len(old)]
}

// Records of an earlier version are read as they always were; fields come from the message.
func TestIndexVersion1(t *testing.T) {
	b := typical(0)
	m, x := parse(t, b)
	old, err := OpenIndex(version1(t, m.Index()))
	if err != nil {
		t.Fatal(err)
	}
	for i := range secKept {
		if !bytes.Equal(old.section(i), x.section(i)) {
			t.Errorf("section %d: %q, want %q", i, old.section(i), x.section(i))
		}
	}
	if old.Size() != x.Size() || old.HeaderSize() != x.HeaderSize() || old.IsReply() != x.IsReply() {
		t.Error("numbers differ")
	}
	if checkKept(t, b, &old, []string{"Subject"}) {
		t.Error("fields from a record without any")
	}
	const spec = "HEADER.FIELDS (Subject To)"
	if got, want := fetch(t, &old, b, spec), fetch(t, &x, b, spec); got != want || got == "" {
		t.Errorf("%q, want %q", got, want)
	}
}

// The next message's fields are its own, whoever asked before.
func TestKeptFieldsReused(t *testing.T) {
	var c Content
	s := &Section{What: HeaderFields, Fields: []string{"To"}}
	for i := range 4 {
		b := fmt.Appendf(nil, "To: %d@x\r\nX: y\r\n\r\n", i)
		m, x := parse(t, b)
		if i%2 == 1 {
			x, _ = OpenIndex(version1(t, m.Index()))
		}
		if ok, err := x.ContentInto(&c, bytes.NewReader(b), s); !ok || err != nil || string(c.mem) != fmt.Sprintf("To: %d@x\r\n\r\n", i) {
			t.Errorf("%v %v %q", ok, err, c.mem)
		}
	}
}
