package verify

import (
	"encoding/base64"
	"errors"
	"strings"
)

// errTags means that a tag list cannot be read; errHeader that a header is too long.
var (
	errTags   = errors.New("bad tag list")
	errHeader = errors.New("header too long")
)

// parseTags reads a tag list, RFC 6376 §3.2. Values keep their blanks inside.
func parseTags(s string) (map[string]string, error) {
	tags := map[string]string{}
	for part := range strings.SplitSeq(s, ";") {
		name, value, ok := strings.Cut(part, "=")
		name = strings.Trim(name, wsp)
		if !ok {
			if name == "" {
				continue
			}
			return nil, errTags
		}
		if _, again := tags[name]; again || name == "" || len(tags) == maxTags {
			return nil, errTags
		}
		tags[name] = strings.Trim(value, wsp)
	}
	return tags, nil
}

const wsp = " \t\r\n"

// squeeze takes all blanks out.
func squeeze(s string) string {
	if !strings.ContainsAny(s, wsp) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(wsp, r) {
			return -1
		}
		return r
	}, s)
}

// list reads a list that colons separate.
func list(s string) []string {
	return strings.Split(squeeze(s), ":")
}

func decode64(s string) ([]byte, error) {
	s = squeeze(s)
	if len(s)%4 != 0 {
		return base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	}
	return base64.StdEncoding.DecodeString(s)
}

// withoutB returns a signature field's value with the value of its tag b taken
// out, as it was when it was signed (RFC 6376 §3.7).
func withoutB(value []byte) []byte {
	out := make([]byte, 0, len(value))
	for rest := string(value); rest != ""; {
		part, after, more := strings.Cut(rest, ";")
		if name, _, ok := strings.Cut(part, "="); ok && strings.Trim(name, wsp) == "b" {
			part = part[:strings.IndexByte(part, '=')+1]
		}
		out = append(out, part...)
		if more {
			out = append(out, ';')
		}
		rest = after
	}
	return out
}
