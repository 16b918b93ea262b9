package imapd

import (
	"strings"
	"testing"
)

// nested is a search key in more parentheses than there may be.
var nested = strings.Repeat("(", 300) + "ALL" + strings.Repeat(")", 300)

// Requirements on results of SEARCH, SORT and FETCH, and on what names messages, that no other test has.
func TestResults(t *testing.T) {
	play(t, "what is expunged leaves $, SELECT empties it, RFC 5182 §2.1", five+`
		C: b SEARCH RETURN (SAVE) ALL
		S: b OK $...
		C: c STORE 2 +FLAGS.SILENT (\Deleted)
		S: c OK $...
		C: d EXPUNGE
		S: * 2 EXPUNGE
		S: d OK $...
		C: e FETCH $ UID
		S: * 1 FETCH (UID 1)
		S: * 2 FETCH (UID 3)
		S: * 3 FETCH (UID 4)
		S: * 4 FETCH (UID 5)
		S: e OK $...
		C: f SEARCH RETURN (SAVE MIN MAX) ALL
		S: * ESEARCH (TAG "f") MIN 1 MAX 4
		S: f OK $...
		C: g UID SEARCH OR $ UID 3
		S: * SEARCH 1 3 5
		S: g OK $...
		C: h UID COPY $ Sent
		S: h OK [COPYUID $_ 1,5 1:2] $...
		C: i SELECT INBOX
		S: ...
		S: i OK $...
		C: j UID FETCH $ UID
		S: j OK $...`)
	play(t, "a SEARCH that is too deep empties $, RFC 5182 §2.1", five+`
		C: b SEARCH RETURN (SAVE) ALL
		S: b OK $...
		C: c SEARCH RETURN (SAVE) BOGUS
		S: c BAD $...
		C: d SEARCH RETURN (COUNT) $
		S: * ESEARCH (TAG "d") COUNT 5
		S: d OK $...
		C: e SEARCH RETURN (SAVE) `+nested+`
		S: e NO [LIMIT] $...
		C: f SEARCH RETURN (COUNT) $
		S: * ESEARCH (TAG "f") COUNT 0
		S: f OK $...`)
	play(t, "nothing found has no MIN and no MAX, but a COUNT, RFC 4731 §3.1", five+`
		C: b SEARCH RETURN (MIN MAX COUNT ALL) SUBJECT nothing
		S: * ESEARCH (TAG "b") COUNT 0
		S: b OK $...
		C: c UID SEARCH RETURN () SUBJECT nothing
		S: * ESEARCH (TAG "c") UID
		S: c OK $...
		C: d SORT (DATE) UTF-8 SUBJECT nothing
		S: * SORT
		S: d OK $...
		C: e THREAD REFERENCES UTF-8 SUBJECT nothing
		S: * THREAD
		S: e OK $...
		C: f SORT (DATE) KLINGON ALL
		S: f NO [BADCHARSET $...
		C: g THREAD KLINGON UTF-8 ALL
		S: g BAD $...`)
	play(t, "an interval is not 0, RFC 5032 §2", five+`
		C: b SEARCH YOUNGER 0
		S: b BAD $...
		C: c SEARCH OLDER 4294967295
		S: * SEARCH
		S: c OK $...
		C: d SEARCH YOUNGER 4294967295
		S: * SEARCH 1 2 3 4 5
		S: d OK $...`)
	play(t, "PREVIEW knows LAZY alone, RFC 8970 §3.1; SAVEDATE is there always, RFC 8514 §4.3", five+`
		C: b FETCH 1 (PREVIEW (LAZY) SAVEDATE)
		S: * 1 FETCH (PREVIEW "$..." SAVEDATE "$...")
		S: b OK $...
		C: c FETCH 1 (PREVIEW (HASTY))
		S: c BAD $...
		C: d SEARCH SAVEDATESUPPORTED SAVEDSINCE 1-Jan-2020
		S: * SEARCH 1 2 3 4 5
		S: d OK $...`)
	play(t, "UID EXPUNGE takes what is both named and deleted, RFC 4315 §2.1", five+`
		C: b STORE 1:3 +FLAGS.SILENT (\Deleted)
		S: b OK $...
		C: c UID EXPUNGE 3:*,77
		S: * 3 EXPUNGE
		S: c OK $...
		C: d UID EXPUNGE 78:79
		S: d OK $...
		C: e FETCH 1:* UID
		S: * 1 FETCH (UID 1)
		S: * 2 FETCH (UID 2)
		S: * 3 FETCH (UID 4)
		S: * 4 FETCH (UID 5)
		S: e OK $...`)
	play(t, "a window of UID FETCH that is not there, RFC 9394 §3.3", five+`
		C: b UID FETCH 1:* (UID) (PARTIAL 6:10)
		S: b OK $...
		C: c UID FETCH 2:* (UID) (PARTIAL -1:-2)
		S: * 4 FETCH (UID 4)
		S: * 5 FETCH (UID 5)
		S: c OK $...
		C: d FETCH 1:* (UID) (PARTIAL 1:2)
		S: d BAD $...`)
}
