package message

import "bytes"

// appendCollapsed appends text with runs of white space as one blank, none at
// either end, and control characters left out.
func appendCollapsed(dst, text []byte) []byte {
	start := len(dst)
	blank := false
	for _, c := range text {
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			blank = true
		case c < ' ' || c == 0x7f:
		default:
			if blank && len(dst) > start {
				dst = append(dst, ' ')
			}
			blank = false
			dst = append(dst, c)
		}
	}
	return dst
}

// baseSubject takes from a decoded and collapsed subject what replies, forwards and
// mailing lists put there (RFC 5256 §2.1). reply tells whether there was a mark of a reply or
// forward.
func baseSubject(s []byte) (base []byte, reply bool) {
	for {
		for { // subj-trailer
			s = bytes.TrimRight(s, " ")
			t := cutSuffixFold(s, "(fwd)")
			if len(t) == len(s) {
				break
			}
			s, reply = t, true
		}
		for { // subj-leader and subj-blob
			before := len(s)
			s = bytes.TrimLeft(s, " ")
			if t, ok := cutLeader(s); ok {
				s, reply = t, true
				continue
			}
			if t, ok := cutBlob(s); ok && len(t) > 0 {
				s = t
			}
			if len(s) == before {
				break
			}
		}
		t := cutPrefixFold(s, "[fwd:")
		if len(t) == len(s) || s[len(s)-1] != ']' {
			return s, reply
		}
		s, reply = t[:len(t)-1], true
	}
}

// cutLeader cuts *subj-blob subj-refwd.
func cutLeader(s []byte) ([]byte, bool) {
	for {
		t, ok := cutBlob(s)
		if !ok {
			break
		}
		s = t
	}
	t := cutPrefixFold(s, "re")
	if len(t) == len(s) {
		if t = cutPrefixFold(s, "fwd"); len(t) == len(s) {
			t = cutPrefixFold(s, "fw")
		}
	}
	if len(t) == len(s) {
		return nil, false
	}
	t = bytes.TrimLeft(t, " ")
	if u, ok := cutBlob(t); ok {
		t = u
	}
	if len(t) == 0 || t[0] != ':' {
		return nil, false
	}
	return t[1:], true
}

// cutBlob cuts "[" *BLOBCHAR "]" *WSP.
func cutBlob(s []byte) ([]byte, bool) {
	if len(s) == 0 || s[0] != '[' {
		return s, false
	}
	i := bytes.IndexAny(s[1:], "[]")
	if i < 0 || s[1+i] == '[' {
		return s, false
	}
	return bytes.TrimLeft(s[i+2:], " "), true
}

// cutPrefixFold and cutSuffixFold return s itself when it has no such (lower-case) prefix or suffix.
func cutPrefixFold(s []byte, prefix string) []byte {
	if len(s) >= len(prefix) && equalFold(s[:len(prefix)], prefix) {
		return s[len(prefix):]
	}
	return s
}

func cutSuffixFold(s []byte, suffix string) []byte {
	if n := len(s) - len(suffix); n >= 0 && equalFold(s[n:], suffix) {
		return s[:n]
	}
	return s
}

// nextID finds the next message id in s: what stands between angle brackets, without comments and
// blanks, its local part unquoted (RFC 5256 §3 wants ids normalised).
func nextID(s []byte) (id, rest []byte, ok bool) {
	for {
		i := bytes.IndexByte(s, '<')
		if i < 0 {
			return nil, nil, false
		}
		s = s[i+1:]
		end := bytes.IndexByte(s, '>')
		if end < 0 {
			return nil, nil, false
		}
		if again := bytes.LastIndexByte(s[:end], '<'); again >= 0 {
			s, end = s[again+1:], end-again-1
		}
		id, s = cleanID(s[:end]), s[end+1:]
		if len(id) > 0 {
			return id, s, true
		}
	}
}

func cleanID(s []byte) []byte {
	if !bytes.ContainsAny(s, " \t\r\n\"\\\x00") {
		return s
	}
	sc := scanner{s: s}
	var out []byte
	for sc.skip(); !sc.done(); sc.skip() {
		if sc.peek() == '"' {
			out = sc.quoted(out)
			continue
		}
		out = append(out, sc.token("")...)
	}
	return bytes.ReplaceAll(out, []byte{0}, nil)
}

// messageID reads the value of a Message-ID field. One without brackets counts if it is one word.
func messageID(value []byte) []byte {
	if id, _, ok := nextID(value); ok {
		return id
	}
	value = bytes.Trim(value, " \t\r\n<>")
	if len(value) > 0 && !bytes.ContainsAny(value, " \t\r\n") && bytes.IndexByte(value, '@') > 0 {
		return cleanID(value)
	}
	return nil
}
