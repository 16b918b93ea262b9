package imapd

import (
	"strings"
	"testing"

	"atrium/mail/mailtest"
)

var _ = onOff("UIDBATCHES", `
	C: a UIDBATCHES 500
	S: a BAD $...
	C: b SELECT INBOX
	S: ...
	S: b OK $...
	C: c UIDBATCHES 500
	S: * UIDBATCHES (TAG "c")
	S: c OK UIDBATCHES completed
	C: d UIDBATCHES 499
	S: d NO [TOOFEW] Minimum batch size is 500
	C: e UIDBATCHES 2000 4:1
	S: e BAD [CLIENTBUG] Invalid batch range
	C: f UIDBATCHES 2000 1:100
	S: f NO [TOOMANY] Too many messages
	C: g UIDBATCHES 0
	S: g BAD $...
	C: h UIDBATCHES 500 1
	S: h BAD $...
	C: i UIDBATCHES 500 4294967295:4294967295
	S: * UIDBATCHES (TAG "i")
	S: i OK $...`, `
	C: b SELECT INBOX
	S: ...
	S: b OK $...
	C: a UIDBATCHES 500
	S: a BAD $...`)

func TestUIDBatches(t *testing.T) {
	r := newRig(t, nil)
	r.fill(t, 1, "INBOX", 1234, nil)
	mailtest.Play(t, r.player(), `
		C: a ENABLE UIDONLY
		S: * ENABLED UIDONLY
		S: a OK $...
		C: b SELECT INBOX
		S: ...
		S: b OK $...
		C: c UID STORE 2:101,1234 +FLAGS.SILENT \Deleted
		S: c OK $...
		C: d UID EXPUNGE 1:*
		S: * VANISHED 2:101,1234
		S: d OK $...
		C: e UIDBATCHES 500
		S: * UIDBATCHES (TAG "e") 1233:734,733:234,233:1
		S: e OK $...
		C: f UIDBATCHES 500 2:3
		S: * UIDBATCHES (TAG "f") 733:234,233:1
		S: f OK $...
		C: g UIDBATCHES 500 3:9
		S: * UIDBATCHES (TAG "g") 233:1
		S: g OK $...
		C: h UIDBATCHES 500 4:5
		S: * UIDBATCHES (TAG "h")
		S: h OK $...
		C: i UIDBATCHES 1133
		S: * UIDBATCHES (TAG "i") 1233:1
		S: i OK $...
		C: j UID SEARCH RETURN (COUNT) UID 733:234
		S: * ESEARCH (TAG "j") UID COUNT 500
		S: j OK $...
		`+strings.Repeat(`
		C: k UIDBATCHES 500
		S: * UIDBATCHES $...
		S: k OK $...`, batchRepeats)+`
		C: l UIDBATCHES 500
		S: l NO [LIMIT] $...
		C: m UID STORE 300:560 +FLAGS.SILENT \Deleted
		S: m OK $...
		C: n UID EXPUNGE 1:*
		S: * VANISHED 300:560
		S: n OK $...
		C: o UIDBATCHES 500
		S: * UIDBATCHES (TAG "o") 1233:734,733:1
		S: o OK $...`)
}
