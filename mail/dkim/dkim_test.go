package dkim_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"atrium/mail/dkim"
	"atrium/storage"
	"atrium/storage/embedded"
)

func TestKeys(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	below, err := embedded.Open(t.TempDir(), embedded.Small(), log)
	if err != nil {
		t.Fatal(err)
	}
	defer below.Close()
	store, err := storage.Open(below.Engine, below.Blobs, nil, storage.DefaultConfig(), log)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	ctx := context.Background()
	keys := dkim.Open(store)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const domain = "Bücher.example"
	if b, err := keys.Sign(ctx, domain, strings.NewReader("From: a\r\n\r\n")); len(b) > 0 || err != nil {
		t.Errorf("without keys: %q, %v", b, err)
	}
	must(keys.Ensure(ctx, domain))
	must(keys.Ensure(ctx, domain))
	list, err := keys.List(ctx, domain)
	must(err)
	if len(list) != 2 || list[0].Algorithm != "ed25519" || list[0].State != dkim.Active || !strings.HasSuffix(list[0].Name(), "._domainkey.xn--bcher-kva.example") {
		t.Fatalf("%+v", list)
	}
	const message = "From: ann@bücher.example\r\nTo: bob@there.example\r\nSubject: x\r\nDate: Mon, 02 Mar 2026 10:00:00 +0000\r\nMessage-ID: <1@x>\r\n\r\nHello\r\n\r\n"
	verify := func() (good int) {
		b, err := keys.Sign(ctx, domain, strings.NewReader(message))
		must(err)
		list, err := keys.List(ctx, domain)
		must(err)
		records := map[string]string{}
		for _, k := range list {
			records[k.Name()] = k.Record
		}
		results, err := msgauth.VerifyWithOptions(bytes.NewReader(append(b, message...)), &msgauth.VerifyOptions{
			LookupTXT: func(name string) ([]string, error) {
				if r := records[name]; r != "" {
					return []string{r}, nil
				}
				return nil, fmt.Errorf("no record %s", name)
			}})
		must(err)
		for _, r := range results {
			if r.Err != nil {
				t.Errorf("%v", r.Err)
			} else {
				good++
			}
		}
		return good
	}
	if n := verify(); n != 2 {
		t.Errorf("%d signatures hold", n)
	}
	waiting, err := keys.Rotate(ctx, domain)
	must(err)
	if len(waiting) != 2 || waiting[0].State != dkim.Waiting {
		t.Errorf("%+v", waiting)
	}
	if n := verify(); n != 2 {
		t.Errorf("%d signatures hold", n)
	}
	must(keys.Activate(ctx, domain))
	if n := verify(); n != 2 {
		t.Errorf("%d signatures hold", n)
	}
	if err := keys.Activate(ctx, domain); err == nil {
		t.Error("nothing waits, and something was activated")
	}
	must(keys.Remove(ctx, domain, false))
	if list, err = keys.List(ctx, domain); len(list) != 2 || err != nil {
		t.Errorf("%+v, %v", list, err)
	}
}
