package imapd

import "testing"

var _ = onOff("METADATA", `
	C: a GETMETADATA "" /private/comment
	S: * METADATA "" (/private/comment NIL)
	S: a OK $...
	C: b SETMETADATA "" (/private/Comment "mine" /private/vendor/x/y {3+}
	R: a\x22b)\r\n
	S: b OK $...
	C: c GETMETADATA (DEPTH infinity) "" /private
	S: * METADATA "" (/private/comment "mine"$...)
	S: c OK $...`, `
	C: a GETMETADATA "" /private/comment
	S: a BAD $...
	C: b SETMETADATA "" (/private/comment "mine")
	S: b BAD $...`)

var _ = onOff("LIST-METADATA", `
	C: a SETMETADATA Sent (/shared/vendor/test/color "#ff0000")
	S: a OK $...
	C: b LIST "" (INBOX Sent) RETURN (METADATA (/shared/vendor/test/color))
	S: * LIST ($...) "/" INBOX
	S: * METADATA INBOX (/shared/vendor/test/color NIL)
	S: * LIST ($...) "/" Sent
	S: * METADATA Sent (/shared/vendor/test/color "#ff0000")
	S: b OK $...`, `
	C: b LIST "" (INBOX Sent) RETURN (METADATA (/shared/vendor/test/color))
	S: b BAD $...`)

func TestMetadata(t *testing.T) {
	play(t, "values", `
		C: a SETMETADATA INBOX (/private/comment "My comment" /shared/comment "Its sunny outside!")
		S: a OK $...
		C: b GETMETADATA INBOX (/shared/comment /private/comment)
		S: * METADATA INBOX (/shared/comment "Its sunny outside!" /private/comment "My comment")
		S: b OK $...
		C: c GETMETADATA (MAXSIZE 12) INBOX (/shared/comment /private/comment)
		S: * METADATA INBOX (/private/comment "My comment")
		S: c OK [METADATA LONGENTRIES 18] $...
		C: d SETMETADATA INBOX (/private/comment NIL)
		S: d OK $...
		C: e GETMETADATA INBOX /private/comment
		S: * METADATA INBOX (/private/comment NIL)
		S: e OK $...
		C: f SETMETADATA INBOX (/private/empty "")
		S: f OK $...
		C: g GETMETADATA INBOX (/private/empty)
		S: * METADATA INBOX (/private/empty "")
		S: g OK $...
		C: h SETMETADATA INBOX (/private/bin ~{3+}
		R: a\x00b)\r\n
		S: h OK $...
		C: i GETMETADATA INBOX /private/bin
		S: * METADATA INBOX (/private/bin ~{3}
		S: $...)
		S: i OK $...`)
	play(t, "depth", `
		C: a SETMETADATA INBOX (/private/filters/values/small "a" /private/filters/values/boss "b" /private/filters "f" /private/filters/values/x/y "deep")
		S: a OK $...
		C: b GETMETADATA (DEPTH 1) INBOX (/private/filters/values)
		S: * METADATA INBOX (/private/filters/values NIL /private/filters/values/boss "b" /private/filters/values/small "a")
		S: b OK $...
		C: c GETMETADATA (DEPTH infinity MAXSIZE 1) INBOX /private/filters
		S: * METADATA INBOX (/private/filters "f" /private/filters/values/boss "b" /private/filters/values/small "a")
		S: c OK [METADATA LONGENTRIES 4] $...
		C: d GETMETADATA INBOX (DEPTH 1) /private/filters
		S: * METADATA INBOX (/private/filters "f")
		S: d OK $...
		C: e GETMETADATA (DEPTH 2) INBOX /private/filters
		S: e BAD $...`)
	play(t, "what cannot be", `
		C: a SETMETADATA INBOX (/other/x "a")
		S: a BAD $...
		C: b SETMETADATA INBOX (/private/a//b "a")
		S: b BAD $...
		C: c SETMETADATA INBOX (/private/a* "a")
		S: c BAD $...
		C: d SETMETADATA "" (/shared/comment "a")
		S: d NO [NOPERM] $...
		C: e SETMETADATA nothing (/private/comment "a")
		S: e NO [NONEXISTENT] $...
		C: f SETMETADATA INBOX (/private/comment {70000}
		S: f NO [METADATA MAXSIZE 65536] $...
		C: g GETMETADATA nothing /private/comment
		S: g NO [NONEXISTENT] $...
		C: h GETMETADATA INBOX ()
		S: h BAD $...`)
	play(t, "special uses, RFC 6154 §4", `
		C: a GETMETADATA Sent /private/specialuse
		S: * METADATA Sent (/private/specialuse "\\Sent")
		S: a OK $...
		C: b CREATE Old
		S: b OK $...
		C: c SETMETADATA Old (/private/specialuse "\\Sent")
		S: c NO [USEATTR] $...
		C: d SETMETADATA Sent (/private/specialuse NIL)
		S: d OK $...
		C: e SETMETADATA Old (/private/specialuse "\\Sent")
		S: e OK $...
		C: f LIST "" (Sent Old)
		S: * LIST (\HasNoChildren \Sent) "/" Old
		S: * LIST (\HasNoChildren) "/" Sent
		S: f OK $...`)
	play(t, "others' changes, when enabled", `
		C: a ENABLE METADATA
		S: * ENABLED METADATA
		S: a OK $...
		C: b SELECT INBOX
		S: ...
		S: b OK $...
		2C: a SETMETADATA INBOX (/private/x "1" /shared/y "2")
		2S: a OK $...
		2C: b SETMETADATA "" (/private/z "1")
		2S: b OK $...
		C: c NOOP
		S: * METADATA "" /private/z
		S: * METADATA INBOX /private/x /shared/y
		S: c OK $...
		C: d SETMETADATA INBOX (/private/x "3")
		!S: * METADATA$...
		S: d OK $...
		C: e NOOP
		!S: * METADATA$...
		S: e OK $...
		C: f IDLE
		S: + $...
		2C: c SETMETADATA INBOX (/private/x NIL)
		2S: c OK $...
		S: * METADATA INBOX /private/x
		C: DONE
		S: f OK $...`)
}
