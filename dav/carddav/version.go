package carddav

import (
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"atrium/contacts/card"
	"atrium/dav"
)

// A card is served as it came, unless a client asks for the other version of
// vCard: in address-data (RFC 6352 §10.4), by Accept (§5.1.1), or by being one
// of Apple's, which read and write 3.0 with groups of their own.

// spoken is the version that a program reads which does not ask, "" for any.
func spoken(rq *dav.Request) string {
	agent := rq.Header.Get("User-Agent")
	for _, name := range [...]string{"AddressBookCore/", "AddressBook/", "dataaccessd/", "iOS/", "macOS/", "Mac OS X/", "Mac+OS+X/"} {
		if strings.Contains(agent, name) {
			return "3.0"
		}
	}
	return ""
}

// inVersion returns a card in a version; "" is the one it has.
func inVersion(raw []byte, version string) ([]byte, error) {
	if version == "" || card.VersionOf(raw) == version {
		return raw, nil
	}
	c, err := card.Parse(raw, card.Limits{})
	if err != nil {
		return nil, err
	}
	return c.Convert(version), nil
}

// negotiate converts the answer of a GET.
func negotiate(rq *dav.Request, b dav.Body) (dav.Body, string, error) {
	version := accepted(rq.Header)
	if version == "" {
		version = spoken(rq)
	}
	if version == "" || b.Size() > maxConverted {
		return nil, "", nil
	}
	raw, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
	if err != nil {
		return nil, "", err
	}
	out, err := inVersion(raw, version)
	if err != nil {
		return nil, "", err
	}
	return dav.BytesBody(out), mediaType + "; version=" + version, nil
}

// maxConverted bounds what is held in memory to be converted, in bytes.
const maxConverted = 64 << 20

// accepted is the version of vCard that Accept names with the greatest weight,
// "" when it names none or takes any as well.
func accepted(h http.Header) (version string) {
	best := 0.0
	for _, field := range h.Values("Accept") {
		for item := range strings.SplitSeq(field, ",") {
			m, params, err := mime.ParseMediaType(item)
			if err != nil {
				continue
			}
			q := 1.0
			if v, ok := params["q"]; ok {
				if q, err = strconv.ParseFloat(v, 64); err != nil {
					continue
				}
			}
			v := params["version"]
			switch m {
			case "text/vcard", "text/x-vcard", "text/directory":
			case "text/*", "*/*":
				v = ""
			default:
				continue
			}
			if v != "" && v != "3.0" && v != "4.0" {
				continue
			}
			if q > best {
				best, version = q, v
			}
		}
	}
	return version
}
