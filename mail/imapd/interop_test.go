package imapd

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"atrium/mail/mailtest"
)

// TestImapclient drives go-imap's client.
func TestImapclient(t *testing.T) {
	r := newRig(t, nil)
	c, err := imapclient.DialInsecure(r.listen(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.Login("user1", "pass").Wait())
	must(c.Create("Größe", nil).Wait())
	body := strings.ReplaceAll(sample, "\n", "\r\n")
	for range 3 {
		w := c.Append("Größe", int64(len(body)), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen}})
		_, err := w.Write([]byte(body))
		must(err)
		must(w.Close())
		data, err := w.Wait()
		must(err)
		if data.UID == 0 {
			t.Error("no APPENDUID")
		}
	}
	list, err := c.List("", "*", &imap.ListOptions{ReturnStatus: &imap.StatusOptions{NumMessages: true}}).Collect()
	must(err)
	found := false
	for _, l := range list {
		if l.Mailbox == "Größe" {
			found = l.Status != nil && *l.Status.NumMessages == 3
		}
	}
	if !found {
		t.Error("LIST with STATUS")
	}
	sel, err := c.Select("Größe", &imap.SelectOptions{CondStore: true}).Wait()
	must(err)
	if sel.NumMessages != 3 || sel.HighestModSeq == 0 {
		t.Errorf("SELECT: %+v", sel)
	}
	msgs, err := c.Fetch(imap.SeqSetNum(1, 2, 3), &imap.FetchOptions{
		UID: true, Flags: true, Envelope: true, InternalDate: true, RFC822Size: true, BodyStructure: &imap.FetchItemBodyStructure{Extended: true},
		BodySection: []*imap.FetchItemBodySection{{Peek: true}},
	}).Collect()
	must(err)
	for _, m := range msgs {
		if m.Envelope.Subject != "A message like any other" || len(m.Envelope.To) != 2 || m.RFC822Size != int64(len(body)) {
			t.Errorf("FETCH: %+v", m.Envelope)
		}
		if m.BodyStructure.MediaType() != "text/plain" || string(m.BodySection[0].Bytes) != body {
			t.Error("BODYSTRUCTURE or BODY[]")
		}
	}
	res, err := c.UIDSearch(&imap.SearchCriteria{Body: []string{"THE BODY"}}, &imap.SearchOptions{ReturnAll: true}).Wait()
	must(err)
	if len(res.AllUIDs()) != 3 {
		t.Errorf("SEARCH: %v", res.AllUIDs())
	}
	_, err = c.Store(imap.SeqSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Collect()
	must(err)
	mv, err := c.Move(imap.SeqSetNum(2), "Sent").Wait()
	must(err)
	if mv.UIDValidity == 0 {
		t.Error("no COPYUID")
	}
	gone, err := c.Expunge().Collect()
	must(err)
	if len(gone) != 1 {
		t.Errorf("EXPUNGE: %v", gone)
	}
	must(c.Logout().Wait())
}

// TestShutdown is the rule that a server that stops says so, in IDLE too.
func TestShutdown(t *testing.T) {
	r := newRig(t, nil)
	ended := make(chan error, 1)
	opened := 0
	player := mailtest.Server{Dial: func() (net.Conn, error) {
		if opened++; opened < 3 {
			return r.dial()
		}
		go func() { // the others are where they are to be
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			ended <- r.Shutdown(ctx)
		}()
		here, there := net.Pipe()
		there.Close()
		return here, nil
	}}
	mailtest.Play(t, player, `
		S: * OK $...
		C: l LOGIN user1 pass
		S: l OK $...
		C: a SELECT INBOX
		S: ...
		S: a OK $...
		C: b IDLE
		S: + idling
		2S: * OK $...
		2C: l LOGIN user1 pass
		2S: l OK $...
		2C: a NOOP
		2S: a OK $...
		3EOF:
		S: * BYE [UNAVAILABLE] $...
		EOF:
		2S: * BYE [UNAVAILABLE] $...
		2EOF:`)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
