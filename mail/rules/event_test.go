package rules

import (
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/storage"
)

// put puts a message into one of ann's mailboxes as a client does and returns its UID.
func (r *rig) put(acct *mail.Account, box, content string, flags ...imap.Flag) imap.UID {
	r.t.Helper()
	ctx := r.t.Context()
	spool, err := r.mail.Storage().Blobs().Spool(ctx, 0)
	r.must(err)
	_, err = io.WriteString(spool, strings.ReplaceAll(content, "\n", "\r\n"))
	r.must(err)
	p, err := r.mail.Prepare(ctx, spool)
	r.must(err)
	defer p.Release()
	m, err := acct.Mailbox(ctx, box)
	r.must(err)
	out, err := acct.Append(ctx, m.ID, mail.NewMessage{Prepared: p, Flags: flags})
	r.must(err)
	return out.UIDs[0].Start
}

// state tells what is in ann's mailboxes, with the flags.
func (r *rig) state() string {
	ctx := r.t.Context()
	a := r.mail.Open(r.ids["ann"], r.ids["ann"])
	all, err := a.Mailboxes(ctx)
	r.must(err)
	var out []string
	for _, b := range all {
		if b.Exists == 0 {
			continue
		}
		snap, err := a.Snapshot(ctx, b.ID)
		r.must(err)
		for i := range snap.Len() {
			flags := fmt.Sprint(snap.Keywords.Names(nil, snap.At(i).Flags))
			out = append(out, b.Name+flags)
		}
	}
	sort.Strings(out)
	return strings.Join(out, " ")
}

func TestEvents(t *testing.T) {
	const all = `require ["imapsieve", "environment", "variables", "fileinto", "copy", "imap4flags", "editheader", "mailbox", "enotify", "special-use", "reject", "vacation", "duplicate"];` + "\n"
	for _, tc := range []struct{ name, script, do, want, sent string }{
		{name: "append", script: `addflag "seen-by-script";`, do: "append", want: "Work[seen-by-script]"},
		{name: "nothing", script: ``, do: "append", want: "Work[]"},
		{name: "keep with flags", script: `keep :flags "x";`, do: "append", want: "Work[x]"},
		{name: "the flags that are there", script: `if hasflag "\\Flagged" { fileinto :copy "Archive"; }`, do: "flag", want: `Archive[\Flagged] Work[\Flagged]`},
		{name: "discard", script: `discard;`, do: "append", want: `Work[\Deleted]`},
		{name: "fileinto", script: `fileinto "Archive";`, do: "append", want: `Archive[] Work[\Deleted]`},
		{name: "fileinto itself", script: `fileinto "Work";`, do: "append", want: `Work[]`},
		{name: "fileinto INBOX", script: `fileinto :flags "f" "INBOX"; keep;`, do: "append", want: `INBOX[f] Work[]`},
		{name: "fileinto a use", script: `fileinto :copy :specialuse "\\Junk" "Archive";`, do: "append", want: `Junk[] Work[]`},
		{name: "fileinto what is not there", script: `fileinto "Nowhere";`, do: "append", want: `INBOX[] Work[]`}, // told
		{name: "create", script: `fileinto :create "New/one";`, do: "append", want: `New/one[] Work[\Deleted]`},
		{name: "redirect", script: `redirect "x@example.net";`, do: "append", want: `Work[\Deleted]`, sent: "ann@example.org>x@example.net"},
		{name: "redirect to self", script: `redirect "ann@example.org";`, do: "append", want: `Work[]`},
		{name: "redirect and keep", script: `redirect :copy "x@example.net";`, do: "append", want: `Work[]`, sent: "ann@example.org>x@example.net"},
		{name: "notify", script: `notify "mailto:x@example.net";`, do: "append", want: `Work[]`, sent: ">x@example.net"},
		{name: "reject", script: `reject "no";`, do: "append", want: `INBOX[] Work[]`}, // told
		{name: "vacation", script: `vacation "no";`, do: "append", want: `INBOX[] Work[]`},
		{name: "cause", script: `if environment "imap.cause" "COPY" { addflag "copied"; }`, do: "copy", want: `INBOX[] Work[copied]`},
		{name: "cause of a move", script: `if environment "imap.cause" "COPY" { addflag "copied"; }`, do: "move", want: `Work[copied]`},
		{name: "items", script: `if environment :matches "imap.mailbox" "*" { set "m" "${1}"; } if environment :matches "imap.user" "*" { set "u" "${1}"; }
			if environment :matches "location" "*" { set "l" "${1}"; } if environment :matches "phase" "*" { set "p" "${1}"; }
			addflag "${m},${u},${l},${p}";`, do: "append", want: `Work[Work,ann@example.org,MS,post]`},
		{name: "changed flags", script: `if environment :matches "imap.changedflags" "*" { if string "${1}" "\\Flagged" { addflag "changed"; } }`, do: "flag", want: `Work[\Flagged changed]`},
		{name: "no changed flags but by STORE", script: `if environment :matches "imap.changedflags" "*" { addflag "x"; }`, do: "append", want: `Work[]`},
		{name: "editheader", script: `addheader "X-New" "1"; keep :flags "e";`, do: "append", want: `Work[e]`},
		{name: "edited elsewhere", script: `addheader "X-New" "1"; fileinto "Archive";`, do: "append", want: `Archive[] Work[\Deleted]`},
		{name: "delivery is none", script: `addflag "x";`, do: "deliver", want: `Work[]`},
		{name: "once", script: `if not duplicate { addflag "first"; }`, do: "append append", want: `Work[] Work[first]`},
		{name: "a flag that was there", script: `addflag "x";`, do: "reflag", want: `Work[\Flagged]`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, DefaultConfig())
			ctx, id := t.Context(), r.ids["ann"]
			_, err := r.scripts.Put(ctx, id, "events", all+tc.script)
			r.must(err)
			r.mail.OnEvent(r.filter.Event)
			a := r.mail.Open(id, id)
			work, err := a.Create(ctx, "Work")
			r.must(err)
			inbox, err := a.Mailbox(ctx, "INBOX")
			r.must(err)
			watch := func(name string) {
				r.must(a.SetMetadata(ctx, work.ID, []mail.Metadata{{Name: mail.ScriptEntry, Value: []byte(name)}}))
			}
			if tc.do != "reflag" && tc.do != "flag" {
				watch("events")
			}
			for _, what := range strings.Fields(tc.do) {
				switch what {
				case "append":
					r.put(a, "Work", hello)
				case "copy":
					_, err = a.Copy(ctx, inbox.ID, one(r.put(a, "INBOX", hello)), a, work.ID)
				case "move":
					_, err = a.Move(ctx, inbox.ID, one(r.put(a, "INBOX", hello)), a, work.ID)
				case "flag", "reflag":
					var flags []imap.Flag
					if what == "reflag" {
						flags = append(flags, imap.FlagFlagged)
					}
					uid := r.put(a, "Work", hello, flags...)
					watch("events")
					_, err = a.SetFlags(ctx, work.ID, one(uid), mail.FlagChange{Op: mail.AddFlags, Flags: []imap.Flag{imap.FlagFlagged}})
				case "deliver":
					r.use(`require "fileinto"; fileinto "Work";`)
					r.must(r.send("carl@example.net", hello, false, "ann")[0])
				}
				r.must(err)
			}
			if got := r.state(); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
			if sent := r.sent.take(); len(sent) > 1 || (len(sent) == 1) != (tc.sent != "") || tc.sent != "" && !strings.HasPrefix(sent[0], tc.sent) {
				t.Errorf("sent %q, want %s", sent, tc.sent)
			}
			if tc.name == "editheader" {
				if content, _ := r.newest("Work"); !strings.HasPrefix(content, "X-New: 1\r\n") {
					t.Error(content)
				}
			}
		})
	}
}

