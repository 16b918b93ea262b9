package card

import (
	"strings"
	"testing"
)

func parse(t *testing.T, s string) *Card {
	t.Helper()
	c, err := Parse([]byte(s), DefaultLimits())
	if err != nil {
		t.Fatalf("%v in\n%s", err, s)
	}
	return c
}

func vcard(version string, lines ...string) string {
	return "BEGIN:VCARD\r\nVERSION:" + version + "\r\n" + strings.Join(lines, "\r\n") + "\r\nEND:VCARD\r\n"
}

// conversions are lines of the one version with what they are in the other.
var conversions = []struct {
	name        string
	three, four string // lines, separated by line feeds
	only        string // "3" or "4": from that version alone, the way back is not the same
}{
	{name: "name", three: "N:Doe;John;;;\nFN:John Doe", four: "N:Doe;John;;;\nFN:John Doe"},
	{name: "preferred", three: "EMAIL;TYPE=HOME,pref:a@example.org", four: "EMAIL;PREF=1;TYPE=HOME:a@example.org"},
	{name: "internet", three: "EMAIL;TYPE=INTERNET;TYPE=HOME:a@example.org", four: "EMAIL;TYPE=HOME:a@example.org", only: "3"},
	{name: "photo", three: "PHOTO;ENCODING=b;TYPE=PNG:iVBORw0KGgo=", four: "PHOTO:data:image/png;base64,iVBORw0KGgo="},
	{name: "photo with its type beside it", three: "PHOTO;ENCODING=b;TYPE=PNG:iVBORw0KGgo=", four: "PHOTO;MEDIATYPE=image/png:data:;base64,iVBORw0KGgo=", only: "4"},
	{name: "photo without type", three: "PHOTO;ENCODING=B:iVBORw0KGgo=", four: "PHOTO:data:image/png;base64,iVBORw0KGgo=", only: "3"},
	{name: "photo elsewhere", three: "PHOTO;VALUE=uri;TYPE=JPEG:http://example.org/a.jpg", four: "PHOTO;MEDIATYPE=image/jpeg:http://example.org/a.jpg"},
	{name: "photo cropped", three: "PHOTO;X-ABCROP-RECTANGLE=ABClipRect_1&0&0&1&1&x;ENCODING=b;TYPE=JPEG:/9j/", four: "PHOTO;X-ABCROP-RECTANGLE=ABClipRect_1&0&0&1&1&x:data:image/jpeg;base64,/9j/"},
	{name: "key", three: "KEY;ENCODING=b;TYPE=PGP:AAAA", four: "KEY:data:application/pgp-keys;base64,AAAA"},
	{name: "group", three: "X-ADDRESSBOOKSERVER-KIND:group\nX-ADDRESSBOOKSERVER-MEMBER:urn:uuid:1", four: "KIND:group\nMEMBER:urn:uuid:1"},
	{name: "company", three: "X-ABShowAs:COMPANY", four: "KIND:org"},
	{name: "birthday", three: "BDAY:1996-04-15", four: "BDAY:19960415"},
	{name: "birthday as date", three: "BDAY;VALUE=date:1996-04-15", four: "BDAY:19960415", only: "3"},
	{name: "birthday with time", three: "BDAY;VALUE=date-time:1953-10-15T23:10:00Z", four: "BDAY:19531015T231000Z"},
	{name: "birthday without year", three: "BDAY;X-APPLE-OMIT-YEAR=1604;VALUE=date:1604-04-15", four: "BDAY:--0415"},
	{name: "birthday in words", three: "BDAY;VALUE=text:circa 1800", four: "BDAY;VALUE=text:circa 1800"},
	{name: "anniversary", three: "item1.X-ABDATE:2009-08-08\nitem1.X-ABLabel:_$!<Anniversary>!$_", four: "ANNIVERSARY:20090808", only: "4"},
	{name: "anniversary of Apple", three: "item2.X-ABDATE;TYPE=pref:2009-08-08\nitem2.X-ABLabel:_$!<Anniversary>!$_", four: "item2.ANNIVERSARY;PREF=1:20090808\nitem2.X-ABLabel:_$!<Anniversary>!$_"},
	{name: "anniversary of Evolution", three: "X-EVOLUTION-ANNIVERSARY:2009-08-08", four: "ANNIVERSARY:20090808", only: "3"},
	{name: "relative", three: "item1.X-ABRELATEDNAMES:Jane\nitem1.X-ABLabel:_$!<Spouse>!$_", four: "RELATED;VALUE=text;TYPE=spouse:Jane", only: "4"},
	{name: "father", three: "item3.X-ABRELATEDNAMES:Homer\nitem3.X-ABLabel:_$!<Father>!$_", four: "item3.RELATED;TYPE=parent;VALUE=text:Homer\nitem3.X-ABLabel:_$!<Father>!$_"},
	{name: "relative with a card", three: "RELATED;TYPE=friend:urn:uuid:2", four: "RELATED;TYPE=friend:urn:uuid:2"},
	{name: "label of Apple", three: "item1.EMAIL;TYPE=pref:a@example.org\nitem1.X-ABLabel:Boat", four: "item1.EMAIL;PREF=1:a@example.org\nitem1.X-ABLabel:Boat"},
	{name: "telephone", three: "TEL;TYPE=cell:+1-555-0100", four: "TEL;TYPE=cell;VALUE=uri:tel:+1-555-0100", only: "4"},
	{name: "telephone with quotes", three: "TEL;TYPE=voice,home:+1-555-0100 ext. 12", four: "TEL;VALUE=uri;TYPE=\"voice,home\":tel:+1-555-0100;ext=12", only: "4"},
	{name: "place", three: "GEO:37.386013;-122.082932", four: "GEO:geo:37.386013,-122.082932"},
	{name: "zone", three: "TZ:-05:00", four: "TZ;VALUE=utc-offset:-0500"},
	{name: "zone by name", three: "TZ;VALUE=text:Europe/Berlin", four: "TZ:Europe/Berlin"},
	{name: "label of an address", three: "ADR;TYPE=home:;;1 A St;Town;;1;Land\nLABEL;TYPE=home:1 A St\\nTown", four: "ADR;TYPE=home;LABEL=1 A St^nTown:;;1 A St;Town;;1;Land"},
	{name: "label as RFC 6350 writes it", three: "ADR;TYPE=home:;;1 A St;Town;;1;Land\nLABEL;TYPE=home:1 A St\\, B\\nTown", four: "ADR;TYPE=home;LABEL=\"1 A St, B\\nTown\":;;1 A St;Town;;1;Land", only: "4"},
	{name: "quoted-printable", three: "TITLE;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Caf=C3=A9=0D=0Anoir", four: "TITLE:Café\\nnoir", only: "3"},
	{name: "quoted-printable, folded", three: "TITLE;ENCODING=QUOTED-PRINTABLE:Caf=C3=\n =A9 no=\n ir", four: "TITLE:Café noir", only: "3"},
	{name: "address with an escaped colon", three: "URL;TYPE=pref:http\\://example.org/a", four: "URL;PREF=1:http://example.org/a", only: "3"},
	{name: "order", three: "N:van Dyck;Jan;;;\nSORT-STRING:Dyck", four: "N;SORT-AS=Dyck:van Dyck;Jan;;;"},
	{name: "messenger", three: "X-JABBER;TYPE=HOME:a@example.org", four: "IMPP;TYPE=HOME:xmpp:a@example.org", only: "3"},
	{name: "revision", three: "REV:1995-10-31T22:27:10Z", four: "REV:19951031T222710Z"},
	{name: "alternatives", three: "TITLE;ALTID=1;LANGUAGE=fr:Patron\nX-VCARD4-TITLE;ALTID=1;LANGUAGE=en:Boss", four: "TITLE;ALTID=1;LANGUAGE=fr:Patron\nTITLE;ALTID=1;LANGUAGE=en:Boss"},
	{name: "unknown", three: "X-OWN;X-P=1:a\\,b;c", four: "X-OWN;X-P=1:a\\,b;c"},
	{name: "categories", three: "CATEGORIES:a,b", four: "CATEGORIES:a,b"},
}

