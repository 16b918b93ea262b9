package card

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// clientCards are properties as clients write them, line by line; a line that
// begins with a group belongs to those of the same group.
var clientCards = []struct {
	client, version string
	props           []string // an item may have lines that belong together
}{
	{"iOS and macOS", "3.0", []string{
		"PRODID:-//Apple Inc.//iPhone OS 18.1//EN", "NICKNAME:Jo", "ORG:Acme\\, Inc.;Sales", "X-PHONETIC-FIRST-NAME:Dscho", "X-MAIDENNAME:Roe",
		"EMAIL;type=INTERNET;type=HOME;type=pref:a@example.org", "item1.EMAIL;type=INTERNET:b@example.org\nitem1.X-ABLabel:_$!<Other>!$_",
		"TEL;type=CELL;type=VOICE;type=pref:+1 555 0100", "TEL;type=IPHONE;type=CELL;type=VOICE:1", "TEL;type=HOME;type=FAX:2", "item2.TEL:3\nitem2.X-ABLabel:Boat",
		"item3.ADR;type=HOME;type=pref:;;1 A St\\nRear;Town;CA;1;USA\nitem3.X-ABADR:us", "item4.URL;type=pref:https://example.org/\nitem4.X-ABLabel:_$!<HomePage>!$_",
		"BDAY;X-APPLE-OMIT-YEAR=1604:1604-04-15", "X-ALTBDAY;CALSCALE=chinese:--0203",
		"item5.X-ABDATE;type=pref:2009-08-08\nitem5.X-ABLabel:_$!<Anniversary>!$_", "item6.X-ABDATE:2010-01-02\nitem6.X-ABLabel:First steps",
		"item7.X-ABRELATEDNAMES;type=pref:Homer\nitem7.X-ABLabel:_$!<Father>!$_", "item8.X-ABRELATEDNAMES:Zoe\nitem8.X-ABLabel:Godmother",
		"IMPP;X-SERVICE-TYPE=Skype;type=HOME:skype:jo", "X-SOCIALPROFILE;type=twitter;x-user=jo:http://twitter.com/jo", "X-ABUID:1234:ABPerson",
		"PHOTO;X-ABCROP-RECTANGLE=ABClipRect_1&0&0&9&9&a==;ENCODING=b;TYPE=JPEG:/9j/4AAQSkZJRgABAQ==", "CATEGORIES:myContacts,Work", "NOTE:one\\ntwo\\; three\\, four",
	}},
	{"a group of macOS", "3.0", []string{"X-ADDRESSBOOKSERVER-KIND:group", "X-ADDRESSBOOKSERVER-MEMBER:urn:uuid:1", "X-ADDRESSBOOKSERVER-MEMBER:urn:uuid:2"}},
	{"a company of macOS", "3.0", []string{"X-ABShowAs:COMPANY", "ORG:Acme;", "LOGO;VALUE=uri:https://example.org/l.png"}},
	{"Google", "3.0", []string{
		"EMAIL;TYPE=INTERNET;TYPE=WORK:a@example.org", "item1.URL:http\\://www.google.com/profiles/1\nitem1.X-ABLabel:PROFILE", "BDAY;VALUE=date:1990-02-28",
		"PHOTO:https://lh3.example.com/p.jpg", "TEL;TYPE=X-Custom:1", "item2.ORG:Acme\nitem2.X-ABLabel:",
	}},
	{"Outlook", "2.1", []string{
		"TEL;WORK;VOICE:1", "TEL;CELL;PREF:2", "NOTE;ENCODING=QUOTED-PRINTABLE;CHARSET=Windows-1252:Gr=FC=DFe=0D=0Azwei", "X-MS-OL-DEFAULT-POSTAL-ADDRESS:2",
		"ADR;WORK;PREF;ENCODING=QUOTED-PRINTABLE;CHARSET=utf-8:;;1 Stra=C3=9Fe;Ort;;1;", "X-MS-OL-DESIGN;CHARSET=utf-8:<card/>", "BDAY:19900228", "REV:20200102T030405Z",
	}},
	{"Thunderbird", "4.0", []string{
		"EMAIL;PREF=1:a@example.org", "EMAIL;PREF=2;TYPE=work:b@example.org", "TEL;VALUE=TEXT;TYPE=cell:1", "TZ;VALUE=TEXT:Europe/Berlin", "BDAY;VALUE=DATE:--0415",
		"ANNIVERSARY;VALUE=DATE:20090808", "NOTE:n", "ROLE:r", "X-CUSTOM1;VALUE=TEXT:c", "IMPP;VALUE=TEXT:xmpp:a@example.org", "PHOTO;VALUE=URI:data:image/png;base64,iVBORw0KGgo=",
	}},
	{"DAVx5", "4.0", []string{
		"PRODID:-//bitfire web engineering//DAVx5//EN", "davdroid1.TEL:1\ndavdroid1.X-ABLABEL:Boat", "RELATED;TYPE=friend,met;VALUE=text:Jane", "RELATED;TYPE=x-manager;VALUE=text:Max",
		"RELATED:urn:uuid:3", "IMPP;TYPE=home:sip:a@example.org", "EMAIL;TYPE=x-mobile:a@example.org", "URL;TYPE=x-blog:https://example.org/", "REV:20200102T030405Z",
		"PHOTO:data:image/avif;base64,AAAA", "KIND:group", "MEMBER:urn:uuid:4", "MEMBER:mailto:c@example.org",
	}},
	{"KAddressBook", "3.0", []string{
		"X-KADDRESSBOOK-BlogFeed:https://example.org/f", "X-KADDRESSBOOK-X-Profession:Cook", "X-KADDRESSBOOK-X-SpouseName:Jane", "GEO:37.386013;-122.082932", "TZ:+01:00",
		"KEY;TYPE=PGP:-----BEGIN PGP PUBLIC KEY BLOCK-----\\nVersion: 1", "CLASS:PRIVATE", "SOUND;ENCODING=b;TYPE=BASIC:AAAA", "MAILER:kmail", "LABEL;TYPE=home:1 A St\\nTown", "ADR;TYPE=home:;;1 A St;Town;;;",
	}},
	{"Evolution", "3.0", []string{
		"X-EVOLUTION-FILE-AS:Doe\\, John", "EMAIL;TYPE=OTHER;X-EVOLUTION-UI-SLOT=1:a@example.org", "X-EVOLUTION-MANAGER:Max", "X-MOZILLA-HTML:TRUE", "CALURI:https://example.org/c",
		"FBURL:https://example.org/f", "X-EVOLUTION-VIDEO-URL:https://example.org/v", "TEL;TYPE=\"HOME,VOICE\":1", "LOGO;TYPE=webp;ENCODING=b:UklGRg==",
	}},
	{"Nextcloud", "4.0", []string{
		"X-SOCIALPROFILE;TYPE=mastodon:@a@example.org", "GENDER:O;it", "LANG;PREF=1:fr", "LANG;PREF=2:en", "RELATED;TYPE=co-worker:urn:uuid:9", "TZ:Europe/Paris",
		"ADR;TYPE=home;LABEL=\"1 A St, Town\";GEO=\"geo:1,2\";PREF=3:;;1 A St;Town;;;", "CLOUD;TYPE=home:a@cloud.example.org",
	}},
	{"RFC 6350, 6715, 8605 and 9554", "4.0", []string{
		"N;SORT-AS=\"Harten,Rene\":van der Harten;Rene,J.;Sir;R.D.O.N.;", "ORG;SORT-AS=ABC:ABC\\, Inc.;Marketing", "BDAY:---15", "DEATHDATE:1996-04", "ANNIVERSARY;VALUE=text:circa 1800",
		"BDAY;CALSCALE=x-persian:13700101", "TITLE;ALTID=1;LANGUAGE=fr:Patron\nTITLE;ALTID=1;LANGUAGE=en:Boss", "EMAIL;PID=1.1,2.1:a@example.org", "CLIENTPIDMAP:1;urn:uuid:8",
		"TEL;VALUE=uri;TYPE=textphone:tel:+1-555-0100;phone-context=example.org", "GEO:geo:37.38,-122.08,30;u=35", "URL;MEDIATYPE=text/html:https://example.org/", "XML:<a/>",
		"HOBBY;INDEX=1;LEVEL=high:reading", "EXPERTISE;LEVEL=beginner:go", "CONTACT-URI;PREF=1:mailto:a@example.org", "KEY:data:application/pgp-keys;base64,AAAA",
		"KEY;MEDIATYPE=application/pgp-keys:https://example.org/k", "SOURCE:https://example.org/v.vcf", "TZ;VALUE=uri:https://example.org/tz", "PRONOUNS;LANGUAGE=en:they/them", "KIND:x-device",
	}},
}

