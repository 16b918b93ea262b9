package imapd

import (
	"testing"

	"atrium/mail/mailtest"
)

// TestListChildInfo has what RFC 5258 §3.5 says of names that are chosen and of those above them.
func TestListChildInfo(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, script string }{
		{"a chosen name tells of chosen ones below it, whether or not they are shown", `
			C: a CREATE Fruit/Apple
			S: a OK $...
			C: b CREATE Fruit/Pear/Small
			S: b OK $...
			C: c CREATE Fruit
			S: c OK $...
			C: d SUBSCRIBE Fruit
			S: d OK $...
			C: e SUBSCRIBE Fruit/Apple
			S: e OK $...
			C: f SUBSCRIBE Fruit/Pear/Small
			S: f OK $...
			C: g LIST (SUBSCRIBED RECURSIVEMATCH) "" Fruit*
			S: * LIST (\HasChildren \Subscribed) "/" Fruit (CHILDINFO ("SUBSCRIBED"))
			S: * LIST (\HasNoChildren \Subscribed) "/" Fruit/Apple
			S: * LIST (\HasNoChildren \Subscribed) "/" Fruit/Pear/Small
			S: g OK $...
			C: h LIST (RECURSIVEMATCH SUBSCRIBED) "" Fruit/%
			S: * LIST (\HasNoChildren \Subscribed) "/" Fruit/Apple
			S: * LIST ($... \HasChildren) "/" Fruit/Pear (CHILDINFO ("SUBSCRIBED"))
			S: h OK $...
			C: i LIST (SUBSCRIBED) "" Fruit
			S: * LIST (\HasChildren \Subscribed) "/" Fruit
			S: i OK $...`},
		{"no answers but LIST for a name that only has chosen ones below it, RFC 5819 §3, RFC 8440 §4", `
			C: a CREATE foo
			S: a OK $...
			C: b CREATE foo/bar
			S: b OK $...
			C: c SUBSCRIBE foo/bar
			S: c OK $...
			C: d LIST (SUBSCRIBED RECURSIVEMATCH) "" f% RETURN (STATUS (MESSAGES) MYRIGHTS)
			S: * LIST (\HasChildren) "/" foo (CHILDINFO ("SUBSCRIBED"))
			S: d OK $...
			C: e LIST (SUBSCRIBED RECURSIVEMATCH) "" foo/* RETURN (MYRIGHTS STATUS (MESSAGES))
			S: * LIST (\HasNoChildren \Subscribed) "/" foo/bar
			S: * STATUS foo/bar (MESSAGES 0)
			S: * MYRIGHTS foo/bar $...
			S: e OK $...`},
		{"each selection option must hold, above too, RFC 5258 §3", `
			C: a RENAME Sent Old/Sent
			S: a OK $...
			C: b CREATE Old/Plain
			S: b OK $...
			C: c SUBSCRIBE Old/Plain
			S: c OK $...
			C: d LIST (SUBSCRIBED SPECIAL-USE RECURSIVEMATCH) "" O%
			S: d OK $...
			C: e SUBSCRIBE Old/Sent
			S: e OK $...
			C: f LIST (SUBSCRIBED SPECIAL-USE RECURSIVEMATCH) "" O%
			S: * LIST ($... \HasChildren) "/" Old (CHILDINFO ("SUBSCRIBED" "SPECIAL-USE"))
			S: f OK $...
			C: g LIST (SPECIAL-USE RECURSIVEMATCH) "" O%
			S: * LIST ($... \HasChildren) "/" Old (CHILDINFO ("SPECIAL-USE"))
			S: g OK $...
			C: h LIST (SPECIAL-USE SUBSCRIBED) "" Old*
			S: * LIST (\HasNoChildren \Subscribed \Sent) "/" Old/Sent
			S: h OK $...`},
		{"an option twice is one, an empty pattern none, RFC 5258 §3", `
			C: a LIST "" INBOX RETURN (MYRIGHTS STATUS (MESSAGES) MYRIGHTS STATUS (MESSAGES))
			S: * LIST (\HasNoChildren) "/" INBOX
			S: * STATUS INBOX (MESSAGES 0)
			S: * MYRIGHTS INBOX $...
			S: a OK $...
			C: b LIST (SPECIAL-USE SPECIAL-USE) "" Sent
			S: * LIST (\HasNoChildren \Sent) "/" Sent
			S: b OK $...
			C: c LIST "" ("" INBOX "Inbox")
			S: * LIST (\HasNoChildren) "/" INBOX
			S: c OK $...
			C: d LIST () "INBOX" ""
			S: d OK $...
			C: e LIST "" "" RETURN (CHILDREN)
			S: e OK $...
			C: f LIST "" ""
			S: * LIST (\Noselect) "/" ""
			S: f OK $...`},
		{"a reference and a pattern are parts of names: INBOX is only what they make together, RFC 3501 §6.3.8", `
			C: a CREATE inboxes
			S: a OK $...
			C: b CREATE x/inbox
			S: b OK $...
			C: c LIST "inbox" %
			S: * LIST (\HasNoChildren) "/" INBOX
			S: * LIST (\HasNoChildren) "/" inboxes
			S: c OK $...
			C: d LIST x/ inbox
			S: * LIST (\HasNoChildren) "/" x/inbox
			S: d OK $...
			C: e LIST "" InBox
			S: * LIST (\HasNoChildren) "/" INBOX
			S: e OK $...
			C: f LIST In bOx
			S: * LIST (\HasNoChildren) "/" INBOX
			S: f OK $...
			C: g SUBSCRIBE x/inbox
			S: g OK $...
			C: h LSUB x/ inbox
			S: * LSUB () "/" x/inbox
			S: h OK $...`},
		{"REMOTE is none of the options that RECURSIVEMATCH needs, RFC 5258 §3.1", `
			C: a LIST (REMOTE RECURSIVEMATCH) "" *
			S: a BAD $...
			C: b LIST (REMOTE) "" INBOX
			S: * LIST (\HasNoChildren) "/" INBOX
			S: b OK $...`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			mailtest.Play(t, newRig(t, nil).player(), tc.script)
		})
	}
}

// What cannot be selected has no STATUS, and LIST says why (RFC 5819 §2).
func TestListStatusRights(t *testing.T) {
	t.Parallel()
	mailtest.Play(t, newRig(t, nil).bare(), login(1, 2)+`
		C: a CREATE drop
		S: a OK $...
		C: b SETACL drop user2 li
		S: b OK $...
		2C: a LIST "" Shared/user1/* RETURN (STATUS (MESSAGES))
		2S: * LIST (\Noselect \HasNoChildren) "/" Shared/user1/drop
		2S: a OK $...
		2C: b LIST "" Shared/user1/* RETURN (MYRIGHTS)
		2S: * LIST (\HasNoChildren) "/" Shared/user1/drop
		2S: * MYRIGHTS Shared/user1/drop li
		2S: b OK $...`)
}