func TestConvert(t *testing.T) {
	base := "N:Doe;John;;;\nFN:John Doe\n"
	lines := func(version, s string) string {
		if !strings.Contains(s, "N:Doe") && !strings.HasPrefix(s, "N") {
			s = base + s
		} else if !strings.Contains(s, "FN:") {
			s = "FN:John Doe\n" + s
		}
		return vcard(version, strings.Split(s, "\n")...)
	}
	for _, tt := range conversions {
		three, four := lines("3.0", tt.three), lines("4.0", tt.four)
		if tt.only != "4" {
			if got := string(parse(t, three).Convert("4.0")); got != four {
				t.Errorf("%s: 4.0 of\n%s\nis\n%s\nwant\n%s", tt.name, three, got, four)
			}
		}
		if tt.only != "3" {
			if got := string(parse(t, four).Convert("3.0")); got != three {
				t.Errorf("%s: 3.0 of\n%s\nis\n%s\nwant\n%s", tt.name, four, got, three)
			}
		}
	}
}

func TestConvertAddsWhatIsDemanded(t *testing.T) {
	if got := string(parse(t, vcard("4.0", "FN:A, Group", "KIND:group")).Convert("3.0")); !strings.Contains(got, "\r\nN:A\\, Group;;;;\r\n") {
		t.Errorf("no N: %s", got)
	}
	if got := string(parse(t, vcard("3.0", "N:Doe;John;;Dr.;")).Convert("4.0")); !strings.Contains(got, "\r\nFN:Dr. John Doe\r\n") {
		t.Errorf("no FN: %s", got)
	}
	old := parse(t, "BEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;J=\r\n=C3=B6rg\r\nTEL;CELL:1\r\nEND:VCARD\r\n")
	got := string(old.Convert("3.0"))
	if !strings.Contains(got, "N:Müller;Jörg\r\n") || !strings.Contains(got, "TEL;TYPE=CELL:1\r\n") {
		t.Errorf("of 2.1: %s", got)
	}
	old = parse(t, "BEGIN:VCARD\r\nVERSION:2.1\r\nFN:Doe, John\r\nORG:Doe\\, Sons, Ltd;Sales\r\nGEO:37.24,-17.87\r\nPHOTO;JPEG;BASE64:\r\n /9j/\r\n 4AAQ\r\n\r\nEND:VCARD\r\n")
	for version, want := range map[string]string{
		"3.0": "N:Doe\\, John;;;;\nFN:Doe\\, John\nORG:Doe\\, Sons\\, Ltd;Sales\nGEO:-17.87;37.24\nPHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQ",
		"4.0": "FN:Doe\\, John\nORG:Doe\\, Sons\\, Ltd;Sales\nGEO:geo:-17.87,37.24\nPHOTO:data:image/jpeg;base64,/9j/4AAQ",
	} {
		if got := string(old.Convert(version)); got != vcard(version, strings.Split(want, "\n")...) {
			t.Errorf("%s of 2.1: %s", version, got)
		}
	}
}