// same is a property such that two that say the same are the same.
func same(version string, p *Prop) string {
	l := line{name: p.Name, params: p.Params, value: p.Value}
	modernize(&l)
	var params []string
	var types []string
	for _, t := range l.types() {
		if t = strings.ToLower(t); t != "internet" && !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	l.setTypes(nil)
	isDate := slices.Contains([]string{"BDAY", "DEATHDATE", "ANNIVERSARY", "X-ABDATE"}, p.Name)
	for _, q := range l.params {
		v := strings.Join(q.Values, ",")
		switch low := strings.ToLower(v); {
		case q.Name == "VALUE" && (low == "uri" || low == "date" || low == "text" && !isDate && p.Name != "RELATED"): // the default, or told by the value
		default:
			params = append(params, q.Name+"="+v)
		}
	}
	slices.Sort(types)
	slices.Sort(params)
	value := l.value
	if p.Name == "URL" || p.Name == "REV" || isDate {
		value = strings.ReplaceAll(value, "\\:", ":")
	}
	if version == "2.1" && (isDate || p.Name == "REV") {
		value = strings.NewReplacer("-", "", ":", "").Replace(value)
	}
	return fmt.Sprintf("%s.%s %q %q %s", strings.ToLower(p.Group), p.Name, types, params, value)
}

// TestRoundTrip converts random cards of what clients write there and back:
// each property must still be there and say the same.
func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(6350, 2426))
	once := map[string]bool{}
	for _, c := range clientCards {
		for n := range 60 {
			props := []string{"N:Doe;John;;;", "FN:John Doe"}
			seen := map[string]bool{}
			for _, i := range r.Perm(len(c.props)) {
				name, _, _ := strings.Cut(strings.SplitN(c.props[i], ":", 2)[0], ";")
				single := slices.Contains([]string{"N", "BDAY", "ANNIVERSARY", "KIND", "GENDER"}, name)
				if n > 0 && r.IntN(2) == 0 || single && seen[name] || n == 0 && single && seen[name] {
					continue
				}
				seen[name] = true
				if name == "N" {
					props[0] = c.props[i]
					continue
				}
				props = append(props, strings.Split(c.props[i], "\n")...)
			}
			sent := parse(t, vcard(c.version, props...))
			there, back := "4.0", c.version
			switch c.version {
			case "4.0":
				there = "3.0"
			case "2.1":
				back = "3.0"
			}
			middle := sent.Convert(there)
			got := parse(t, string(parse(t, string(middle)).Convert(back)))
			var all []string
			for i := range got.Props {
				p := got.Props[i]
				all = append(all, same(c.version, &p))
				p.Group = "" // one may be given for a label
				all = append(all, same(c.version, &p))
			}
			for i := range sent.Props {
				if p := &sent.Props[i]; p.Name != "VERSION" && !once[c.client+same(c.version, p)] && !slices.Contains(all, same(c.version, p)) {
					once[c.client+same(c.version, p)] = true
					t.Errorf("%s: %s is lost\nsent\n%s\n%s\n%s\nback\n%s", c.client, same(c.version, p), sent.Source[p.Start:p.End], there, grep(string(middle), p), grep(got.Source, p))
				}
			}
		}
	}
}

// grep is the lines of a card that may be a property's.
func grep(card string, p *Prop) string {
	var out []string
	for l := range strings.SplitSeq(card, "\r\n") {
		if strings.Contains(strings.ToUpper(l), p.Name) || strings.Contains(l, p.Value) {
			out = append(out, l)
		}
	}
	return strings.Join(out, "\n")
}