// TestEventScripts checks which script runs: none when it is not there or the entry is taken away.
func TestEventScripts(t *testing.T) {
	r := newRig(t, DefaultConfig())
	ctx, id := t.Context(), r.ids["ann"]
	r.mail.OnEvent(r.filter.Event)
	a := r.mail.Open(id, id)
	work, err := a.Create(ctx, "Work")
	r.must(err)
	set := func(value []byte) error {
		return a.SetMetadata(ctx, work.ID, []mail.Metadata{{Name: mail.ScriptEntry, Value: value}})
	}
	r.must(set([]byte("later")))
	r.put(a, "Work", hello)
	_, err = r.scripts.Put(ctx, id, "later", `require "imap4flags"; addflag "x";`)
	r.must(err)
	r.put(a, "Work", hello)
	r.must(a.Rename(ctx, "Work", "Play"))
	r.put(a, "Play", hello)
	r.must(set(nil))
	r.put(a, "Play", hello)
	if got, want := r.state(), "Play[] Play[] Play[x] Play[x]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	// The account's own holds where the mailbox has none; an empty one is one.
	account := func(value []byte) error {
		return a.SetMetadata(ctx, 0, []mail.Metadata{{Name: mail.ScriptEntry, Value: value}})
	}
	r.must(account([]byte("later")))
	uid := r.put(a, "Play", hello)
	_, err = a.Copy(ctx, work.ID, one(uid), a, work.ID)
	r.must(err)
	r.must(set([]byte{}))
	r.put(a, "Play", hello)
	r.must(set(nil))
	r.must(account(nil))
	r.put(a, "Play", hello)
	if got, want := r.state(), "Play[] Play[] Play[] Play[] Play[x] Play[x] Play[x] Play[x]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if err := account([]byte("a\nb")); !errors.Is(err, storage.Invalid) {
		t.Error(err)
	}
	if err := r.mail.Open(r.ids["bob"], id).SetMetadata(ctx, 0, []mail.Metadata{{Name: mail.ScriptEntry, Value: []byte("x")}}); !errors.Is(err, storage.Forbidden) {
		t.Error(err)
	}
	if err := set([]byte("a\nb")); !errors.Is(err, storage.Invalid) {
		t.Error(err)
	}
	// Another whom the mailbox is granted to: the owner's script runs, and knows who it is.
	_, err = r.scripts.Put(ctx, id, "later", `require ["imapsieve", "environment", "imap4flags"]; if environment "imap.user" "bob@example.org" { addflag "bob"; }`)
	r.must(err)
	r.must(set([]byte("later")))
	r.must(a.Grant(ctx, work.ID, r.ids["bob"], func(storage.Rights) storage.Rights {
		return storage.Lookup | storage.Read | storage.Insert | storage.Seen | storage.Write
	}))
	r.put(r.mail.Open(r.ids["bob"], id), "Play", hello)
	if got := r.state(); !strings.Contains(got, "Play[bob]") {
		t.Error(got)
	}
}
