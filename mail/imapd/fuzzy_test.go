package imapd

var _ = onOff("SEARCH=FUZZY", `
	C: a APPEND INBOX {+}
	L: From: Alice <alice@example.com>
	L: Subject: IMAP breaks the silence
	L:
	L: Nothing to see.
	C:
	S: a OK $...
	C: b APPEND INBOX {+}
	L: From: =?utf-8?q?Andr=C3=A9?= <andre@example.com>
	L: Subject: Lunch
	L:
	L: We break for a meeting about imap and more.
	C:
	S: b OK $...
	C: c APPEND INBOX {+}
	L: From: Carol <carol@example.com>
	L: Subject: Something else
	L:
	L: Breakfast is at nine.
	C:
	S: c OK $...
	C: d SELECT INBOX
	S: ...
	S: d OK $...
	C: e SEARCH FUZZY SUBJECT "silense imap"
	S: * SEARCH 1
	S: e OK $...
	C: f SEARCH SUBJECT "silense imap"
	S: * SEARCH
	S: f OK $...
	C: g SEARCH RETURN (RELEVANCY ALL) FUZZY TEXT break
	S: * ESEARCH (TAG "g") ALL 1:3 RELEVANCY (80 70 56)
	S: g OK $...
	C: h SORT (RELEVANCY) UTF-8 FUZZY TEXT meating
	S: * SORT 2
	S: h OK $...
	C: i UID SORT RETURN (RELEVANCY ALL) (REVERSE RELEVANCY) UTF-8 FUZZY TEXT break
	S: * ESEARCH (TAG "i") UID ALL 3,2,1 RELEVANCY (56 70 80)
	S: i OK $...
	C: j SORT RETURN (PARTIAL 2:3 RELEVANCY) (RELEVANCY) UTF-8 FUZZY TEXT break
	S: * ESEARCH (TAG "j") PARTIAL (2:3 2:3) RELEVANCY (70 56)
	S: j OK $...
	C: k SEARCH FUZZY FROM andre
	S: * SEARCH 2
	S: k OK $...
	C: l SEARCH FUZZY (FROM carl BODY brekfast)
	S: * SEARCH 3
	S: l OK $...
	C: m SEARCH RETURN (RELEVANCY) FUZZY OR SUBJECT luncg SUBJECT elze
	S: * ESEARCH (TAG "m") RELEVANCY (40 40)
	S: m OK $...
	C: n SEARCH RETURN (RELEVANCY ALL) FUZZY UNSEEN
	S: * ESEARCH (TAG "n") ALL 1:3 RELEVANCY (100 100 100)
	S: n OK $...
	C: o SEARCH RETURN (RELEVANCY ALL) FUZZY SUBJECT nowhere
	S: * ESEARCH (TAG "o")
	S: o OK $...
	C: p SEARCH RETURN (RELEVANCY) SUBJECT break
	S: p BAD RELEVANCY needs FUZZY
	C: q SORT (RELEVANCY) UTF-8 ALL
	S: q BAD RELEVANCY needs FUZZY
	C: r SEARCH NOT FUZZY SUBJECT lunhc
	S: * SEARCH 1 3
	S: r OK $...
	C: s SEARCH FUZZY NOT FUZZY FUZZY HEADER from alise
	S: * SEARCH 2 3
	S: s OK $...`, `
	C: a SELECT INBOX
	S: ...
	S: a OK $...
	C: b SEARCH FUZZY SUBJECT x
	S: b BAD $...
	C: c SORT (RELEVANCY) UTF-8 ALL
	S: c BAD $...`)