func TestConvertFolds(t *testing.T) {
	long := strings.Repeat("ä", 500)
	got := string(parse(t, vcard("3.0", "N:a", "FN:a", "NOTE:"+long)).Convert("4.0"))
	for l := range strings.SplitSeq(got, "\r\n") {
		if len(l) > 75 {
			t.Fatalf("a line of %d octets", len(l))
		}
	}
	if c := parse(t, got); c.Prop("NOTE").Value != long {
		t.Error("the value changed")
	}
}

func FuzzConvert(f *testing.F) {
	for _, tt := range conversions {
		f.Add(vcard("3.0", strings.Split(tt.three, "\n")...))
		f.Add(vcard("4.0", strings.Split(tt.four, "\n")...))
	}
	f.Add("BEGIN:VCARD\nVERSION:4.0\n0;\"=\":\nEND:VCARD")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := Parse([]byte(s), Limits{Size: 1 << 16, Props: 1000})
		if err != nil {
			return
		}
		for _, version := range []string{"3.0", "4.0"} {
			out := c.Convert(version)
			again, err := Parse(out, Limits{})
			if err != nil {
				t.Fatalf("%q becomes %q: %v", s, out, err)
			}
			if c.Version != version && again.Version != version {
				t.Fatalf("version %q of %q", again.Version, out)
			}
		}
	})
}
