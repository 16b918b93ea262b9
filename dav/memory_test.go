package dav_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"atrium/contacts"
	"atrium/dav/davtest"
	"atrium/storage"
)

// live is what the heap holds that is in use, in bytes.
func live() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// slowly reads an answer in pieces and returns its size and the most that was in use between two of them.
func slowly(t *testing.T, s *davtest.Server, method, path, body string) (size, most int64) {
	t.Helper()
	r, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("user1", "pass")
	r.Header.Set("Depth", "1")
	r.Header.Set("Accept-Encoding", "identity")
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 207 {
		t.Fatalf("%s %s: %s", method, path, resp.Status)
	}
	var tail string
	for {
		piece := make([]byte, 4<<20)
		n, err := io.ReadFull(resp.Body, piece)
		size += int64(n)
		if n > 0 {
			tail = string(piece[max(0, n-200):n])
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, live()-int64(len(piece)))
	}
	if !strings.HasSuffix(strings.TrimSpace(tail), "</D:multistatus>") {
		t.Fatalf("the answer ends by %q", tail)
	}
	return size, most
}

// TestAnswersAreStreamed: no answer about 20,000 cards is held whole, whether they are sent with their data or without, to a
// client that reads slowly.
func TestAnswersAreStreamed(t *testing.T) {
	if testing.Short() {
		t.Skip("it makes 20,000 cards")
	}
	const cards = 20_000
	s := davtest.New(t)
	call(t, s, "PROPFIND", "/", "0", `<propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>`, 207)
	note := strings.Repeat("words about it ", 120)
	fill(t, s, contacts.Schema.Code, "contacts", cards, func(tx *storage.Tx, id storage.CollectionID, i int) error {
		text := fmt.Sprintf("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:c%d\r\nFN:Person %d\r\nN:Person;;;;\r\nNOTE:%s\r\nEND:VCARD\r\n", i, i, note)
		o, err := contacts.Prepare(context.Background(), s.Store.Blobs(), []byte(text), contacts.DefaultOptions())
		if err == nil {
			_, _, err = contacts.Put(tx, id, fmt.Sprintf("c%d.vcf", i), o, contacts.Condition{})
		}
		return err
	})
	const (
		data = `<R:address-data xmlns:R="urn:ietf:params:xml:ns:carddav"/>`
		sync = `<sync-collection xmlns="DAV:"><sync-token/><sync-level>1</sync-level><prop><getetag/>` + data + `</prop></sync-collection>`
	)
	slowly(t, s, "REPORT", bookPath, sync) // fills what is kept between requests
	before := live()
	for _, tc := range []struct {
		name, method, body string
		atLeast            int64 // bytes of the answer
	}{
		{"PROPFIND", "PROPFIND", `<propfind xmlns="DAV:"><prop><getetag/><getcontenttype/><getcontentlength/><getlastmodified/><resourcetype/><current-user-privilege-set/><owner/></prop></propfind>`, 16 << 20},
		{"sync-collection", "REPORT", sync, 40 << 20},
		{"addressbook-query", "REPORT", `<R:addressbook-query xmlns="DAV:" xmlns:R="urn:ietf:params:xml:ns:carddav"><prop><getetag/>` + data + `</prop><R:filter><R:prop-filter name="FN"><R:text-match>person</R:text-match></R:prop-filter></R:filter></R:addressbook-query>`, 36 << 20},
	} {
		size, most := slowly(t, s, tc.method, bookPath, tc.body)
		t.Logf("%s: an answer of %d bytes, at most %d more in use", tc.name, size, most-before)
		if size < tc.atLeast {
			t.Errorf("%s: an answer of %d bytes", tc.name, size)
		}
		if most-before > size*6/10 { // the engine's own work is in it
			t.Errorf("%s: %d bytes in use for an answer of %d", tc.name, most-before, size)
		}
	}
}
