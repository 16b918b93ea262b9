package rules

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"atrium/storage"
)

// full are settings with a bit of everything.
func full() Settings {
	return Settings{
		Vacation: &Vacation{Enabled: true, From: "2020-01-01", Until: "2999-12-31", Zone: "+0100", Subject: `Away "now"`, Text: "Zeile ${1}\nzwei \\ ä", Days: 3, Addresses: []string{"x@example.net"}},
		Rules: []Rule{
			{Name: "list", If: []Condition{{Field: "list", How: "contains", Value: "dev.lists"}}, Folder: "Lists/dev", Flags: []string{`\Seen`, "list"}},
			{If: []Condition{{Field: "from", How: "domain", Value: "spam.example"}, {Field: "subject", How: "contains", Value: "buy", Not: true}}, Delete: true},
			{Any: true, GoOn: true, If: []Condition{{Field: "header:X-A", How: "exists"}, {Field: "body", How: "contains", Value: "secret"}, {Field: "to", How: "is", Value: "ann+x@example.org"}, {Field: "from", How: "exists", Not: true}}, Flags: []string{`\Flagged`}},
			{Disabled: true, If: []Condition{{Field: "from", How: "is", Value: "carl@example.net"}}, Delete: true},
		},
		Forward: &Forward{Enabled: true, To: []string{"y@example.net"}, Keep: true},
	}
}

func TestSettings(t *testing.T) {
	r := newRig(t, DefaultConfig())
	ctx, a := context.Background(), r.ids["ann"]
	want := full()
	st, err := r.scripts.SetSettings(ctx, a, want, KeepEdits)
	r.must(err)
	if !st.Active {
		t.Error(st)
	}
	st, err = r.scripts.Settings(ctx, a)
	r.must(err)
	if !reflect.DeepEqual(st.Settings, want) || !st.Exists || !st.Active || st.Edited {
		t.Errorf("%+v", st)
	}
	for _, tc := range []struct{ mail, boxes string }{
		{hello, "INBOX 1"}, {"List-Id: <dev.lists.example>\n" + hello, "INBOX 1, Lists/dev 1"},
		{strings.Replace(hello, "carl@example.net", "x@spam.example", 1), "INBOX 1, Lists/dev 1"}, {"X-A: 1\n" + hello, "INBOX 2, Lists/dev 1"},
	} {
		r.must(r.send("carl@example.net", tc.mail, false, "ann")[0])
		if got := r.boxes(); got != tc.boxes {
			t.Errorf("%q: %s", tc.mail, got)
		}
	}
	if _, flags := r.newest("INBOX"); !strings.Contains(flags, "Flagged") {
		t.Error(flags)
	}
	sent := strings.Join(r.sent.take(), "\n")
	if strings.Count(sent, "Auto-Submitted: auto-replied") != 1 || strings.Count(sent, ">y@example.net") != 2 || !strings.Contains(sent, "Zeile ${1}\r\nzwei \\ =C3=A4") {
		t.Error(sent)
	}
}

// TestEdited checks what becomes of settings whose script people edit, and of other scripts.
func TestEdited(t *testing.T) {
	r := newRig(t, DefaultConfig())
	ctx, a := context.Background(), r.ids["ann"]
	r.use("discard;")
	st, err := r.scripts.SetSettings(ctx, a, full(), KeepEdits)
	r.must(err)
	if st.Active || st.Other != "main" {
		t.Errorf("%+v", st)
	}
	text, err := r.scripts.Get(ctx, a, SettingsName)
	r.must(err)
	// A client may change the ends of lines: that is no edit.
	_, err = r.scripts.Put(ctx, a, SettingsName, strings.ReplaceAll(text, "\r\n", "\n"))
	r.must(err)
	if st, err = r.scripts.Settings(ctx, a); err != nil || st.Edited {
		t.Error(st, err)
	}
	_, err = r.scripts.Put(ctx, a, SettingsName, text+"keep;\r\n")
	r.must(err)
	if st, err = r.scripts.Settings(ctx, a); err != nil || !st.Edited || st.Settings.Vacation == nil {
		t.Error(st, err)
	}
	if _, err = r.scripts.SetSettings(ctx, a, Settings{}, KeepEdits); !errors.Is(err, Edited) {
		t.Error(err)
	}
	if st, err = r.scripts.SetSettings(ctx, a, Settings{}, Replace); err != nil || !st.Active {
		t.Error(st, err)
	}
	for _, bad := range []Settings{
		{Vacation: &Vacation{From: "tomorrow"}}, {Vacation: &Vacation{From: "2026-02-02", Until: "2026-02-01"}}, {Rules: []Rule{{}}},
		{Rules: []Rule{{If: []Condition{{Field: "nonsense", How: "is"}}}}}, {Forward: &Forward{Enabled: true, To: []string{"nobody"}}},
	} {
		if _, err := r.scripts.SetSettings(ctx, a, bad, Replace); !errors.Is(err, storage.Invalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func FuzzSettings(f *testing.F) {
	whole := full()
	f.Add(whole.Script(), "text", "2026-01-01", "folder", "from", "is", "x")
	f.Add("", "a\r\n.\r\n\"\\${hex:20}", "", "INBOX", "header:X", "contains", "${1}")
	f.Fuzz(func(t *testing.T, script, text, day, folder, field, how, value string) {
		ParseSettings(script)
		s := Settings{Vacation: &Vacation{Enabled: true, From: day, Text: text}, Rules: []Rule{{Name: text, Folder: folder, If: []Condition{{Field: field, How: how, Value: value}}}}}
		if s.Validate() != nil {
			return
		}
		got, edited, ok := ParseSettings(s.Script())
		if !ok || edited {
			t.Fatalf("%+v: %v %v\n%s", s, ok, edited, s.Script())
		}
		_ = got
	})
}
