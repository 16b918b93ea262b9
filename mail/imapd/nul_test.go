package imapd

import (
	"fmt"
	"strings"
	"testing"
)

// RFC 9051 §4.3: no literal but literal8 has a NUL. Sizes stay, and BINARY gives the octets as they are.
func TestNUL(t *testing.T) {
	play(t, "a small part", `
		C: a APPEND INBOX ~{27+}
		R: X: a\x00b\r\nSubject: s\r\n\r\n1\x002\r\n\r\n
		S: a OK $...
		C: b SELECT INBOX
		S: ...
		S: b OK $...
		C: c FETCH 1 (RFC822.SIZE BODY.PEEK[TEXT])
		S: * 1 FETCH (RFC822.SIZE 27 BODY[TEXT] {5}
		S: 1`+"\x80"+`2
		S: )
		S: c OK $...
		C: d FETCH 1 (BODY.PEEK[HEADER.FIELDS (X)])
		S: * 1 FETCH (BODY[HEADER.FIELDS (X)] {10}
		S: X: a`+"\x80"+`b
		S:
		S: )
		S: d OK $...
		C: e FETCH 1 BODY.PEEK[TEXT]<1.1>
		S: * 1 FETCH (BODY[TEXT]<1> {1}
		S: `+"\x80"+`)
		S: e OK $...
		C: f FETCH 1 BINARY.PEEK[1]
		S: * 1 FETCH (BINARY[1] ~{5}
		S: 1`+"\x00"+`2
		S: )
		S: f OK $...`)
	play(t, "a part that is binary becomes base64, RFC 3516 §4.4, §6", `
		C: a APPEND INBOX ~{158+}
		R: Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\ncontent-transfer-encoding:\r\n Binary\r\nX: 1\r\n\r\na\x00b\r\n\xff\r\n--x\r\nContent-Transfer-Encoding: binary\r\n\r\ntext\r\n--x--\r\n\r\n
		S: a OK $...
		C: b SELECT INBOX
		S: ...
		S: b OK $...
		C: c FETCH 1 (BODYSTRUCTURE BINARY.SIZE[1] RFC822.SIZE)
		S: * 1 FETCH (BODYSTRUCTURE (("text" "plain" $... "base64" 8 0 $...)("text" "plain" $... "binary" 4 0 $...) "mixed" $...) BINARY.SIZE[1] 6 RFC822.SIZE 158)
		S: c OK $...
		C: d FETCH 1 (BINARY.PEEK[1] BODY.PEEK[1] BODY.PEEK[2])
		S: * 1 FETCH (BINARY[1] ~{6}
		S: a`+"\x00"+`b
		S: `+"\xff"+` BODY[1] {8}
		S: YQBiDQr/ BODY[2] {4}
		S: text)
		S: d OK $...
		C: e FETCH 1 BODY.PEEK[1.MIME]
		S: * 1 FETCH (BODY[1.MIME] {43}
		S: Content-Transfer-Encoding: base64
		S: X: 1
		S:
		S: )
		S: e OK $...
		C: f APPEND INBOX ~{46+}
		R: Content-Transfer-Encoding: binary\r\n\r\nnothing\r\n\r\n
		S: * 2 EXISTS
		S: ...
		S: f OK $...
		C: g FETCH 2 BODYSTRUCTURE
		S: * 2 FETCH (BODYSTRUCTURE ("text" "plain" $... "binary" 9 1 $...))
		S: g OK $...`)
	long := strings.Repeat("x", 300<<10)
	play(t, "a part that is streamed", fmt.Sprintf(`
		C: a APPEND INBOX ~{%d+}
		R: \r\n\x00%s\x00\r\n
		R: \r\n
		S: a OK $...
		C: b SELECT INBOX
		S: ...
		S: b OK $...
		C: c FETCH 1 BODY.PEEK[TEXT]
		S: * 1 FETCH (BODY[TEXT] {%d}
		S: %s%s%s
		S: )
		S: c OK $...
		C: d FETCH 1 BINARY.PEEK[1]
		S: * 1 FETCH (BINARY[1] ~{%d}
		S: %s%s%s
		S: )
		S: d OK $...`, len(long)+6, long, len(long)+4, "\x80", long, "\x80", len(long)+4, "\x00", long, "\x00"))
}
