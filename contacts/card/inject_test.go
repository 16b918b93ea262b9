package card

import (
	"strings"
	"testing"
)

// TestKeptNamesDoNoHarm: what only looks as if it had been kept from version 4.0 does not end the card, begin another one or
// give it a second version or UID.
func TestKeptNamesDoNoHarm(t *testing.T) {
	for _, l := range []string{
		"X-VCARD4-END:VCARD", "X-VCARD4-END;ALTID=1:VCARD", "X-VCARD4-BEGIN:VCARD", "X-VCARD4-VERSION:3.0", "X-VCARD4-UID:other", "X-VCARD4-:x",
		"X-VCARD4-X-VCARD4-END:VCARD", `GEO;X-VCARD4-URI="geo:1,2^nEND:VCARD^nBEGIN:VCARD":1;2`, "item1.X-VCARD4-END:VCARD",
		`PHOTO;ENCODING=b;TYPE="image/x^nEND:VCARD^nBEGIN:VCARD":AAAA`, `PHOTO;VALUE=uri;TYPE="image/x^nEND:VCARD":http://a/`,
	} {
		source := "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:one\r\nN:a;b;;;\r\nFN:b a\r\n" + l + "\r\nEND:VCARD\r\n"
		c, err := Parse([]byte(source), Limits{})
		if err != nil {
			t.Errorf("%s: %v", l, err)
			continue
		}
		four := string(c.Convert("4.0"))
		for _, name := range []string{"BEGIN:", "END:", "VERSION:", "UID:"} {
			if n := strings.Count("\r\n"+four, "\n"+name); n != 1 {
				t.Errorf("%s: %d lines %s in\n%s", l, n, name, four)
			}
		}
		if _, err := Parse([]byte(four), Limits{}); err != nil {
			t.Errorf("%s: %v in\n%s", l, err, four)
		}
	}
}
